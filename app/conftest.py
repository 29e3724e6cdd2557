"""Fixtures: databases built by the migrations, and clients of the real app."""

import asyncio
import gc
import logging
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import cache
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from alembic import command
from fastapi import FastAPI

from app.application import add_state, create_app
from app.commands.database import alembic_config, database_url
from app.commands.postgres.access import ROLE
from app.commands.postgres.embedded import temporary_postgres
from app.commands.postgres.server import OwnPostgres
from app.core.db.pool import connected
from app.core.db.transactions import Database
from app.core.http.conflict_limit import ConflictLimit
from app.core.http.tests.document import Document
from app.core.logs import configure_logs
from app.core.settings import Settings, get_settings
from app.identity.tests.callers import ADMIN, Known, add_callers
from app.identity.tokens.callers import Callers

API = "/api/v1"

Json = dict[str, Any]
Create = Callable[[str, Json], Awaitable[Json]]


def pytest_configure() -> None:
    """Configure logging as the service does."""
    configure_logs(on_terminal=False)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def pytest_collection_finish() -> None:
    """Exclude the modules and the tests from garbage collection, as the service does its own."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


def patient(url: str) -> Settings:
    """Return settings with long timeouts, for tests that must pass on a slow machine."""
    return Settings(
        _env_file=None,
        database_url=url,
        db_pool_wait=60,
        db_statement_timeout=60,
        db_lock_timeout=60,
        db_idle_timeout=60,
        db_command_timeout=60,
        trusted_hosts=(),
    )


class Databases:
    """A PostgreSQL server for tests, on which it creates and drops databases."""

    # One counter for all instances, because two of them may use the same server.
    _names = (f"crossfit_test_{os.getpid()}_{number}" for number in count())

    def __init__(
        self, url_of: Callable[[str], str], administration_url_of: Callable[[str], str], owner: str
    ) -> None:
        self._url_of, self._administration_url_of, self._owner = (
            url_of,
            administration_url_of,
            owner,
        )

    @contextmanager
    def empty(self, template: str = "template0") -> Iterator[str]:
        """Yield the URL of a new database, empty or a copy of a template; drop it afterwards."""
        name = next(self._names)
        options = f'OWNER {self._owner} TEMPLATE "{template}" STRATEGY wal_log'
        self._run(f'CREATE DATABASE "{name}" {options}')
        try:
            yield self._url_of(name)
        finally:
            self._run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def administration_url(self, url: str) -> str:
        """Return the URL of the same database, for the role that administers the server."""
        return self._administration_url_of(urlsplit(url).path.strip("/"))

    def _run(self, statement: str) -> None:
        asyncio.run(execute(self._administration_url_of("postgres"), statement))


async def execute(url: str, statement: str) -> None:
    """Run a statement on its own connection."""
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


class OneConnection:
    """A pool of one connection, which is in the transaction of a test.

    Each acquire is a savepoint, so an error rolls back only its own work.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._free = asyncio.Lock()

    def acquire(self) -> AbstractAsyncContextManager[Any]:
        """Acquire the connection."""
        return self._lend()

    def acquire_to_lock(self) -> AbstractAsyncContextManager[Any]:
        """Acquire the connection."""
        return self._lend()

    @asynccontextmanager
    async def _lend(self) -> AsyncIterator[Any]:
        async with self._free, self._connection.transaction():
            yield self._connection


def migrate(url: str) -> None:
    """Upgrade a database to the latest migration, and add the callers that tests know."""
    with database_url(url):
        command.upgrade(alembic_config(), "head")
    asyncio.run(add_callers(url))


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Provide the server of TEST_DATABASE_URL, or an embedded server."""
    url = get_settings().test_database_url
    if url is not None:

        def url_of(name: str) -> str:
            return urlsplit(url)._replace(path=f"/{name}").geturl()

        yield Databases(url_of, url_of, owner="DEFAULT")
        return
    with temporary_postgres() as server:
        yield Databases(server.url, server.administration_url, ROLE)


@pytest.fixture(scope="session")
def template(databases: Databases) -> Iterator[str]:
    """Provide the name of a template: a migrated database with callers, without connections."""
    with databases.empty() as url:
        migrate(url)
        yield urlsplit(url).path.strip("/")


@pytest.fixture
def own_database(databases: Databases, template: str) -> Iterator[str]:
    """Provide the URL of a database at the latest migration that no other test uses."""
    with databases.empty(template) as url:
        yield url


@pytest.fixture
def own_server() -> Iterator[OwnPostgres]:
    """Provide a durable server that no other test uses; ``url()`` is at the latest migration.

    A test may kill, start, suspend and resume it. It is stopped afterwards in any state.
    """
    with temporary_postgres(durable=True) as server:
        migrate(server.url())
        yield server


@pytest.fixture(scope="session")
def shared_database(databases: Databases, template: str) -> Iterator[str]:
    """Provide the URL of the database in which most tests run and roll back."""
    with databases.empty(template) as url:
        yield url


@pytest.fixture(scope="session")
async def shared_connection(shared_database: str) -> AsyncIterator[Any]:
    """Provide one connection to the shared database, with the app's session settings."""
    # Long timeouts, because a test may pause between two statements of its transaction.
    async with (
        connected(patient(shared_database), 1) as database,
        database._pool.acquire() as connection,
    ):
        yield connection


