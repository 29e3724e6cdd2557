import csv
from io import StringIO

import asyncpg
import httpx
import pytest

from app.athletes.files.exporting import ROWS_AT_ONCE
from app.athletes.files.records import COLUMNS
from app.athletes.files.tests.conftest import Import, counts, post_csv
from app.conftest import API, Create, Json
from app.core.resources.fields import new_id

EMPTY = "DELETE FROM athletes; DELETE FROM centres; DELETE FROM categories"


async def exported(client: httpx.AsyncClient) -> str:
    response = await client.get(f"{API}/athletes/export")
    assert response.status_code == 200
    return response.text


async def all_athletes(client: httpx.AsyncClient) -> list[Json]:
    """Read all athletes, without times, versions and the ids of categories and centres."""
    ids = []
    url: str | None = f"{API}/athletes?limit=100"
    while url:
        page = (await client.get(url)).json()
        ids += [item["id"] for item in page["items"]]
        url = page["next"]
    athletes = []
    for athlete_id in ids:
        athlete = (await client.get(f"{API}/athletes/{athlete_id}")).json()
        for place in (athlete["category"], *athlete["centres"]):
            del place["id"]
        del athlete["created_at"], athlete["updated_at"], athlete["version"]
        athletes.append(athlete)
    return athletes


async def test_an_export_without_athletes_has_only_the_header(client: httpx.AsyncClient) -> None:
    response = await client.get(f"{API}/athletes/export")

    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="athletes.csv"'
    assert response.text == ",".join(COLUMNS) + "\r\n"


async def test_an_export_has_one_row_for_each_athlete(
    client: httpx.AsyncClient, create: Create
) -> None:
    rx = await create("categories", {"name": 'R"x'})
    boxes = [await create("centres", {"name": name}) for name in ("the garage", "North, East")]
    mara = await create(
        "athletes",
        {
            "name": "Mara, Lindqvist",
            "reference": "=M-1",
            "email": "mara@example.com",
            "national_id": "X1",
            "birth_date": "1994-05-17",
            "sex": "female",
            "height_cm": 168.5,
            "weight_kg": 64,
            "category_id": rx["id"],
            "centre_ids": [box["id"] for box in boxes],
        },
    )
    ana = await create("athletes", {"name": "Ana", "category_id": rx["id"]})

    header, *rows = csv.reader(StringIO(await exported(client), newline=""))

    assert header == list(COLUMNS)
    assert rows == [
        [
            mara["id"],
            "=M-1",
            "Mara, Lindqvist",
            "mara@example.com",
            "X1",
            "1994-05-17",
            "female",
            'R"x',
            "North, East;the garage",
            "168.5 cm",
            "64.00 kg",
        ],
        [ana["id"], "", "Ana", "", "", "", "", 'R"x', "", "", ""],
    ]


async def test_importing_an_export_restores_the_same_athletes(
    client: httpx.AsyncClient, import_csv: Import, connection: asyncpg.Connection
) -> None:
    many = ";".join(f"Box {number}" for number in range(50))
    await import_csv(
        "reference,name,email,national_id,birth_date,sex,category,centres,height,weight\n"
        'M-1,"Mara ""M"", L.",mara@example.com,X1,1900-01-01,female,R;x,North;"S",50,20\n'
        f"＝2,محمد علي,,,,other,李 娜,{many},300,650\n"
        '\'3,-🏋\u200d♀ Ana,,@4,,,"a,b",,,\n'
        ",=1+1,,,,,Rx,,,\n"
    )
    athletes = await all_athletes(client)
    assert len(athletes) == 4
    file = await exported(client)

    assert counts(await import_csv(file)) == {"read": 4, "unchanged": 4}
    await connection.execute(EMPTY)
    report = await import_csv(file)

    assert counts(report) == {
        "read": 4,
        "created": 4,
        "new_categories": 4,
        "new_centres": 52,
    }
    assert await all_athletes(client) == athletes
    assert await exported(client) == file


async def test_an_export_of_several_pages_has_each_athlete_once(
    client: httpx.AsyncClient, import_csv: Import
) -> None:
    ids = sorted(str(new_id()) for _ in range(2 * ROWS_AT_ONCE))
    await import_csv("\n".join(["id,name,category", *(f"{row_id},Mara,Rx" for row_id in ids)]))

    rows = list(csv.DictReader(StringIO(await exported(client), newline="")))

    assert [row["id"] for row in rows] == ids


@pytest.mark.parametrize("extreme", ["0" * 8, "f" * 8])
async def test_athletes_with_the_lowest_and_highest_id_are_exported(
    client: httpx.AsyncClient, import_csv: Import, extreme: str
) -> None:
    athlete_id = "-".join(extreme[0] * length for length in (8, 4, 4, 4, 12))
    await import_csv(f"id,name,category\n{athlete_id},Mara,Rx\n")
    assert athlete_id in await exported(client)


async def test_export_and_import_refuse_query_parameters(client: httpx.AsyncClient) -> None:
    response = await client.get(f"{API}/athletes/export?limit=5")
    assert response.status_code == 422
    response = await client.post(f"{API}/athletes/import?dry=1", content=b"name\n")
    assert response.status_code == 422
    assert (await post_csv(client, "name\n")).status_code == 200
