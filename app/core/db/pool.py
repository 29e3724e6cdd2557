"""Connections to PostgreSQL: opened once, lent to one unit of work after another."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg

from app.core.db.transactions import Database
from app.core.limits import Limit
from app.core.settings import Settings

logger = logging.getLogger(__name__)

OLDEST_POSTGRESQL = 15


class UnusableDatabase(Exception):
    """The database cannot be reached, or its server is too old."""


class LimitedPool:
    """So many connections; who finds none free waits in line, for so long at most.

    The driver's own pool knows no line: whoever asks at the right moment overtakes. And it takes as
    long to lend and take back as a short statement takes to run. So it lends each connection once,
    and gets it back when something has failed on it.
    """

    def __init__(self, connections: asyncpg.Pool, settings: Settings, size: int) -> None:
        self._connections = connections
        self._wait = settings.db_pool_wait
        self._limit = Limit(size, self._wait)
        self._idle: list[Any] = []
        self._closing = False

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """Lend a connection; raise ``Unavailable`` if none gets free in time.

        It is given back as it is: the usual reset costs a third of a read's time. So no statement
        may leave anything behind in its session, and a test holds us to it.
        """
        await self._limit.enter()
        try:
            connection = await self._usable()
            try:
                yield connection
            except BaseException:
                await self._give_back(connection)
                raise
            if self._closing:
                await self._give_back(connection)
            else:
                self._idle.append(connection)
        finally:
            self._limit.leave()

    async def close(self) -> None:
        """Close the connections, once what is under way is done; cancelled, by force."""
        self._closing = True
        while self._idle:
            await self._give_back(self._idle.pop())
        await self._connections.close()

    async def _usable(self) -> Any:
        while self._idle:
            connection = self._idle.pop()
            try:
                is_lost = connection.is_closed()
            except asyncpg.InterfaceError:  # the driver has noticed, and taken it back
                is_lost = True
            if not is_lost:
                return connection
            await self._give_back(connection)
        return await self._connections.acquire()

    async def _give_back(self, connection: Any) -> None:
        """Leave it to the driver to see whether a connection is still of use."""
        # What has been done stands, even if the connection is lost afterwards.
        with suppress(Exception):
            await self._connections.release(connection, timeout=self._wait)


async def check_usable(settings: Settings) -> None:
    """Raise ``UnusableDatabase`` unless the service can connect, to a server new enough."""
    async with _connection(settings) as connection:
        _check_version(connection)


async def check_room(settings: Settings, processes: int) -> None:
    """Raise ``UnusableDatabase`` if so many processes want more connections than the server has.

    PgBouncer, if there is one, has its own idea of how many it makes.
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
    """Connect once; raise ``UnusableDatabase`` whatever fails meanwhile."""
    with _reaching():
        connection = await asyncpg.connect(settings.database_url, timeout=10, **_session(settings))
        try:
            yield connection
        finally:
            await connection.close()


@asynccontextmanager
async def connected(settings: Settings, size: int | None = None) -> AsyncIterator[Database]:
    """Open ``size`` connections, the settings' unless given; raise ``UnusableDatabase``."""
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
    try:
        async with pool.acquire() as connection:
            _check_version(connection)
            await _check_deadlock_timeout(connection, settings)
        if settings.db_pgbouncer:
            limits = _limits(settings).items()
            preamble = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in limits)
            yield Database(pool, preamble, settings.db_pool_wait)
        else:
            yield Database(pool)
    finally:
        # Closing waits for what is under way. The driver ends that by force if it is cancelled.
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.db_pool_wait):
                await pool.close()


def _session(settings: Settings) -> dict[str, Any]:
    """Return how the driver begins a session, as its own arguments."""
    known = {"application_name": "crossfit-api", "timezone": "UTC"}
    if settings.db_pgbouncer:
        # PgBouncer refuses what it does not know when a connection starts, and gives each
        # transaction another connection to the server, which has prepared no statement.
        return {"statement_cache_size": 0, "server_settings": known}
    return {"statement_cache_size": 100, "server_settings": known | _limits(settings)}


def _limits(settings: Settings) -> dict[str, str]:
    """Name what holds in every session, or transaction, as PostgreSQL does."""
    seconds = {
        "statement_timeout": settings.db_statement_timeout,
        "lock_timeout": settings.db_lock_timeout,
        "idle_in_transaction_session_timeout": settings.db_idle_timeout,
    }
    # Compiling a plan takes longer than any of our statements runs. It is made too dear instead of
    # setting `jit` to off, which the driver does itself for a moment, and then sets what it found:
    # for the session, so that `off` would stay with others behind PgBouncer.
    # And planning takes as long as most of them run: once is enough, as a test sees to it that
    # plans for any parameters are good ones.
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
            reason = "it does not answer in time"
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
    """Warn if the server ends a wait for a lock before it looks whether that is a deadlock."""
    seconds = "SELECT extract(epoch FROM current_setting('deadlock_timeout')::interval)::float"
    async with connection.transaction():
        if await connection.fetchval(seconds) >= settings.db_lock_timeout:
            logger.warning(
                "deadlocks are not run again but answered 503, because the server's"
                " deadlock_timeout is not shorter than DB_LOCK_TIMEOUT: set one of them"
            )


async def _leave_as_it_is(connection: object) -> None:
    pass