@pytest.fixture
async def connection(shared_connection: Any) -> AsyncIterator[Any]:
    """Provide a connection in a transaction that is rolled back."""
    transaction = shared_connection.transaction()
    await transaction.start()
    yield shared_connection
    await transaction.rollback()


@pytest.fixture(scope="session")
def app() -> FastAPI:
    """Build the app, with FAST_PATH as configured; ``client`` sets its database."""
    return create_app(Settings.model_construct(fast_path=get_settings().fast_path))


@pytest.fixture(scope="session")
def document() -> Document:
    """Provide the OpenAPI document, which is the same for all apps."""
    return _document()


@pytest.fixture
async def client(
    app: FastAPI, document: Document, connection: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """Provide a client that checks each response against the OpenAPI document."""
    app.state.database = Database(OneConnection(connection))
    # Without what earlier tests have left, which were rolled back.
    app.state.callers, app.state.conflicts = Callers(app.state.issuer), ConflictLimit()
    async with client_of(app, document) as client:
        yield client


@pytest.fixture
async def pooled_client(own_database: str) -> AsyncIterator[httpx.AsyncClient]:
    """Provide a client of an app with a pool of 12 connections to its own database."""
    async with served(patient(own_database), 12) as client:
        yield client


@asynccontextmanager
async def served(settings: Settings, size: int | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Provide a client of an app with these settings and its own connection pool."""
    with _lent_app(settings) as app:
        async with (
            connected(settings, size) as app.state.database,
            client_of(app) as client,
        ):
            yield client


_idle_apps: defaultdict[str, list[FastAPI]] = defaultdict(list)


@contextmanager
def _lent_app(settings: Settings) -> Iterator[FastAPI]:
    """Lend an app with these settings and new state, because building one takes 0.3 seconds."""
    idle = _idle_apps[str(settings.model_dump(exclude={"database_url"}))]
    app = idle.pop() if idle else create_app(settings)
    add_state(app, settings)
    yield app
    idle.append(app)


@pytest.fixture
async def other(own_database: str) -> AsyncIterator[asyncpg.Connection]:
    """Provide a connection outside the app's pool, to query with and to hold locks."""
    connection = await asyncpg.connect(own_database)
    yield connection
    await connection.close()


@pytest.fixture
async def administrator(databases: Databases, own_database: str) -> AsyncIterator[Any]:
    """Provide a connection like ``other``, which may also change the server's own settings."""
    connection = await asyncpg.connect(databases.administration_url(own_database))
    yield connection
    await connection.close()


async def lock_waiters(other: asyncpg.Connection, number: int = 1) -> None:
    """Return when at least ``number`` sessions wait for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(10):
        while await other.fetchval(waiting) < number:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)


def client_of(
    app: FastAPI,
    document: Document | None = None,
    address: str = "127.0.0.1",
    caller: Known | None = ADMIN,
) -> httpx.AsyncClient:
    """Make a client that checks each response against a document, by default that of all apps.

    It sends the token of an administrator, or of another caller, or none.
    """
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=(address, 1234)),
        base_url="http://testserver",
        headers=caller.headers if caller else {},
        event_hooks={"response": [(document or _document()).check]},
    )


@cache
def _document() -> Document:
    return Document(create_app(Settings.model_construct()))


@pytest.fixture
def create(client: httpx.AsyncClient) -> Create:
    """Provide a function that creates a resource and returns it."""

    async def create(collection: str, payload: Json) -> Json:
        response = await client.post(f"{API}/{collection}", json=payload)
        assert response.status_code == 201, response.text
        created: Json = response.json()
        return created

    return create


def problem(response: httpx.Response) -> tuple[int, str, list[tuple[str, str]]]:
    """Return a problem document's status, type, and each error's pointer and code."""
    body = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == response.status_code
    assert body["instance"] == response.request.url.raw_path.partition(b"?")[0].decode()
    assert body["request_id"] == response.headers["X-Request-ID"]
    errors = [(error["pointer"], error["code"]) for error in body["errors"]]
    return response.status_code, body["type"], errors


def conflict(response: httpx.Response) -> tuple[str, str]:
    """Return the type of a 409 and the one pointer of its errors."""
    status, kind, ((pointer, _),) = problem(response)
    assert status == 409
    return kind, pointer


def unavailable(response: httpx.Response) -> str:
    """Return the detail of a 503, after a check of its ``Retry-After`` header."""
    assert problem(response) == (503, "/problems/unavailable", [])
    assert response.headers["Retry-After"] == "1"
    detail: str = response.json()["detail"]
    return detail


def not_found(response: httpx.Response) -> bool:
    """Return whether a response is the 404 problem document."""
    return problem(response) == (404, "/problems/not-found", [])
