"""The service behind PgBouncer in transaction mode, where all clients share the server's sessions.

There are more connections to PgBouncer than sessions. A transaction gets the session that has been
idle for longest.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from alembic import command
from httpx import AsyncClient, Response
from sqlmodel import SQLModel

from app.commands.data.sample import add_sample_data
from app.commands.data.transfer import export_file, import_file
from app.commands.database import alembic_config, database_url, migrate_to_head
from app.conftest import (
    API,
    Databases,
    Json,
    conflict,
    execute,
    patient,
    problem,
    served,
    unavailable,
)
from app.core.db.pool import UnusableDatabase, connected
from app.core.db.statements import Statement
from app.core.db.tests.pgbouncer import PROGRAM, PgBouncer, pgbouncer
from app.core.db.tests.test_transactions import run_into_a_deadlock, use_everything
from app.core.db.transactions import Transaction
from app.core.errors import Unavailable
from app.core.settings import CANNOT_START, Settings, get_settings
from app.identity.tests.callers import ADMIN, PASSWORD

if PROGRAM is None:
    pytest.skip("PgBouncer is not installed", allow_module_level=True)

pytestmark = pytest.mark.slow  # the tests of this module together

CONNECTIONS = 6
SESSIONS = 2
MEMBERS = "reference,name,category,centres\r\nM-1,Mara,Rx,North;South\r\nM-2,Ana,Rx,\r\n"
# If a client sets no application_name, PgBouncer keeps that of the previous client.
SESSION = """
    SELECT pg_backend_pid() AS pid,
           (SELECT json_object_agg(name, setting) FROM pg_settings
            WHERE setting IS DISTINCT FROM reset_val AND context IN ('user', 'superuser')
                  AND name <> 'application_name') AS settings,
           (SELECT count(*) FROM pg_prepared_statements) AS prepared,
           (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory')
               AS locks
"""
SLOW_CATEGORY = {"name": "Slow"}
SLOW_INSERTS = """
    CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN IF NEW.name = ''Slow'' THEN PERFORM pg_sleep(60); END IF; RETURN NEW; END';
    CREATE TRIGGER slow BEFORE INSERT ON categories FOR EACH ROW EXECUTE FUNCTION sleep();
"""
EMPTY = """
    DELETE FROM results; DELETE FROM entries; DELETE FROM competition_events;
    DELETE FROM competitions; DELETE FROM programmed_workouts; DELETE FROM workouts;
    DELETE FROM bookings; DELETE FROM trainings; DELETE FROM series; DELETE FROM athletes;
    DELETE FROM centres; DELETE FROM categories; DELETE FROM idempotency_keys;
"""
SLEEPING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE wait_event = 'PgSleep' AND datname = current_database()
"""
END_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
IDLE_IN_TRANSACTION = """
    SELECT count(*) FROM pg_stat_activity
    WHERE state = 'idle in transaction' AND datname = current_database()
"""
TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
PID = Statement(sa.text("SELECT pg_backend_pid() AS pid"))
NOW = Statement(sa.text("SELECT to_json(now())::text AS now"))


@pytest.fixture(scope="module")
def bouncer(shared_database: str) -> Iterator[PgBouncer]:
    """Provide a PgBouncer in front of the server of the tests."""
    with pgbouncer(shared_database, sessions=SESSIONS) as bouncer:
        yield bouncer


@pytest.fixture(scope="module")
def module_database(databases: Databases, template: str) -> Iterator[str]:
    """Provide the URL of a database where the insert of a category named Slow takes a minute."""
    with databases.empty(template) as url:
        asyncio.run(execute(url, SLOW_INSERTS))
        yield url


@pytest.fixture
async def own_database(module_database: str) -> str:
    """Provide the URL of an empty database: to truncate one is faster than to create one."""
    await execute(module_database, EMPTY)
    return module_database


@pytest.fixture
async def url(bouncer: PgBouncer, own_database: str) -> str:
    """Provide the URL of the empty database through PgBouncer, with all sessions open."""
    url = bouncer.url(own_database)
    async with all_sessions(url):
        return url


@pytest.fixture
async def client(url: str) -> AsyncIterator[AsyncClient]:
    """Provide a client of the app behind PgBouncer."""
    async with served(through(url), CONNECTIONS) as client:
        yield client


def through(url: str, **limits: float) -> Settings:
    """Return settings for PgBouncer at a URL, with long timeouts except for ``limits``."""
    return patient(url).model_copy(update={"db_pgbouncer": True, **limits})


@asynccontextmanager
async def stranger(url: str, **settings: str) -> AsyncIterator[Any]:
    """Connect through PgBouncer as another application, with other settings or none."""
    connection = await asyncpg.connect(url, statement_cache_size=0, server_settings=settings)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def all_sessions(url: str) -> AsyncIterator[list[dict[str, Any]]]:
    """Hold every session of the server in a transaction, and yield the state of each."""
    async with (
        stranger(url) as one,
        stranger(url) as other,
        one.transaction(),
        other.transaction(),
    ):
        yield [dict(await connection.fetchrow(SESSION)) for connection in (one, other)]


async def look(url: str) -> list[dict[str, Any]]:
    """Return the state of each session of the server."""
    async with all_sessions(url) as sessions:
        return sorted(sessions, key=str)


@contextmanager
def commands_through(url: str) -> Iterator[None]:
    """Set the environment for commands that connect through PgBouncer."""
    with database_url(url), pytest.MonkeyPatch.context() as environment:
        environment.setenv("DB_PGBOUNCER", "true")
        get_settings.cache_clear()
        yield


async def create(client: AsyncClient, collection: str, payload: Json) -> Json:
    """Create a resource and return it."""
    response = await client.post(f"{API}/{collection}", json=payload)
    assert response.status_code == 201, response.text
    created: Json = response.json()
    return created


async def names(client: AsyncClient) -> list[str]:
    """Return the names of all categories."""
    response = await client.get(f"{API}/categories?limit=100")
    assert response.status_code == 200, response.text
    return [item["name"] for item in response.json()["items"]]


async def ask(url: str, query: str) -> Any:
    """Run a query on its own connection and return its single value."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def until(other: asyncpg.Connection, query: str, value: object) -> None:
    """Return when a query returns this value."""
    async with asyncio.timeout(10):
        while await other.fetchval(query) != value:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)


class TestRequests:
    async def test_one_connection_uses_several_sessions_of_the_server(self, url: str) -> None:
        async with connected(through(url), 1) as database:
            pids = [(await database.row(PID, {}))["pid"] for _ in range(4)]

        assert pids[0] != pids[1]
        assert pids == pids[:2] * 2

    async def test_a_resource_is_read(self, client: AsyncClient) -> None:
        rx = await create(client, "categories", {"name": "Rx", "description": "as prescribed"})

        for _ in range(4):
            found = await client.get(f"{API}/categories/{rx['id']}")
            assert (found.status_code, found.json()) == (200, rx)
            unchanged = await client.get(
                f"{API}/categories/{rx['id']}", headers={"If-None-Match": found.headers["ETag"]}
            )
            assert unchanged.status_code == 304

    async def test_the_pages_of_a_list_are_walked(self, client: AsyncClient) -> None:
        made = [f"Level {letter}" for letter in "ABCDEFG"]
        await asyncio.gather(*(create(client, "categories", {"name": name}) for name in made))

        walked, link = [], f"{API}/categories?limit=2&sort=-name&total=true"
        while link:
            page = (await client.get(link)).json()
            assert page["total"] == 7
            walked += [item["name"] for item in page["items"]]
            link = page["next"]
        assert walked == made[::-1]

    async def test_a_write_is_committed_before_its_response(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        rx = await create(client, "categories", {"name": "Rx"})
        assert str(await other.fetchval("SELECT id FROM categories")) == rx["id"]

        assert (await client.delete(f"{API}/categories/{rx['id']}")).status_code == 204
        assert await other.fetchval("SELECT count(*) FROM categories") == 0

    async def test_one_of_two_concurrent_changes_of_one_version_succeeds(
        self, client: AsyncClient
    ) -> None:
        made = await client.post(f"{API}/categories", json={"name": "Rx"})
        changes = [
            client.patch(
                made.headers["Location"],
                json={"description": description},
                headers={"If-Match": made.headers["ETag"]},
            )
            for description in ("this", "that")
        ]

        answers = await asyncio.gather(*changes)

        assert sorted(answer.status_code for answer in answers) == [200, 412]
        (won,) = [answer.json() for answer in answers if answer.is_success]
        assert (await client.get(made.headers["Location"])).json() == won

    async def test_a_keyed_write_is_replayed(self, client: AsyncClient) -> None:
        key = {"Idempotency-Key": "k-1"}
        first = await client.post(f"{API}/categories", json={"name": "Rx"}, headers=key)
        again = await client.post(f"{API}/categories", json={"name": "Rx"}, headers=key)
        other = await client.post(f"{API}/categories", json={"name": "Ry"}, headers=key)

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content
        assert again.headers["Idempotency-Replayed"] == "true"
        assert other.status_code == 422
        assert await names(client) == ["Rx"]

    async def test_concurrent_equal_keyed_writes_make_one_row(self, client: AsyncClient) -> None:
        posts = [
            client.post(
                f"{API}/categories", json={"name": "Rx"}, headers={"Idempotency-Key": "k-1"}
            )
            for _ in range(20)
        ]

        answers = await asyncio.gather(*posts)

        assert {(answer.status_code, answer.content) for answer in answers} == {
            (201, answers[0].content)
        }
        assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 19
        assert await names(client) == ["Rx"]

    async def test_a_conflict_does_not_affect_other_requests(self, client: AsyncClient) -> None:
        rx = await create(client, "categories", {"name": "Rx"})

        for _ in range(CONNECTIONS + 1):
            taken = await client.post(f"{API}/categories", json={"name": "RX"})
            assert conflict(taken) == ("/problems/already-taken", "/name")
            assert (await client.get(f"{API}/categories/{rx['id']}")).json() == rx

    async def test_a_deadlocked_transaction_is_retried(self, client: AsyncClient, url: str) -> None:
        for name in ("a", "b"):
            await create(client, "categories", {"name": name})

        async with connected(through(url), 2) as database:
            await run_into_a_deadlock(database)

    async def test_a_file_is_imported_and_exported(self, client: AsyncClient) -> None:
        csv = {"Content-Type": "text/csv"}
        for counted in ("created", "unchanged"):
            imported = await client.post(
                f"{API}/athletes/import", content=MEMBERS.encode(), headers=csv
            )
            assert (imported.status_code, imported.json()[counted]) == (200, 2)

        exported = await client.get(f"{API}/athletes/export")

        assert exported.status_code == 200
        _header, mara, ana = exported.text.splitlines()
        assert ",M-1,Mara," in mara
        assert ",North;South," in mara
        assert ",M-2,Ana," in ana

    async def test_a_login_begins_a_session(self, client: AsyncClient) -> None:
        login = {"email": ADMIN.email, "password": PASSWORD}

        made = await client.post(f"{API}/sessions", json=login)
        session = {"Authorization": f"Bearer {made.json()['token']}"}
        me = await client.get(f"{API}/me", headers=session)
        out = await client.delete(f"{API}/sessions/current", headers=session)

        assert (made.status_code, me.status_code, out.status_code) == (201, 200, 204)
        assert me.json()["account"]["email"] == ADMIN.email

    async def test_the_service_is_ready(self, client: AsyncClient) -> None:
        assert (await client.get("/health/ready")).json() == {"status": "ready"}


class TestLimits:
    async def test_a_statement_is_ended_at_the_statement_timeout(
        self, url: str, other: asyncpg.Connection
    ) -> None:
        async with served(through(url, db_statement_timeout=0.3), CONNECTIONS) as client:
            slow = await client.post(f"{API}/categories", json=SLOW_CATEGORY)

            assert unavailable(slow) == "The database did not finish before the statement timeout."
            assert await other.fetchval(SLEEPING) == 0
            await create(client, "categories", {"name": "Fast"})
            assert await names(client) == ["Fast"]

    async def test_the_wait_for_a_lock_ends_at_the_lock_timeout(
        self, url: str, other: asyncpg.Connection
    ) -> None:
        async with served(through(url, db_lock_timeout=0.1), CONNECTIONS) as client:
            async with other.transaction():
                await other.execute("LOCK TABLE categories")
                locked = await client.get(f"{API}/categories")

            assert (
                unavailable(locked)
                == "Another transaction holds a lock that this request needs; try again."
            )
            assert await names(client) == []

    async def test_a_key_in_flight_is_a_conflict_after_the_lock_timeout(
        self, url: str, other: asyncpg.Connection
    ) -> None:
        async with served(through(url, db_lock_timeout=0.1), CONNECTIONS) as client:

            def post() -> Coroutine[Any, Any, Response]:
                key = {"Idempotency-Key": "k-1"}
                return client.post(f"{API}/categories", json=SLOW_CATEGORY, headers=key)

            first = asyncio.create_task(post())
            await until(other, SLEEPING, 1)
            second = await post()
            await other.execute(END_SESSIONS)

            assert problem(second) == (409, "/problems/idempotency-key-in-flight", [])
            unavailable(await first)
            assert await names(client) == []

    async def test_a_transaction_is_ended_at_the_idle_timeout(
        self, url: str, other: asyncpg.Connection
    ) -> None:
        async def dawdle(transaction: Transaction) -> None:
            await transaction.row(PID, {})
            await until(other, IDLE_IN_TRANSACTION, 0)
            await transaction.row(PID, {})

        async with connected(through(url, db_idle_timeout=0.2), 1) as database:
            with pytest.raises(Unavailable, match="The database does not answer"):
                await database.transaction(dawdle)

    async def test_requests_leave_nothing_in_the_shared_sessions(
        self, url: str, other: asyncpg.Connection
    ) -> None:
        before = await look(url)
        async with (
            served(
                through(url, db_statement_timeout=0.2, db_lock_timeout=0.1), CONNECTIONS
            ) as hurried,
            other.transaction(),
        ):
            await hurried.post(f"{API}/categories", json=SLOW_CATEGORY)
            await other.execute("LOCK TABLE categories")
            await hurried.get(f"{API}/categories")
        async with served(through(url), CONNECTIONS) as client:
            for _ in range(SESSIONS):
                await use_everything(client)
                await other.execute(EMPTY)

            after = await look(url)

        assert after == before
        assert len({session["pid"] for session in after}) == SESSIONS
        for session in after:
            assert session == {"pid": session["pid"], "settings": None, "prepared": 0, "locks": 0}

    async def test_times_are_in_utc_despite_the_time_zone_of_other_clients(self, url: str) -> None:
        async with (
            connected(through(url), 1) as database,
            stranger(url, timezone="Asia/Tokyo") as tokyo,
        ):
            for _ in range(SESSIONS + 1):
                assert "+09" in await tokyo.fetchval("SELECT now()::text")
                assert (await database.row(NOW, {}))["now"].endswith('+00:00"')


class TestFaults:
    async def test_a_request_without_a_free_session_gets_503_after_the_pool_wait(
        self, url: str
    ) -> None:
        async with served(through(url, db_pool_wait=0.3), CONNECTIONS) as client:
            async with all_sessions(url):
                refused = await client.get(f"{API}/categories")

            assert unavailable(refused) == "The database does not answer."
            assert await names(client) == []

    async def test_an_error_of_pgbouncer_is_answered_with_503(self, own_database: str) -> None:
        with pgbouncer(own_database, sessions=1, wait=0.2) as bouncer:
            url = bouncer.url(own_database)
            async with served(through(url), CONNECTIONS) as client:
                async with stranger(url) as holder, holder.transaction():
                    await holder.execute("SELECT 1")
                    refused = await client.get(f"{API}/categories")

                assert unavailable(refused) == "The database does not answer."
                assert await names(client) == []

    async def test_the_statement_of_a_cancelled_request_is_cancelled(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        request = asyncio.create_task(client.post(f"{API}/categories", json=SLOW_CATEGORY))
        await until(other, SLEEPING, 1)

        request.cancel()

        await until(other, SLEEPING, 0)
        for _ in range(CONNECTIONS + 1):
            assert await names(client) == []

    async def test_a_session_that_ends_fails_only_its_own_request(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        request = asyncio.create_task(client.post(f"{API}/categories", json=SLOW_CATEGORY))
        await until(other, SLEEPING, 1)

        await other.execute(END_SESSIONS)

        assert unavailable(await request) == "The database does not answer."
        for _ in range(CONNECTIONS + 1):
            assert await names(client) == []

    async def test_the_service_recovers_from_a_restart_of_pgbouncer(
        self, own_database: str
    ) -> None:
        with pgbouncer(own_database) as bouncer:
            async with served(through(bouncer.url(own_database)), CONNECTIONS) as client:
                await create(client, "categories", {"name": "Rx"})

                bouncer.kill()
                unavailable(await client.get(f"{API}/categories"))
                unavailable(await client.get("/health/ready"))
                bouncer.start()

                pages = await asyncio.gather(*(names(client) for _ in range(2 * CONNECTIONS)))
                assert pages == [["Rx"]] * len(pages)
                assert (await client.get("/health/ready")).status_code == 200


class TestStart:
    async def test_the_error_without_db_pgbouncer_names_the_setting(self, url: str) -> None:
        with pytest.raises(UnusableDatabase) as refused:
            async with connected(patient(url)):
                pass

        assert str(refused.value) == (
            "cannot reach the database of DATABASE_URL: "
            "unsupported startup parameter: jit_above_cost "
            "(if this is PgBouncer, set DB_PGBOUNCER=true)"
        )

    def test_without_db_pgbouncer_nothing_is_migrated(
        self, databases: Databases, bouncer: PgBouncer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with databases.empty() as direct:
            with database_url(bouncer.url(direct)), pytest.raises(SystemExit) as refused:
                migrate_to_head()

            assert refused.value.code == CANNOT_START
            assert capsys.readouterr().err.endswith(
                " (if this is PgBouncer, set DB_PGBOUNCER=true)\n"
            )
            assert asyncio.run(ask(direct, TABLES)) == 0

    async def test_a_server_that_pgbouncer_cannot_reach_is_an_error(self, tmp_path: Path) -> None:
        nowhere = f"postgresql://postgres@/gym?host={tmp_path}&port=5432"
        with (
            pgbouncer(nowhere) as bouncer,
            pytest.raises(UnusableDatabase, match=r"no answer before the timeout|connect failed"),
        ):
            async with connected(through(bouncer.url(nowhere), db_pool_wait=0.3)):
                pass

    async def test_a_pool_larger_than_pgbouncer_allows_is_an_error(self, own_database: str) -> None:
        with (
            pgbouncer(own_database, clients=3) as bouncer,
            pytest.raises(UnusableDatabase, match="no more connections allowed"),
        ):
            async with connected(through(bouncer.url(own_database)), 4):
                pass


class TestCommands:
    def test_migrations_upgrade_and_downgrade_twice(
        self, databases: Databases, bouncer: PgBouncer
    ) -> None:
        with databases.empty() as direct, commands_through(bouncer.url(direct)):
            for _ in range(2):
                migrate_to_head()
                assert asyncio.run(ask(direct, TABLES)) == len(SQLModel.metadata.tables) + 1
                command.downgrade(alembic_config(), "base")
                assert asyncio.run(ask(direct, TABLES)) == 1

    def test_the_schema_check_leaves_nothing_in_the_sessions(self, url: str) -> None:
        before = asyncio.run(look(url))
        with commands_through(url):
            command.check(alembic_config())

        assert asyncio.run(look(url)) == before

    def test_files_are_imported_and_exported(
        self, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        members, athletes = tmp_path / "members.csv", tmp_path / "athletes.csv"
        members.write_text(MEMBERS, newline="")
        with commands_through(url):
            import_file(members, None, None)
            assert "  2 created, 0 updated, 0 unchanged" in capsys.readouterr().out
            export_file(athletes, None)
            import_file(athletes, None, None)

        assert "  0 created, 0 updated, 2 unchanged" in capsys.readouterr().out

    def test_sample_data_are_added(self, url: str, own_database: str) -> None:
        with commands_through(url):
            add_sample_data(None)

        assert asyncio.run(ask(own_database, "SELECT count(*) FROM athletes")) == 200


def test_a_failing_test_leaves_no_pgbouncer_process_or_folder(own_database: str) -> None:
    @contextmanager
    def failing() -> Iterator[None]:
        yield
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), pgbouncer(own_database) as bouncer, failing():
        assert bouncer.is_running()
    assert not bouncer.is_running()
    assert not bouncer.folder.exists()
