"""The connection pool: connections to PostgreSQL that are opened once and reused."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg

from app.core.db.transactions import Database
from app.core.limits import Limit, PacedLimit
from app.core.settings import Settings

logger = logging.getLogger(__name__)

OLDEST_POSTGRESQL = 15
KEPT_FOR_READS = 6
"""One connection of this many is never given to work that may wait for locks."""


class UnusableDatabase(Exception):
    """The database cannot be reached, or its server is too old."""


class LimitedPool:
    """A connection pool with a FIFO queue and a timeout, on top of asyncpg's pool.

    asyncpg's pool is not fair: a request may overtake others that wait. Also, its acquire and
    release take as long as a short statement. So this pool acquires each connection from it once,
    and releases the connection only after an error on it, or when the pool closes.
    """

    def __init__(self, connections: asyncpg.Pool, settings: Settings, size: int) -> None:
        self._connections = connections
        self._wait = settings.db_pool_wait
        self._limit = Limit(size, self._wait)
        self._locking = Limit(size - size // KEPT_FOR_READS, self._wait)
        self._idle: list[Any] = []
        self._closing = False

    def acquire(self) -> "Lease":
        """Acquire a connection; ``async with`` raises ``Unavailable`` if none is free in time.

        It is released without a reset, which would cost a third of a read's time. So no statement
        may leave state in its session; a test checks this.
        """
        return Lease(self, self._limit)

    def acquire_to_lock(self) -> "Lease":
        """Acquire a connection for work that may wait for locks of other transactions.

        Some connections are kept for reads. Otherwise, requests that wait for one locked row could
        hold all connections.
        """
        return Lease(self, self._locking, self._limit)

    async def close(self) -> None:
        """Close the pool after work in flight; if cancelled, terminate its connections."""
        self._closing = True
        while self._idle:
            await self._give_back(self._idle.pop())
        await self._connections.close()

    async def take(self) -> Any:
        """Take an idle connection, or open one; a lease does this once it is within the limits."""
        while self._idle:
            connection = self._idle.pop()
            try:
                is_lost = connection.is_closed()
            except asyncpg.InterfaceError:  # asyncpg has noticed the loss and released it already
                is_lost = True
            if not is_lost:
                return connection
            await self._give_back(connection)
        return await self._connections.acquire()

    async def put_back(self, connection: Any, is_intact: bool) -> None:
        """Keep a connection for the next lease, unless there was an error or the pool closes."""
        if is_intact and not self._closing:
            self._idle.append(connection)
        else:
            await self._give_back(connection)

    async def _give_back(self, connection: Any) -> None:
        """Release a connection to asyncpg's pool, which checks whether it is still usable."""
        # An error here must not change the outcome of the work, which has ended.
        with suppress(Exception):
            await self._connections.release(connection, timeout=self._wait)


class Lease:
    """A connection of the pool during an ``async with``, within some limits.

    It is a class because ``asynccontextmanager`` takes twice the time.
    """

    __slots__ = ("_connection", "_limits", "_pool")

    def __init__(self, pool: LimitedPool, *limits: Limit) -> None:
        self._pool = pool
        self._limits = limits

    async def __aenter__(self) -> Any:
        entered = 0
        try:
            for limit in self._limits:
                await limit.enter()
                entered += 1
            self._connection = await self._pool.take()
        except BaseException:
            for limit in self._limits[:entered]:
                limit.leave()
            raise
        return self._connection

    async def __aexit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            await self._pool.put_back(self._connection, kind is None)
        finally:
            for limit in self._limits:
                limit.leave()


async def check_usable(settings: Settings) -> None:
    """Raise ``UnusableDatabase`` unless the service can connect and the server is new enough."""
    async with _connection(settings) as connection:
        _check_version(connection)


async def check_room(settings: Settings, processes: int) -> None:
    """Raise ``UnusableDatabase`` if the pools of all processes exceed the server's connections.

    Skipped with PgBouncer, which has its own limits.
    """
    if settings.db_pgbouncer:
        return
    async with _connection(settings) as connection:
        room = await connection.fetchval(_ROOM)
    wanted = processes * settings.db_pool_size
    if wanted > room:
        raise UnusableDatabase(
            f"{processes} x DB_POOL_SIZE = {wanted} connections are more than the {room} that the"
            " server has for a service: lower --workers or DB_POOL_SIZE, or raise its"
            " max_connections"
        )


