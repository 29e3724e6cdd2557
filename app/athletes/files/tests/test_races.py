"""Imports with concurrent changes or a failing database, on a database of their own."""

import asyncio

import asyncpg
import httpx
import pytest

from app.athletes.files.tests.conftest import Import, counts, post_csv
from app.conftest import API, lock_waiters, problem

HEADER = "reference,name,email,category,centres"
ROWS = 1200
FILE = "\n".join(
    [
        HEADER,
        *(
            f"M-{number},Athlete {number},{number}@example.com,Level {number % 3},"
            f"Box {number % 300};Box {number % 77}"
            for number in range(ROWS)
        ),
    ]
)
END_SESSION = """
CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.reference = 'M-1100' THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER end_session BEFORE INSERT ON athletes
FOR EACH ROW EXECUTE FUNCTION end_session();
"""


@pytest.fixture
def client(pooled_client: httpx.AsyncClient) -> httpx.AsyncClient:
    return pooled_client


async def test_concurrent_imports_of_one_file_create_each_row_once(
    client: httpx.AsyncClient, other: asyncpg.Connection
) -> None:
    responses = await asyncio.gather(*(post_csv(client, FILE) for _ in range(3)))

    reports = [response.json() for response in responses]
    assert [response.status_code for response in responses] == [200] * 3, reports
    for report in reports:
        assert (report["read"], report["updated"], report["rejected"]) == (ROWS, 0, 0)
    for counted, there in (("created", ROWS), ("new_categories", 3), ("new_centres", 300)):
        assert sum(report[counted] for report in reports) == there
    assert await other.fetchval("SELECT count(*) FROM athletes") == ROWS
    assert await other.fetchval("SELECT count(*) FROM athletes WHERE version > 1") == 0
    assert await other.fetchval("SELECT count(*) FROM centres") == 300


async def test_imports_with_concurrent_changes_do_not_fail_or_reject_rows(
    client: httpx.AsyncClient, other: asyncpg.Connection, import_csv: Import
) -> None:
    await import_csv(FILE)
    rows = await other.fetch("SELECT id FROM athletes ORDER BY reference LIMIT 40")
    box = await other.fetchval("SELECT id FROM centres WHERE name = 'Box 7'")
    urls = [f"{API}/athletes/{row['id']}" for row in rows]
    backwards = "\n".join([HEADER, *reversed(FILE.splitlines()[1:])])

    answers = await asyncio.gather(
        post_csv(client, FILE),
        post_csv(client, backwards),
        *(client.patch(url, json={"centre_ids": [str(box)]}) for url in urls),
        *(client.put(f"{url}/centres/{box}") for url in urls),
        *(client.delete(url) for url in urls[:5]),
    )

    assert {answer.status_code for answer in answers} <= {200, 204, 404}
    for answer in answers[:2]:
        assert answer.json()["read"] == ROWS
        assert answer.json()["rejected"] == 0
    assert counts(await import_csv(FILE))["read"] == ROWS
    assert counts(await import_csv(FILE)) == {"read": ROWS, "unchanged": ROWS}


async def test_centres_deleted_during_an_import_are_created_again(
    client: httpx.AsyncClient, other: asyncpg.Connection, import_csv: Import
) -> None:
    await import_csv("reference,name,category,centres\nM-1,Mara,Rx,North\n")
    await import_csv("reference,centres\nM-1,\n")
    async with other.transaction():
        await other.execute("DELETE FROM centres")
        importing = asyncio.ensure_future(post_csv(client, "reference,centres\nM-1,North\n"))
        await lock_waiters(other)

    report = (await importing).json()

    assert counts(report) == {"read": 1, "updated": 1, "new_centres": 1}
    assert await other.fetchval("SELECT name FROM centres JOIN enrolments ON centre_id = id")


async def test_a_lost_database_leaves_whole_batches_and_the_error_counts_their_rows(
    client: httpx.AsyncClient, other: asyncpg.Connection, import_csv: Import
) -> None:
    await other.execute(END_SESSION)

    response = await post_csv(client, FILE)

    assert problem(response) == (503, "/problems/unavailable", [])
    assert response.headers["Retry-After"] == "1"
    assert response.json()["detail"] == (
        "The database does not answer. The first 1000 rows are done;"
        " import the file again for the rest."
    )
    assert await other.fetchval("SELECT count(*) FROM athletes") == 1000
    await other.execute("DROP TRIGGER end_session ON athletes")
    assert counts(await import_csv(FILE)) == {
        "read": ROWS,
        "created": ROWS - 1000,
        "unchanged": 1000,
    }


async def test_an_export_that_loses_the_database_answers_503(
    client: httpx.AsyncClient, other: asyncpg.Connection
) -> None:
    end_others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid != pg_backend_pid()"
    )
    async with other.transaction():
        await other.execute("LOCK TABLE athletes IN ACCESS EXCLUSIVE MODE")
        exporting = asyncio.ensure_future(client.get(f"{API}/athletes/export"))
        await lock_waiters(other)
        await other.execute(end_others)

    assert problem(await exporting) == (503, "/problems/unavailable", [])
