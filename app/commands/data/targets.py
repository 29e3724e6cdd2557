"""The target of a command: the local database, or a service."""

import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Protocol, TypeVar
from uuid import UUID

import httpx
import structlog

from app.athletes.files.dry_run import with_storage
from app.athletes.files.exporting import exported_athletes
from app.athletes.files.importing import Result, Work
from app.athletes.files.options import ImportOptions
from app.athletes.files.reading import AthletesFile
from app.commands.data.remote import Service, service_at
from app.commands.database import command_database, migrate_to_head
from app.commands.signals import run_until_stopped
from app.commands.token import Remote
from app.core.access import OF_COMMAND, Caller
from app.core.db.pool import connected
from app.core.db.transactions import Database, Runner
from app.core.errors import DomainError
from app.core.settings import Settings, get_settings
from app.identity.models import SCOPES

Place = TypeVar("Place")

COMMAND = {"Authorization": "Bearer command"}


class Target(Protocol):
    """The target of an import or export; its methods raise ``Unavailable`` on failure."""

    async def store(self, file: AthletesFile, options: ImportOptions, work: Work[Result]) -> Result:
        """Do some work with the storage for the rows of a file; a dry run stores nothing."""

    def export(self) -> AsyncIterator[bytes]:
        """Yield all athletes as CSV, in chunks."""


class LocalDatabase:
    """The database that this machine's settings name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self, file: AthletesFile, options: ImportOptions, work: Work[Result]) -> Result:
        """Do some work with the storage for the rows of a file; a dry run stores nothing."""
        return await with_storage(self._database, options, work)

    def export(self) -> AsyncIterator[bytes]:
        """Yield all athletes as CSV, in chunks."""
        return exported_athletes(self._database)


class ThisCommand:
    """The caller of all requests to an in-process service: whoever runs the command.

    They can write to the database, so they need no token.
    """

    caller = Caller(UUID(int=0), OF_COMMAND, frozenset(SCOPES), None, is_admin=True)

    def recent(self, token: bytes) -> None:
        """Return None: no token in the database needs another check."""

    async def find(self, token: bytes, database: Runner) -> Caller:
        """Return the caller."""
        return self.caller


def on_target(where: Remote | None, work: Callable[[Target], Awaitable[Result]]) -> Result:
    """Do some work on a running service or on the local database; exit on an error."""
    return _on(where, _local_target, work)


def on_service(where: Remote | None, work: Callable[[Service], Awaitable[Result]]) -> Result:
    """Do some work on a running service or on an in-process one; exit on an error."""
    return _on(where, _local_service, work)


def on_database(work: Callable[[Database], Awaitable[Result]]) -> Result:
    """Do some work on the local database; exit on an error."""

    async def done() -> Result:
        async with _local_database() as database:
            return await work(database)

    try:
        with command_database():
            migrate_to_head()
            return run_until_stopped(done())
    except DomainError as error:
        sys.exit(f"error: {error.detail}")


def _on(
    where: Remote | None,
    local: Callable[[], AbstractAsyncContextManager[Place]],
    work: Callable[[Service | Place], Awaitable[Result]],
) -> Result:
    async def done_at(opened: AbstractAsyncContextManager[Service | Place]) -> Result:
        async with opened as place:
            return await work(place)

    try:
        if where is not None:
            return run_until_stopped(done_at(service_at(where)))
        with command_database():
            migrate_to_head()
            return run_until_stopped(done_at(local()))
    except DomainError as error:
        sys.exit(f"error: {error.detail}")


@asynccontextmanager
async def _local_database() -> AsyncIterator[Database]:
    # Long timeouts: no client waits for a command, and a running service may hold locks.
    limits = dict.fromkeys(("db_statement_timeout", "db_lock_timeout", "db_command_timeout"), 60.0)
    async with connected(get_settings().model_copy(update=limits), size=1) as database:
        yield database


@asynccontextmanager
async def _local_target() -> AsyncIterator[Target]:
    async with _local_database() as database:
        yield LocalDatabase(database)


@asynccontextmanager
async def _local_service() -> AsyncIterator[Service]:
    from app.application import create_app  # here, because imports and exports do not need it

    settings = Settings.model_construct()  # the defaults: this service has no other clients
    app = create_app(settings)
    app.state.callers = ThisCommand()
    transport = httpx.ASGITransport(app)
    url = f"http://localhost{settings.api_v1_prefix}"
    async with (
        _local_database() as app.state.database,
        httpx.AsyncClient(transport=transport, base_url=url, headers=COMMAND) as client,
    ):
        with _no_line_for_each_request():
            yield Service(client)


@contextmanager
def _no_line_for_each_request() -> Iterator[None]:
    before = structlog.get_config()
    only_errors = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=only_errors, cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)