_ROOM = """
    SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END)::int
    FROM pg_settings
    WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')
"""


@asynccontextmanager
async def _connection(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """Open one connection without a pool; raise ``UnusableDatabase`` on any error."""
    with _reaching():
        connection = await asyncpg.connect(settings.database_url, timeout=10, **_session(settings))
        try:
            yield connection
        finally:
            await connection.close()


@asynccontextmanager
async def connected(settings: Settings, size: int | None = None) -> AsyncIterator[Database]:
    """Open a pool of ``size`` connections, default DB_POOL_SIZE; raise ``UnusableDatabase``."""
    size = size or settings.db_pool_size
    connections = asyncpg.create_pool(
        settings.database_url,
        min_size=size,
        max_size=size,
        timeout=settings.db_pool_wait,
        command_timeout=settings.db_command_timeout,
        reset=_leave_as_it_is,
        **_session(settings),
    )
    with _reaching():
        await connections
    pool = LimitedPool(connections, settings, size)
    # The other connections of the pool stay free for statements that are fast.
    searches = PacedLimit(min(settings.max_searches, max(1, size - 1)), settings.db_pool_wait)
    try:
        async with pool.acquire() as connection:
            _check_version(connection)
            await _check_deadlock_timeout(connection, settings)
        if settings.db_pgbouncer:
            limits = _limits(settings).items()
            preamble = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in limits)
            yield Database(pool, preamble, settings.db_pool_wait, searches)
        else:
            yield Database(pool, costly=searches)
    finally:
        # Closing waits for work in flight. After the timeout, asyncpg terminates the connections.
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.db_pool_wait):
                await pool.close()


def _session(settings: Settings) -> dict[str, Any]:
    """Return asyncpg's arguments for a new session."""
    known = {"application_name": "crossfit-api", "timezone": "UTC"}
    if settings.db_pgbouncer:
        # PgBouncer rejects unknown startup parameters. It may also give each transaction another
        # connection to the server, on which no statement is prepared.
        return {"statement_cache_size": 0, "server_settings": known}
    return {"statement_cache_size": 100, "server_settings": known | _limits(settings)}


def _limits(settings: Settings) -> dict[str, str]:
    """Return the PostgreSQL parameters of every session or, with PgBouncer, every transaction."""
    seconds = {
        "statement_timeout": settings.db_statement_timeout,
        "lock_timeout": settings.db_lock_timeout,
        "idle_in_transaction_session_timeout": settings.db_idle_timeout,
    }
    # JIT compilation takes longer than any of our statements. It is disabled by its cost: asyncpg
    # sets `jit` to off for a moment and then restores the value that it found, for the session.
    # With `jit` off here, it would stay off for the next client of a session behind PgBouncer.
    # Planning takes as long as most statements, so each is planned once. A test checks that these
    # generic plans are good.
    return {"jit_above_cost": "-1", "plan_cache_mode": "force_generic_plan"} | {
        name: f"{value * 1000:.0f}ms" for name, value in seconds.items()
    }


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, TimeoutError):
            reason = "no answer before the timeout"
        elif reason.startswith("unsupported startup parameter"):
            reason += " (if this is PgBouncer, set DB_PGBOUNCER=true)"
        raise UnusableDatabase(f"cannot reach the database of DATABASE_URL: {reason}") from None


def _check_version(connection: Any) -> None:
    version = connection.get_server_version().major
    if version < OLDEST_POSTGRESQL:
        raise UnusableDatabase(
            f"PostgreSQL {version} is too old: {OLDEST_POSTGRESQL} or newer is needed"
        )


async def _check_deadlock_timeout(connection: Any, settings: Settings) -> None:
    """Warn if the lock timeout expires before the server checks for a deadlock."""
    seconds = "SELECT extract(epoch FROM current_setting('deadlock_timeout')::interval)::float"
    async with connection.transaction():
        if await connection.fetchval(seconds) >= settings.db_lock_timeout:
            logger.warning(
                "deadlocks get 503 instead of a retry, because the server's deadlock_timeout is"
                " not shorter than DB_LOCK_TIMEOUT: change one of them"
            )


async def _leave_as_it_is(connection: object) -> None:
    pass
