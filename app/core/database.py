"""The database: one pool of connections, and the one way to run something on it."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Protocol, TypeVar

import asyncpg

from app.core.errors import Unavailable
from app.core.statements import Statement

logger = logging.getLogger(__name__)

OLDEST_POSTGRESQL = 15

RERUNS = 3
LONGEST_PAUSE = 0.05
"""Seconds before a rerun: random, so that those who were in each other's way are apart."""

_FAILED_BY_OTHERS = asyncpg.SerializationError, asyncpg.DeadlockDetectedError
_DOES_NOT_ANSWER = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)

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

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Any]:
        """Run a statement and return its rows."""
        logger.debug("running %s", statement.text)
        rows: list[Any] = await self._connection.fetch(statement.text, *statement.arguments(values))
        return rows


class Database:
    """Runs statements and units of work on a pool of connections.

    What fails because of others, a deadlock for example, is run again, up to ``RERUNS`` times. What
    fails because the database does not answer raises ``Unavailable``.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run one statement, a transaction of its own, and return its first row, or None."""
        return await self._run(lambda connection: Unit(connection).row(statement, values))

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Any]:
        """Run one statement, a transaction of its own, and return its rows."""
        return await self._run(lambda connection: Unit(connection).rows(statement, values))

    async def transaction(self, work: Callable[[Unit], Awaitable[Result]]) -> Result:
        """Run a unit of work in one transaction, which is committed when this returns."""

        async def run(connection: Any) -> Result:
            async with connection.transaction():
                return await work(Unit(connection))

        return await self._run(run)

    async def _run(self, work: Callable[[Any], Awaitable[Result]]) -> Result:
        reruns = 0
        while True:
            try:
                async with self._pool.acquire() as connection:
                    return await work(connection)
            except _FAILED_BY_OTHERS:
                if reruns == RERUNS:
                    raise Unavailable("Others change the same just now; try again.") from None
            except _DOES_NOT_ANSWER as error:
                logger.warning("the database does not answer: %s: %s", type(error).__name__, error)
                raise Unavailable("The database does not answer.") from None
            reruns += 1
            await asyncio.sleep(random.uniform(0, LONGEST_PAUSE))  # noqa: S311 - no secret


class UnusableDatabase(Exception):
    """The database cannot be reached, or its server is too old."""


async def check_usable(url: str) -> None:
    """Raise ``UnusableDatabase`` unless a connection can be made to a server new enough."""
    with _reaching():
        connection = await asyncpg.connect(url, timeout=10)
        try:
            _check_version(connection)
        finally:
            await connection.close()


@asynccontextmanager
async def connected(url: str, size: int) -> AsyncIterator[Database]:
    """Open a pool of ``size`` connections; raise ``UnusableDatabase``.

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
    with _reaching():
        await pool
    async with pool:
        async with pool.acquire() as connection:
            _check_version(connection)
        yield Database(pool)


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
