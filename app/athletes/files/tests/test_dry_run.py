"""Dry runs: the report of a real import, and nothing stored."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from app.athletes.files import dry_run
from app.athletes.files.reading import ROWS_IN_BATCH
from app.athletes.files.tests.conftest import (
    Import,
    athlete_of,
    counts,
    post_and_leave,
    post_csv,
)
from app.conftest import API, Create, lock_waiters, patient, problem, served, unavailable
from app.trainings.tests.conftest import Gym

HEADER = "reference,name,email,category,centres"
TABLES = "athletes", "categories", "centres", "enrolments"
STATE = " UNION ALL ".join(
    f"SELECT '{table}', md5(string_agg(t::text, ';' ORDER BY t::text)) FROM {table} t"  # noqa: S608
    for table in TABLES
)
DRY = {"dry_run": "true"}


def file_of(*rows: str) -> str:
    return "\n".join([HEADER, *rows])


def people(first: int, last: int) -> list[str]:
    """Return rows that name the same category and centre again and again."""
    return [f"N-{n:05},Person {n},{n}@example.com,New,Box {n % 3}" for n in range(first, last)]


@pytest.fixture
async def there(import_csv: Import) -> None:
    """Store athletes that the files change."""
    await import_csv(
        file_of(
            "M-1,Mara,mara@example.com,Rx,North",
            "M-2,Ana,ana@example.com,Rx,South",
            "M-3,Eva,eva@example.com,Rx,",
        )
    )


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize(
    "file",
    [
        # A category and centres that the first batch creates are known in the next ones.
        file_of(*people(0, 2 * ROWS_IN_BATCH + 10)),
        # The first batch frees an address, which a row of the second one takes.
        file_of("M-1,Mara,new@example.com,Rx,North", *people(0, ROWS_IN_BATCH),
                "Z-1,Zoe,mara@example.com,Rx,"),
        # The first batch takes an address that a row of the second one frees: it is rejected.
        file_of("A-1,Ada,ana@example.com,Rx,", *people(0, ROWS_IN_BATCH),
                "M-2,Ana,other@example.com,Masters,"),
        # Rows that cannot be read, that repeat a value, and that conflict with stored ones.
        file_of("M-9,Ida,mara@example.com,Teens,West", "M-9,Ida,,Rx,", ",,,,x", "M-3,Eva,x,Rx,",
                "M-1,Mara L.,mara@example.com,Rx,North;West", "M-2,Ana,ana@example.com,rx,south",
                "M-7,Kim,,Teens,East"),
    ],
    ids=["several batches", "a freed address", "a taken address", "rejected rows"],
)  # fmt: skip
async def test_a_dry_run_reports_what_the_import_does_and_stores_nothing(
    import_csv: Import, connection: asyncpg.Connection, file: str
) -> None:
    before = await connection.fetch(STATE)

    report = await import_csv(file, DRY)

    assert await connection.fetch(STATE) == before
    assert await import_csv(file) == report
    assert await connection.fetch(STATE) != before


async def test_the_options_are_those_of_the_import(
    import_csv: Import, connection: asyncpg.Connection
) -> None:
    file = "Nr;Person\n1;Mara\n"
    options = {"map": ["reference=Nr", "name=Person"], "set": ["category=Rx"]}

    report = await import_csv(file, {**options, **DRY})

    assert counts(report) == {"read": 1, "created": 1, "new_categories": 1}
    assert await connection.fetchval("SELECT count(*) FROM athletes") == 0
    assert await import_csv(file, options) == report


async def test_dry_run_false_is_an_import(
    import_csv: Import, connection: asyncpg.Connection
) -> None:
    await import_csv(file_of("M-1,Mara,,Rx,"), {"dry_run": "false"})
    assert await connection.fetchval("SELECT count(*) FROM athletes") == 1


class TestConcurrently:
    """Dry runs on a database of their own."""

    @pytest.fixture
    def client(self, pooled_client: httpx.AsyncClient) -> httpx.AsyncClient:
        return pooled_client

    async def test_a_dry_run_is_rolled_back_and_releases_its_connection(
        self, client: httpx.AsyncClient, other: asyncpg.Connection, import_csv: Import
    ) -> None:
        file = file_of(*people(0, ROWS_IN_BATCH + 500))

        reports = [await import_csv(file, DRY) for _ in range(3)]

        assert reports == [reports[0]] * 3
        assert reports[0]["created"] == ROWS_IN_BATCH + 500
        assert await other.fetchval("SELECT count(*) FROM athletes") == 0
        assert await other.fetchval("SELECT count(*) FROM centres") == 0
        idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        assert await other.fetchval(idle) == 0

    async def test_a_dry_run_that_loses_the_database_answers_503(
        self, client: httpx.AsyncClient, other: asyncpg.Connection, import_csv: Import
    ) -> None:
        await import_csv(file_of("M-1,Mara,,Rx,"))
        async with other.transaction():
            await other.execute("SELECT FROM athletes FOR UPDATE")
            running = asyncio.ensure_future(post_csv(client, file_of("M-1,Ana,,Rx,"), DRY))
            await lock_waiters(other)
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid != pg_backend_pid()"
            )

        assert problem(await running) == (503, "/problems/unavailable", [])

    @pytest.fixture
    async def half_done(
        self, client: httpx.AsyncClient, other: asyncpg.Connection, import_csv: Import
    ) -> AsyncIterator[asyncio.Future[httpx.Response]]:
        """Begin a dry run that waits for a centre, after it has found its athletes."""
        await import_csv(file_of("M-1,Mara,,Rx,Box", "M-2,Ana,,Rx,Box"))
        transaction = other.transaction()
        await transaction.start()
        await other.execute(
            "INSERT INTO centres SELECT (jsonb_populate_record(centres, jsonb_build_object("
            "'id', gen_random_uuid(), 'name', 'New', 'name_key', 'new'))).*"
            " FROM centres WHERE name = 'Box'"
        )
        file = file_of("M-1,Mara,,Rx,Box", "M-2,Ana,,Rx,Box;New")
        running = asyncio.ensure_future(post_csv(client, file, DRY))
        await lock_waiters(other)
        yield running
        await transaction.rollback()
        assert (await running).status_code in {200, 503}

    async def test_a_booking_of_an_athlete_in_the_file_does_not_wait_for_the_dry_run(
        self,
        client: httpx.AsyncClient,
        create: Create,
        half_done: asyncio.Future[httpx.Response],
    ) -> None:
        gym = await Gym.opened_by(client, create, "Gym")
        athletes = [await athlete_of(client, reference) for reference in ("M-1", "M-2")]

        async with asyncio.timeout(5):
            training = await gym.training()
            bookings = await gym.book(training, *(athlete["id"] for athlete in athletes))
            for booking in bookings:
                await gym.acted(booking, "cancel")

        assert not half_done.done()

    async def test_one_dry_run_is_in_progress_at_a_time(
        self, own_database: str, half_done: asyncio.Future[httpx.Response]
    ) -> None:
        hurried = patient(own_database).model_copy(update={"db_lock_timeout": 0.1})
        async with served(hurried, 2) as another:
            second = await post_csv(another, file_of("Z-9,Zoe,,Masters,"), DRY)

        assert unavailable(second) == "Another dry run is in progress; try again."
        assert not half_done.done()

    async def test_a_dry_run_that_takes_too_long_ends(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dry_run, "LONGEST", 0)

        refused = await post_csv(client, file_of("M-1,Mara,,Rx,"), DRY)

        assert unavailable(refused).startswith("The dry run took longer than 0 seconds")
        assert (await client.get(f"{API}/athletes")).json()["items"] == []

    @pytest.mark.parametrize(("method", "path"), [("DELETE", ""), ("POST", "/erase")])
    async def test_a_dry_run_answers_503_if_an_athlete_that_it_found_is_deleted_or_erased(
        self,
        method: str,
        path: str,
        client: httpx.AsyncClient,
        half_done: asyncio.Future[httpx.Response],
        other: asyncpg.Connection,
    ) -> None:
        athlete = await athlete_of(client, "M-2")
        async with asyncio.timeout(5):
            gone = await client.request(method, f"{API}/athletes/{athlete['id']}{path}")
        assert gone.status_code == 204
        await other.execute("ROLLBACK; BEGIN")

        assert problem(await half_done) == (503, "/problems/unavailable", [])

    # A statement runs for each batch, also of rejected rows, so the transaction is not idle.
    @pytest.mark.parametrize(
        "rows",
        [people(0, 2 * ROWS_IN_BATCH), ["rejected"] * 2 * ROWS_IN_BATCH],
        ids=["valid", "rejected"],
    )
    async def test_a_dry_run_ends_before_the_next_batch_if_the_client_disconnects(
        self, client: httpx.AsyncClient, other: asyncpg.Connection, rows: list[str]
    ) -> None:
        status, answer = await post_and_leave(client, file_of(*rows), b"dry_run=true", checks=2)

        assert status == 400
        assert answer["detail"] == "The client disconnected."
        assert (await client.get(f"{API}/athletes")).json()["items"] == []

    async def test_a_dry_run_is_not_retried_as_its_file_is_read_already(
        self, client: httpx.AsyncClient, other: asyncpg.Connection, import_csv: Import
    ) -> None:
        await other.execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE SQLSTATE '40001'; END$$;"
            "CREATE TRIGGER fail BEFORE INSERT ON athletes EXECUTE FUNCTION fail()"
        )

        response = await post_csv(client, file_of("M-1,Mara,,Rx,"), DRY)

        assert problem(response) == (503, "/problems/unavailable", [])
        assert response.json()["detail"] == (
            "Concurrent requests changed the same athletes during the dry run; try again."
        )
        assert (await client.get(f"{API}/athletes")).status_code == 200
