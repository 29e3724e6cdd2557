"""Connections to PostgreSQL: opened once, lent to one unit of work after another."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg

from app.core.bounds import Bound
from app.core.database import Database
from app.core.settings import Settings

logger = logging.getLogger(__name__)

OLDEST_POSTGRESQL = 15


class UnusableDatabase(Exception):
    """The database cannot be reached, or its server is too old."""


class BoundedPool:
    """So many connections; who finds none free waits in line, for so long at most.

    The driver's own pool knows no line: whoever asks at the right moment overtakes.
    """

    def __init__(self, connections: asyncpg.Pool, settings: Settings, size: int) -> None:
        self._connections = connections
        self._wait = settings.db_pool_wait
        self._bound = Bound(size, self._wait)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """Lend a connection; raise ``Unavailable`` if none gets free in time.

        It is given back as it is: the usual reset costs a third of a read's time. So no statement
        may leave anything behind in its session, and a test holds us to it.
        """
        async with self._bound.place():
            connection = await self._connections.acquire()
            try:
                yield connection
            finally:
                # What has been done stands, even if the connection is lost afterwards.
                with suppress(Exception):
                    await self._connections.release(connection, timeout=self._wait)


async def check_usable(url: str) -> None:
    """Raise ``UnusableDatabase`` unless a connection can be made to a server new enough."""
    with _reaching():
        connection = await asyncpg.connect(url, timeout=10)
        try:
            _check_version(connection)
        finally:
            await connection.close()


@asynccontextmanager
async def connected(settings: Settings, size: int | None = None) -> AsyncIterator[Database]:
    """Open ``size`` connections, the settings' unless given; raise ``UnusableDatabase``."""
    size = size or settings.db_pool_size
    # PgBouncer refuses what it does not know when a connection starts, and gives each transaction
    # another connection to the server, which has prepared no statement.
    through = settings.db_pgbouncer
    limits = _limits(settings)
    connections = asyncpg.create_pool(
        settings.database_url,
        min_size=size,
        max_size=size,
        timeout=settings.db_pool_wait,
        command_timeout=settings.db_command_timeout,
        statement_cache_size=0 if through else 100,
        reset=_leave_as_it_is,
        server_settings={
            "application_name": "crossfit-api",
            "timezone": "UTC",
            **({} if through else limits),
        },
    )
    with _reaching():
        await connections
    try:
        async with connections.acquire() as connection:
            _check_version(connection)
        preamble = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in limits.items())
        yield Database(BoundedPool(connections, settings, size), preamble if through else None)
    finally:
        # Closing waits for what is under way. The driver ends that by force if it is cancelled.
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.db_pool_wait):
                await connections.close()


def _limits(settings: Settings) -> dict[str, str]:
    """Name what holds in every session, or transaction, as PostgreSQL does."""
    seconds = {
        "statement_timeout": settings.db_statement_timeout,
        "lock_timeout": settings.db_lock_timeout,
        "idle_in_transaction_session_timeout": settings.db_idle_timeout,
    }
    # Compiling a plan (jit) takes longer than any of our statements runs.
    return {"jit": "off"} | {name: f"{value * 1000:.0f}ms" for name, value in seconds.items()}


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error) or type(error).__name__
        raise UnusableDatabase(f"cannot reach the database of DATABASE_URL: {reason}") from None


def _check_version(connection: Any) -> None:
    version = connection.get_server_version().major
    if version < OLDEST_POSTGRESQL:
        raise UnusableDatabase(
            f"PostgreSQL {version} is too old: {OLDEST_POSTGRESQL} or newer is needed"
        )


async def _leave_as_it_is(connection: object) -> None:
    pass
