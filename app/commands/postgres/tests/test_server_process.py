import asyncio

import asyncpg
import pytest

from app.commands.postgres.embedded import temporary_postgres
from app.commands.postgres.server import OwnPostgres
from app.commands.tests.launcher import living

pytestmark = pytest.mark.slow


@pytest.fixture
async def session(own_server: OwnPostgres) -> asyncpg.Connection:
    """Open a connection that is never closed, because its server may have ended by then."""
    return await asyncpg.connect(own_server.url(), command_timeout=5)


async def test_a_killed_server_starts_again_with_its_data_at_the_same_url(
    own_server: OwnPostgres, session: asyncpg.Connection
) -> None:
    await session.execute("CREATE TABLE kept AS SELECT 42 AS number")
    family = own_server.processes()

    own_server.kill()

    assert living(family, 0) == []
    with pytest.raises((OSError, asyncpg.PostgresConnectionError)):
        await asyncpg.connect(own_server.url())
    own_server.start()
    again = await asyncpg.connect(own_server.url())
    assert await again.fetchval("SELECT number FROM kept") == 42
    await again.close()
    session.terminate()


async def test_a_suspended_server_keeps_its_sessions_and_answers_once_it_is_resumed(
    own_server: OwnPostgres, session: asyncpg.Connection
) -> None:
    own_server.suspend()
    answer = asyncio.ensure_future(session.fetchval("SELECT 42"))
    done, _ = await asyncio.wait([answer], timeout=0.2)
    assert not done

    own_server.resume()

    assert await answer == 42
    await session.close()


async def test_backends_are_the_sessions_of_clients(
    own_server: OwnPostgres, session: asyncpg.Connection
) -> None:
    pid = await session.fetchval("SELECT pg_backend_pid()")

    assert [process.pid for process in own_server.backends()] == [pid]
    await session.close()


@pytest.mark.parametrize("left", ["suspended", "killed"])
def test_a_suspended_or_killed_server_is_stopped_at_the_end(left: str) -> None:
    with temporary_postgres() as server:
        family = server.processes()
        if left == "suspended":
            server.suspend()
        else:
            server.kill()

    assert living(family, 0) == []
    assert server.processes() == []
