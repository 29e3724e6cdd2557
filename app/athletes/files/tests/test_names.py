"""Names in files: which rows belong to one category or centre."""

import httpx
import pytest

from app.athletes.files.tests.conftest import Import, athlete_of, counts, names
from app.conftest import Create

HEADER = "reference,name,category,centres\n"


@pytest.mark.parametrize(
    "gyms",
    [
        ["バードジム", "ハートジム", "パードジム", "ハードジム"],
        ["ลูก", "ลุก", "ลก", "ล่ก"],
        ["мой", "мои", "моё", "мое"],
        ["أن", "إن", "آن", "ان"],
    ],
)
async def test_four_people_of_four_gyms_get_four_centres(
    client: httpx.AsyncClient, import_csv: Import, gyms: list[str]
) -> None:
    rows = "".join(f"{number},A,{gym},{gym}\n" for number, gym in enumerate(gyms))

    report = await import_csv(HEADER + rows)

    assert counts(report) == {"read": 4, "created": 4, "new_categories": 4, "new_centres": 4}
    assert sorted(await names(client, "centres")) == sorted(gyms)
    for number, gym in enumerate(gyms):
        athlete = await athlete_of(client, str(number))
        assert athlete["category"]["name"] == gym
        assert [centre["name"] for centre in athlete["centres"]] == [gym]
    again = await import_csv(HEADER + rows)
    assert counts(again) == {"read": 4, "unchanged": 4}


async def test_one_athlete_can_train_at_gyms_whose_names_differ_in_a_mark(
    client: httpx.AsyncClient, import_csv: Import
) -> None:
    await import_csv(f"{HEADER}1,A,Rx,\uff8a\uff9f\uff70\uff78;バーク;パーク\n")

    assert sorted(await names(client, "centres")) == ["バーク", "パーク"]
    athlete = await athlete_of(client, "1")
    assert [centre["name"] for centre in athlete["centres"]] == ["バーク", "パーク"]


async def test_spellings_of_one_gym_give_one_centre(
    client: httpx.AsyncClient, import_csv: Import, create: Create
) -> None:
    await create("centres", {"name": "O’Brien Łódź"})
    rows = ["O'BRIEN LODZ", "o`brien łodz", "O´Brien Łódź", "O’Brien Łódź"]

    report = await import_csv(
        HEADER + "".join(f"{number},A,Rx,{gym}\n" for number, gym in enumerate(rows))
    )

    assert counts(report) == {"read": 4, "created": 4, "new_categories": 1}
    assert await names(client, "centres") == ["O’Brien Łódź"]
