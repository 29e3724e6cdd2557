"""Imports into one competition with concurrent changes, on a database of their own."""

import asyncio

import asyncpg
import httpx
import pytest

from app.conftest import API, Create, Json, lock_waiters, patient, served, unavailable
from app.core.resources.fields import new_id
from app.leaderboards.files.tests.conftest import Import, post_file, reasons

FILE = "reference,name,category,event,score\n" + "".join(
    f"M-{number},Athlete {number},Level {number % 3},{event},{score}\n"
    for number in range(400)
    for event, score in ((1, f"CAP+{number % 90}"), (2, f"{number + 1} kg"))
)
BOARDS = """
    SELECT entries, (SELECT count(*) FROM entries
        WHERE entries.category_id = boards.category_id) FROM boards
"""
ENTER = """
    INSERT INTO entries (id, competition_id, athlete_id, category_id) VALUES ($1, $2, $3, $4)
"""


@pytest.fixture
def client(pooled_client: httpx.AsyncClient) -> httpx.AsyncClient:
    return pooled_client


async def test_concurrent_imports_of_one_file_store_each_row_once(
    client: httpx.AsyncClient, competition: Json, other: asyncpg.Connection
) -> None:
    files = (post_file(client, competition["id"], FILE, {}) for _ in range(3))
    responses = await asyncio.gather(*files)

    reports = [response.json() for response in responses]
    assert [response.status_code for response in responses] == [200] * 3, reports
    for counted, there in (("created", 800), ("new_entries", 400), ("new_athletes", 400)):
        assert sum(report[counted] for report in reports) == there
    assert await other.fetchval("SELECT count(*) FROM results WHERE version = 1") == 800
    boards = [tuple(row) for row in await other.fetch(BOARDS)]
    assert sorted(boards) == [(133, 133), (133, 133), (134, 134)]


async def test_an_athlete_who_enters_elsewhere_meanwhile_is_rejected(
    client: httpx.AsyncClient,
    competition: Json,
    create: Create,
    import_results: Import,
    other: asyncpg.Connection,
) -> None:
    rx = await create("categories", {"name": "Rx"})
    scaled = await create("categories", {"name": "Scaled"})
    mara = await create("athletes", {"name": "Mara", "reference": "M-1", "category_id": rx["id"]})
    async with other.transaction():
        await other.execute(ENTER, new_id(), competition["id"], mara["id"], scaled["id"])
        file = "reference,category,event,score\nM-1,Rx,1,6:21\n"
        importing = asyncio.ensure_future(import_results(file))
        await lock_waiters(other)

    assert reasons(await importing) == {2: "this athlete has entered in another category"}


async def test_one_dry_run_is_in_progress_at_a_time(
    own_database: str, competition: Json, other: asyncpg.Connection
) -> None:
    await other.execute("SELECT pg_advisory_lock(7209343)")
    hurried = patient(own_database).model_copy(update={"db_lock_timeout": 0.1})
    async with served(hurried, 2) as client:
        refused = await post_file(client, competition["id"], FILE, {"dry_run": "true"})

    assert unavailable(refused) == "Another dry run is in progress; try again."


async def test_an_id_of_an_erased_athlete_is_that_of_nobody(
    client: httpx.AsyncClient, create: Create, import_results: Import
) -> None:
    rx = await create("categories", {"name": "Rx"})
    erased = await create("athletes", {"name": "Mara", "category_id": rx["id"]})
    await client.post(f"{API}/athletes/{erased['id']}/erase")
    row = f"{erased['id']},{{}},Mara,Rx,1,6:21\n"

    report = await import_results(
        "id,reference,name,category,event,score\n" + row.format("") + row.format("M-1")
    )

    assert reasons(report) == {2: "the athlete with this id was erased"}
    assert (report["new_athletes"], report["created"]) == (1, 1)
