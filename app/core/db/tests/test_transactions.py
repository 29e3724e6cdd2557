"""The connection pool and transactions: clean sessions, retries, rollback, unusable servers."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from httpx import AsyncClient

from app.application import create_app
from app.athletes.models import Athlete
from app.categories.models import Category
from app.conftest import API, Json, client_of, patient, problem
from app.core.db import pool as pool_module
from app.core.db.pool import UnusableDatabase, check_room, connected
from app.core.db.schema import table_of
from app.core.db.statements import Statement
from app.core.db.transactions import Database, Transaction, UnusableValue
from app.core.errors import Unavailable
from app.core.http.tests.document import Document
from app.core.resources.fields import new_id
from app.core.settings import Settings

SESSION = """
SELECT (SELECT json_agg(s ORDER BY name) FROM (
            SELECT name, setting FROM pg_settings
            WHERE setting IS DISTINCT FROM reset_val OR name = 'TimeZone') s) AS settings,
       (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory')
           AS locks,
       (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()) AS temporary,
       (SELECT count(*) FROM pg_cursors) AS cursors,
       (SELECT count(*) FROM pg_listening_channels()) AS channels,
       pg_current_xact_id_if_assigned()::text AS transaction
"""


def usual(url: str) -> Settings:
    return Settings(_env_file=None, database_url=url)


CATEGORIES = table_of(Category)
INSERT_CATEGORY = Statement(
    sa.insert(CATEGORIES).values(
        id=sa.bindparam("new_id"), name=sa.bindparam("new_name"), name_key=sa.bindparam("new_name")
    )
)
COUNT_CATEGORIES = Statement(sa.select(sa.func.count().label("count")).select_from(CATEGORIES))
LOCK_CATEGORY = Statement(
    sa.select(CATEGORIES.c.id).where(CATEGORIES.c.name == sa.bindparam("name")).with_for_update()
)


@pytest.fixture
async def database(own_database: str) -> AsyncIterator[Database]:
    """Provide a pool of one connection to its own database, opened as the app does."""
    async with connected(patient(own_database), 1) as database:
        yield database


async def session_of(database: Database) -> dict[str, Any]:
    async with database._pool.acquire() as connection:
        return dict(await connection.fetchrow(SESSION))


async def test_requests_leave_nothing_in_their_session(
    app: FastAPI, document: Document, database: Database
) -> None:
    app.state.database = database
    before = await session_of(database)
    async with client_of(app) as client:
        await use_everything(client)

    assert await session_of(database) == before
    assert before["locks"] == before["temporary"] == before["channels"] == 0


async def use_everything(client: AsyncClient) -> None:
    """Send requests that commit, fail, conflict and roll back."""
    rx = (await client.post(f"{API}/categories", json={"name": "Rx"})).json()
    north = (await client.post(f"{API}/centres", json={"name": "North"})).json()
    mara = {"name": "Mara", "category_id": rx["id"], "centre_ids": [north["id"]]}
    athlete = f"{API}/athletes/{(await client.post(f'{API}/athletes', json=mara)).json()['id']}"
    changes: list[Json] = [{"name": "M"}, {"centre_ids": []}, {"centre_ids": [str(new_id())]}]
    for payload in changes:
        await client.patch(athlete, json=payload)
    assert (await client.post(f"{API}/categories", json={"name": "RX"})).status_code == 409
    assert (await client.patch(f"{athlete}0", json={"centre_ids": []})).status_code == 422
    for method in ("PUT", "PUT", "DELETE", "DELETE"):
        await client.request(method, f"{athlete}/centres/{north['id']}")
    for sort in ("name", "-created_at"):
        page = await client.get(f"{API}/athletes?sort={sort}&total=true&offset=0")
        assert page.json()["total"] == 1
    assert (await client.delete(athlete)).status_code == 204


async def test_a_write_is_committed_before_its_response(
    app: FastAPI, document: Document, database: Database, own_database: str
) -> None:
    app.state.database = database
    async with client_of(app) as client:
        created = await client.post(f"{API}/categories", json={"name": "Rx"})

        other = await asyncpg.connect(own_database)
        found = await other.fetchval("SELECT id FROM categories")
        await other.close()

    assert str(found) == created.json()["id"]


async def test_a_transaction_that_fails_is_rolled_back(database: Database) -> None:
    async def fail(transaction: Transaction) -> None:
        await transaction.row(INSERT_CATEGORY, {"new_id": new_id(), "new_name": "x"})
        assert (await transaction.row(COUNT_CATEGORIES, {}))["count"] == 1
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.transaction(fail)
    assert (await database.row(COUNT_CATEGORIES, {}))["count"] == 0


async def test_a_nested_transaction_is_part_of_the_outer_one(database: Database) -> None:
    async def insert(transaction: Transaction) -> None:
        await transaction.row(INSERT_CATEGORY, {"new_id": new_id(), "new_name": "x"})

    async def fail_afterwards(transaction: Transaction) -> None:
        await transaction.transaction(insert)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.transaction(fail_afterwards)
    assert (await database.row(COUNT_CATEGORIES, {}))["count"] == 0


async def test_times_are_read_in_utc(database: Database) -> None:
    now = Statement(sa.text("SELECT to_json(now())::text AS now"))

    assert (await database.row(now, {}))["now"].endswith('+00:00"')


async def test_a_server_that_is_too_old_is_refused(
    own_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "OLDEST_POSTGRESQL", 99)

    with pytest.raises(UnusableDatabase, match="99 or newer is needed"):
        async with connected(patient(own_database), 1):
            pass


def test_a_statement_keeps_its_constants_and_requires_its_parameters() -> None:
    athletes = table_of(Athlete)
    statement = Statement(
        sa.select(athletes.c.id).where(
            athletes.c.sex == sa.bindparam("sex"),
            athletes.c.name == "a",
            athletes.c.version > 1,
        )
    )

    assert statement.text.count("$") == 3
    assert statement.arguments({"sex": "other", "unused": 1}) == ["other", "a", 1]
    with pytest.raises(KeyError, match="sex"):
        statement.arguments({})


@pytest.fixture
def _as_before() -> Iterator[None]:
    """Undo what DEBUG changes in the process."""
    before = logging.getLogger("app").level, list(logging.getLogger().handlers)
    yield
    logging.getLogger("app").setLevel(before[0])
    logging.getLogger().handlers[:] = before[1]


@pytest.mark.usefixtures("_as_before")
async def test_debug_logs_statements_and_no_values(
    own_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(Settings(_env_file=None, database_url=own_database, debug=True))
    try:
        async with app.router.lifespan_context(app), client_of(app) as client:
            await client.post(f"{API}/athletes/lookup", json={"national_id": "X1234567"})
    finally:
        asyncio.get_running_loop().set_debug(False)

    records = [record for record in caplog.records if record.name == "app.core.db.transactions"]
    *_of_token, lookup = (record.getMessage() for record in records)
    assert "athletes.national_id = $1" in lookup
    assert "X1234567" not in caplog.text


@pytest.mark.parametrize("limits", [patient, usual], ids=["patient", "usual"])
async def test_a_deadlocked_transaction_is_retried(
    own_database: str, limits: Callable[[str], Settings]
) -> None:
    async with connected(limits(own_database), 2) as database:
        for name in ("a", "b"):
            await database.row(INSERT_CATEGORY, {"new_id": new_id(), "new_name": name})

        await run_into_a_deadlock(database)


async def run_into_a_deadlock(database: Database) -> None:
    """Lock the categories a and b in opposite lock order in two transactions: a deadlock.

    One transaction is retried, and both succeed.
    """
    both_have_one = asyncio.Barrier(2)
    runs: list[str] = []

    async def lock(transaction: Transaction, first: str, second: str) -> str:
        runs.append(first)
        await transaction.row(LOCK_CATEGORY, {"name": first})
        if len(runs) <= 2:
            await both_have_one.wait()
        await transaction.row(LOCK_CATEGORY, {"name": second})
        return first

    done = await asyncio.gather(
        database.transaction(lambda transaction: lock(transaction, "a", "b")),
        database.transaction(lambda transaction: lock(transaction, "b", "a")),
    )

    assert list(done) == ["a", "b"]
    assert len(runs) == 3


async def test_a_transaction_that_keeps_failing_is_given_up_after_four_attempts(
    database: Database,
) -> None:
    runs = 0

    async def fail(transaction: Transaction) -> None:
        nonlocal runs
        runs += 1
        raise asyncpg.SerializationError

    with pytest.raises(Unavailable, match="Concurrent requests keep changing the same rows"):
        await database.transaction(fail)
    assert runs == 4


async def test_a_value_of_the_wrong_type_raises_an_error_without_the_value(
    database: Database,
) -> None:
    with pytest.raises(UnusableValue) as raised:
        await database.row(LOCK_CATEGORY, {"name": int("7" * 7)})
    assert "7" * 7 not in "".join(traceback.format_exception(raised.value))


async def test_the_service_is_not_ready_without_a_database(
    app: FastAPI, document: Document, own_database: str
) -> None:
    async with connected(patient(own_database), 1) as database:
        app.state.database = database
        await database._pool.close()  # type: ignore[attr-defined]
        async with client_of(app) as client:
            ready = await client.get("/health/ready")
            live = await client.get("/health/live")

    assert problem(ready) == (503, "/problems/unavailable", [])
    assert ready.json()["detail"] == "The database does not answer."
    assert live.json() == {"status": "live"}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://postgres@127.0.0.1:1/gym", "Connect call failed"),
        ("postgresql://postgres@127.0.0.1:port/gym", "invalid literal"),
    ],
)
async def test_an_unreachable_server_fails_the_startup_with_one_line(url: str, reason: str) -> None:
    app = create_app(Settings(_env_file=None, database_url=url))
    sent: list[dict[str, Any]] = []
    asked = iter([{"type": "lifespan.startup"}])

    async def receive() -> dict[str, str]:
        return next(asked)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    with pytest.raises(UnusableDatabase):
        await app({"type": "lifespan", "state": {}}, receive, send)  # type: ignore[arg-type]

    (failed,) = sent
    assert failed["type"] == "lifespan.startup.failed"
    assert failed["message"].startswith("cannot reach the database of DATABASE_URL: ")
    assert reason in failed["message"]
    assert "\n" not in failed["message"]


async def test_closing_the_pool_waits_for_statements_in_flight(own_database: str) -> None:
    slow = Statement(sa.select(sa.func.pg_sleep(sa.literal_column("0.2")), sa.literal("done")))
    async with connected(usual(own_database), 2) as database:
        under_way = asyncio.create_task(database.row(slow, {}))
        await asyncio.sleep(0.05)

    assert under_way.done()
    assert (await under_way)[1] == "done"
    with pytest.raises(Unavailable):
        await database.row(slow, {})


async def test_a_connection_is_usable_after_its_statement_was_cancelled(
    database: Database,
) -> None:
    slow = Statement(sa.select(sa.func.pg_sleep(sa.literal_column("30"))))
    given_up = asyncio.create_task(database.row(slow, {}))
    await asyncio.sleep(0.05)
    given_up.cancel()

    assert (await database.row(COUNT_CATEGORIES, {}))["count"] == 0
    assert given_up.cancelled()


async def test_processes_may_use_all_connections_of_the_server_but_no_more(
    own_database: str,
) -> None:
    connection = await asyncpg.connect(own_database)
    room = int(await connection.fetchval("SHOW max_connections"))
    room -= int(await connection.fetchval("SHOW superuser_reserved_connections"))
    await connection.close()

    await check_room(usual(own_database).model_copy(update={"db_pool_size": room}), 1)
    too_many = usual(own_database).model_copy(update={"db_pool_size": room // 2 + 1})
    with pytest.raises(UnusableDatabase, match=f"more than the {room} that"):
        await check_room(too_many, 2)
    await check_room(too_many.model_copy(update={"db_pgbouncer": True}), 2)


async def test_a_pool_larger_than_the_server_allows_is_an_error(own_database: str) -> None:
    with pytest.raises(UnusableDatabase, match=r"too many clients|connection slots are reserved"):
        async with connected(patient(own_database), 200):
            pass
