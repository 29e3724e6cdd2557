"""The one way to run something on the database: a statement, or a transaction of several."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Protocol, TypeVar
from uuid import UUID

import asyncpg

from app.core.db.batching import Batches
from app.core.db.statements import Statement
from app.core.errors import Unavailable

logger = logging.getLogger(__name__)

RETRIES = 3
LONGEST_PAUSE = 0.05
"""Seconds before a retry: random, so that transactions that collided do not collide again."""

_FAILED_BY_OTHERS = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    # A migration has just changed a table; the driver has forgotten its statements by now.
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
)
_DOES_NOT_ANSWER = (
    OSError,  # TimeoutError, the driver's own, among them
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.StatementCompletionUnknownError,
    # After a change of servers: a standby, another password, a database that is not there yet.
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
_HAS_ANOTHER_SCHEMA = asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError

Result = TypeVar("Result")


class UnusableValue(Exception):
    """The database does not take a value, which the types of the payloads should have refused."""


class Pool(Protocol):
    """What lends a connection for one transaction."""

    def acquire(self) -> AbstractAsyncContextManager[Any]:
        """Lend a connection for the time of an ``async with``."""


class Runner(Protocol):
    """What runs statements: a database, or a transaction on it."""

    async def row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run a statement and return its first row, or None."""

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Any]:
        """Run a statement and return its rows."""

    async def row_by_id(self, statement: Statement, row_id: UUID) -> Any:
        """Run a statement over ``ids`` for one of them, and return its row, or None."""

    async def transaction(self, work: Callable[["Transaction"], Awaitable[Result]]) -> Result:
        """Run several statements as one: all of them are done, or none is."""


class Transaction:
    """A connection in a transaction; nothing it does may outlive that."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run a statement and return its first row, or None."""
        return await self._run(self._connection.fetchrow, statement, values)

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Any]:
        """Run a statement and return its rows."""
        rows: list[Any] = await self._run(self._connection.fetch, statement, values)
        return rows

    async def row_by_id(self, statement: Statement, row_id: UUID) -> Any:
        """Run a statement over ``ids`` for one of them, and return its row, or None."""
        return await self.row(statement, {"ids": [row_id]})

    async def transaction(self, work: Callable[["Transaction"], Awaitable[Result]]) -> Result:
        """Run several statements within this transaction."""
        return await work(self)

    async def _run(
        self, fetch: Callable[..., Any], statement: Statement, values: Mapping[str, Any]
    ) -> Any:
        logger.debug("running %s", statement.text)
        try:
            return await fetch(statement.text, *statement.arguments(values))
        except TimeoutError:
            # The server hangs, and would keep whatever came next waiting too.
            self._connection.terminate()
            raise


class Database:
    """Runs statements and transactions on a pool of connections.

    A deadlock or a serialization failure is retried, up to ``RETRIES`` times. What
    fails because the database does not answer, or not in time, raises ``Unavailable``. With a
    ``preamble``, every statement runs in a transaction that begins with that. ``wait`` is how long
    a transaction may take to begin, in seconds; the driver's own limit unless given.
    """

    def __init__(self, pool: Pool, preamble: str | None = None, wait: float | None = None) -> None:
        self._pool = pool
        self._preamble = preamble
        self._wait = wait
        self._batches: dict[Statement, Batches] = {}

    async def row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run one statement, a transaction of its own, and return its first row, or None."""
        return await self._run(Transaction.row, statement, values)

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Any]:
        """Run one statement, a transaction of its own, and return its rows."""
        return await self._run(Transaction.rows, statement, values)

    async def row_by_id(self, statement: Statement, row_id: UUID) -> Any:
        """Run a statement over ``ids`` for some that are asked for at the same time.

        Return the row of this one, or None. The statement begins after it was asked for.
        """
        batches = self._batches.get(statement)
        if batches is None:
            batches = Batches(lambda ids: self.rows(statement, {"ids": ids}))
            self._batches[statement] = batches
        return await batches.row(row_id)

    async def transaction(self, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """Run some work in one transaction, which is committed when this returns."""
        return await self._run(work, explicitly=True)

    async def _run(
        self, work: Callable[..., Awaitable[Result]], *arguments: object, explicitly: bool = False
    ) -> Result:
        """Run some work, explicitly in a transaction, or in that of its one statement."""
        retries = 0
        while True:
            try:
                async with self._pool.acquire() as connection:
                    if not explicitly and self._preamble is None:
                        return await work(Transaction(connection), *arguments)
                    async with AsyncExitStack() as stack:
                        await self._begin(connection, stack)
                        return await work(Transaction(connection), *arguments)
            except _FAILED_BY_OTHERS:
                if retries == RETRIES:
                    raise Unavailable("Others change the same just now; try again.") from None
            except asyncpg.LockNotAvailableError:
                raise Unavailable("Others hold on to the same just now; try again.") from None
            except asyncpg.QueryCanceledError:
                raise Unavailable("This takes the database too long.") from None
            except _HAS_ANOTHER_SCHEMA:
                raise Unavailable("The database does not have the newest schema.") from None
            except _DOES_NOT_ANSWER as error:
                logger.warning("the database does not answer: %s: %s", type(error).__name__, error)
                raise Unavailable("The database does not answer.") from None
            except asyncpg.DataError as error:
                # It repeats the value, and comes into the log: only a bug lets one through so far.
                raise UnusableValue(f"{type(error).__name__} ({error.sqlstate})") from None
            except asyncpg.PostgresError as error:
                error.detail = None  # it holds values too
                raise
            retries += 1
            await asyncio.sleep(random.uniform(0, LONGEST_PAUSE))  # noqa: S311 - no secret

    async def _begin(self, connection: Any, stack: AsyncExitStack) -> None:
        """Begin a transaction that ends with the stack."""
        try:
            async with asyncio.timeout(self._wait):
                await stack.enter_async_context(connection.transaction())
                if self._preamble is not None:
                    await connection.execute(self._preamble)
        except TimeoutError:
            # PgBouncer would keep its place in line, or the server hangs: giving it back would
            # wait for the answer.
            connection.terminate()
            raise
