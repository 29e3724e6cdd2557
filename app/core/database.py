"""The database: one pool of connections, and the one way to run something on it."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeVar

import asyncpg

from app.core.statements import Statement

logger = logging.getLogger(__name__)

OLDEST_POSTGRESQL = 15

Result = TypeVar("Result")


class Pool(Protocol):
    """What lends a connection for one unit of work."""

    def acquire(self) -> AbstractAsyncContextManager[Any]:
        """Lend a connection for the time of an ``async with``."""


class Unit:
    """A connection at work; nothing it does may outlive its transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run a statement and return its first row, or None."""
        logger.debug("running %s", statement.text)
        return await self._connection.fetchrow(statement.text, *statement.arguments(values))


class Database:
    """Runs statements and units of work on a pool of connections."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run one statement, a transaction of its own, and return its first row, or None."""
        async with self._pool.acquire() as connection:
            return await Unit(connection).row(statement, values)

    async def transaction(self, work: Callable[[Unit], Awaitable[Result]]) -> Result:
        """Run a unit of work in one transaction, which is committed when this returns."""
        async with self._pool.acquire() as connection, connection.transaction():
            return await work(Unit(connection))


class TooOld(Exception):
    """The server is older than ``OLDEST_POSTGRESQL``."""


def check_version(connection: Any) -> None:
    """Raise ``TooOld`` unless the server of a connection is new enough."""
    version = connection.get_server_version().major
    if version < OLDEST_POSTGRESQL:
        raise TooOld(f"PostgreSQL {version} is too old: {OLDEST_POSTGRESQL} or newer is needed")


@asynccontextmanager
async def connected(url: str, size: int) -> AsyncIterator[Database]:
    """Open a pool of ``size`` connections; ``TooOld``, ``OSError`` or asyncpg's errors if not.

    A connection is given back as it is: the usual reset costs a third of a read's time. So no
    statement may leave anything behind in its session, and a test holds us to it.
    """
    pool = asyncpg.create_pool(
        url,
        min_size=size,
        max_size=size,
        reset=_leave_as_it_is,
        # Compiling a plan (jit) takes longer than any of our statements runs.
        server_settings={"timezone": "UTC", "jit": "off", "application_name": "crossfit-api"},
    )
    async with pool:
        async with pool.acquire() as connection:
            check_version(connection)
        yield Database(pool)


async def _leave_as_it_is(connection: object) -> None:
    pass
