"""Statements and transactions, with retries and timeouts: the only access to the database."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Protocol, TypeVar
from uuid import UUID

import asyncpg

from app.core.db.batching import Batches, SharedReads
from app.core.db.statements import Statement
from app.core.errors import Unavailable
from app.core.limits import Limit

logger = logging.getLogger(__name__)

RETRIES = 3
LONGEST_PAUSE = 0.05
"""Seconds before a retry: random, so that transactions that collided do not collide again."""

_FAILED_BY_OTHERS = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    # A migration has just changed a table. asyncpg has cleared its statement cache by now.
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
)
_DOES_NOT_ANSWER = (
    OSError,  # includes TimeoutError, which asyncpg raises
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.StatementCompletionUnknownError,
    # After a failover: a standby, another password, a database that does not exist yet.
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
_HAS_ANOTHER_SCHEMA = asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError

Result = TypeVar("Result")
Acquire = Callable[[], AbstractAsyncContextManager[Any]]


class UnusableValue(Exception):
    """The database rejects a value that the types of the payloads should have rejected."""


class Pool(Protocol):
    """A connection pool."""

    def acquire(self) -> AbstractAsyncContextManager[Any]:
        """Acquire a connection during an ``async with``."""

    def acquire_to_lock(self) -> AbstractAsyncContextManager[Any]:
        """Acquire a connection for work that may wait for locks of other transactions."""


class Reader(Protocol):
    """Runs single statements."""

    async def row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run a statement and return its first row, or None."""

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Any]:
        """Run a statement and return its rows."""


class Runner(Reader, Protocol):
    """Runs statements and transactions: a database, or a transaction on it."""

    @property
    def costly(self) -> Reader:
        """What runs statements that take long, so that few of them run at once."""

    async def row_by_id(self, statement: Statement, row_id: UUID) -> Any:
        """Run a statement over ``ids`` for one of them, and return its row, or None."""

    async def shared_row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run a statement that only reads, maybe once for several requests; return its row."""

    async def transaction(self, work: Callable[["Transaction"], Awaitable[Result]]) -> Result:
        """Run several statements in one transaction."""


class LimitedReader:
    """Runs statements on another reader, at most some of them at once.

    It raises ``Unavailable`` if a statement waits too long for a place.
    """

    def __init__(self, reader: Reader, limit: Limit) -> None:
        self._reader = reader
        self._limit = limit

    async def row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run a statement and return its first row, or None."""
        async with self._limit.place():
            return await self._reader.row(statement, values)

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Any]:
        """Run a statement and return its rows."""
        async with self._limit.place():
            return await self._reader.rows(statement, values)


class Transaction:
    """A connection in a transaction; it may leave no state behind in the session."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def costly(self) -> Reader:
        """The transaction itself, which has its connection already."""
        return self

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

    async def shared_row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run a statement and return its first row, or None."""
        return await self.row(statement, values)

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
            # The server hangs, so the next statement on this connection would also wait.
            self._connection.terminate()
            raise


class Database:
    """Runs statements and transactions on a pool of connections.

    A deadlock or a serialization failure is retried, up to ``RETRIES`` times. If the database does
    not answer, or not before a timeout, ``Unavailable`` is raised. With a ``preamble``, every
    statement runs in a transaction that begins with it. ``wait`` is the timeout for the beginning
    of a transaction, in seconds; the default is asyncpg's own command timeout. ``costly`` limits
    the statements that take long; the default is one at once.
    """

    costly: Reader

    def __init__(
        self,
        pool: Pool,
        preamble: str | None = None,
        wait: float | None = None,
        costly: Limit | None = None,
    ) -> None:
        self._pool = pool
        self._preamble = preamble
        self._wait = wait
        self.costly = LimitedReader(self, costly or Limit(1, 60))
        self._batches: dict[Statement, Batches] = {}
        self._shared_reads = SharedReads()

    async def row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run one statement in its own transaction, and return its first row, or None."""
        return await self._run(self._acquire_for(statement), Transaction.row, statement, values)

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Any]:
        """Run one statement in its own transaction, and return its rows."""
        return await self._run(self._acquire_for(statement), Transaction.rows, statement, values)

    async def row_by_id(self, statement: Statement, row_id: UUID) -> Any:
        """Run a statement over a batch of ``ids``, and return the row of this id, or None.

        The statement always begins after this call.
        """
        batches = self._batches.get(statement)
        if batches is None:
            batches = Batches(lambda ids: self.rows(statement, {"ids": ids}))
            self._batches[statement] = batches
        return await batches.row(row_id)

    async def shared_row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run a statement that only reads, and return its first row, or None.

        Concurrent calls with equal values, which must be hashable, may share one run of it. It
        always begins after this call.
        """
        key = statement, *statement.arguments(values)
        return await self._shared_reads.result(key, lambda: self.row(statement, values))

    async def transaction(self, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """Run some work in one transaction, which is committed before this returns."""
        return await self._run(self._pool.acquire_to_lock, work, explicitly=True)

    def _acquire_for(self, statement: Statement) -> Acquire:
        return self._pool.acquire_to_lock if statement.locks_rows else self._pool.acquire

    async def _run(
        self,
        acquire: Acquire,
        work: Callable[..., Awaitable[Result]],
        *arguments: object,
        explicitly: bool = False,
    ) -> Result:
        """Run some work with retries: explicitly in a transaction, or as one statement."""
        retries = 0
        while True:
            try:
                async with acquire() as connection:
                    if not explicitly and self._preamble is None:
                        return await work(Transaction(connection), *arguments)
                    async with AsyncExitStack() as stack:
                        await self._begin(connection, stack)
                        return await work(Transaction(connection), *arguments)
            except _FAILED_BY_OTHERS:
                if retries == RETRIES:
                    raise Unavailable(
                        "Concurrent requests keep changing the same rows; try again."
                    ) from None
            except asyncpg.LockNotAvailableError:
                raise Unavailable(
                    "Another transaction holds a lock that this request needs; try again."
                ) from None
            except asyncpg.QueryCanceledError:
                raise Unavailable(
                    "The database did not finish before the statement timeout."
                ) from None
            except _HAS_ANOTHER_SCHEMA:
                raise Unavailable(
                    "The database schema is not that of the latest migration."
                ) from None
            except _DOES_NOT_ANSWER as error:
                logger.warning("the database does not answer: %s: %s", type(error).__name__, error)
                raise Unavailable("The database does not answer.") from None
            except asyncpg.DataError as error:
                # The error contains the value and would be logged. Only a bug leads here, because
                # payload types reject such values.
                raise UnusableValue(f"{type(error).__name__} ({error.sqlstate})") from None
            except asyncpg.PostgresError as error:
                error.detail = None  # it contains values of the row
                raise
            retries += 1
            await asyncio.sleep(random.uniform(0, LONGEST_PAUSE))  # noqa: S311 - no secret

    async def _begin(self, connection: Any, stack: AsyncExitStack) -> None:
        """Begin a transaction, with the preamble, that ends with the stack."""
        try:
            async with asyncio.timeout(self._wait):
                await stack.enter_async_context(connection.transaction())
                if self._preamble is not None:
                    await connection.execute(self._preamble)
        except TimeoutError:
            # The transaction still waits in PgBouncer's queue, or the server hangs. A release
            # would wait for the answer, so the connection is closed.
            connection.terminate()
            raise
