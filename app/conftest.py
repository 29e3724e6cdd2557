"""What tests are given: databases that the migrations built, and clients of the real app."""

import asyncio
import logging
import os
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

from app.application import create_app
from app.commands.database import alembic_config, database_url
from app.commands.postgres import temporary_postgres
from app.commands.postgres_server import OwnPostgres
from app.core.db.pool import connected
from app.core.db.transactions import Database
from app.core.http.tests.document import Document
from app.core.logs import configure_logs
from app.core.settings import Settings, get_settings

API = "/api/v1"

Json = dict[str, Any]
Create = Callable[[str, Json], Awaitable[Json]]


def pytest_configure() -> None:
    """Write logs as the service does."""
    configure_logs(on_terminal=False)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def patient(url: str) -> Settings:
    """Return settings for tests that are not about time, however slow the machine is."""
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
    """A server for tests, and databases on it that exist for as long as they are used."""

    # One count for all servers: two of these may be the same one.
    _names = (f"crossfit_test_{os.getpid()}_{number}" for number in count())

    def __init__(self, url_of: Callable[[str], str]) -> None:
        self._url_of = url_of

    @contextmanager
    def empty(self, template: str = "template0") -> Iterator[str]:
        """Give the URL of a new database, without any table or like a template."""
        name = next(self._names)
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY wal_log')
        try:
            yield self._url_of(name)
        finally:
            self._run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        asyncio.run(execute(self._url_of("postgres"), statement))


async def execute(url: str, statement: str) -> None:
    """Run a statement on a connection of its own."""
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


class OneConnection:
    """A pool of one connection, which is inside of a test's transaction.

    Each unit of work is a savepoint: one that fails leaves the others as they are.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._free = asyncio.Lock()

    def acquire(self) -> AbstractAsyncContextManager[Any]:
        """Lend the connection."""
        return self._lend()

    @asynccontextmanager
    async def _lend(self) -> AsyncIterator[Any]:
        async with self._free, self._connection.transaction():
            yield self._connection


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Give the server of TEST_DATABASE_URL, or an embedded one."""
    url = get_settings().test_database_url
    if url is not None:
        yield Databases(lambda name: urlsplit(url)._replace(path=f"/{name}").geturl())
        return
    with temporary_postgres() as server:
        yield Databases(server.url)


@pytest.fixture(scope="session")
def template(databases: Databases) -> Iterator[str]:
    """Give the name of a database with the newest schema, which nobody is connected to."""
    with databases.empty() as url:
        with database_url(url):
            command.upgrade(alembic_config(), "head")
        yield urlsplit(url).path.strip("/")


@pytest.fixture
def own_database(databases: Databases, template: str) -> Iterator[str]:
    """Give the URL of a database that no other test uses, with the newest schema."""
    with databases.empty(template) as url:
        yield url


@pytest.fixture
def own_server() -> Iterator[OwnPostgres]:
    """Give a durable server that no other test uses, with the newest schema at its ``url()``.

    It may be killed and started again, and be suspended and resumed; whatever the test leaves of
    it is stopped.
    """
    with temporary_postgres(durable=True) as server:
        with database_url(server.url()):
            command.upgrade(alembic_config(), "head")
        yield server


@pytest.fixture(scope="session")
def shared_database(databases: Databases, template: str) -> Iterator[str]:
    """Give the URL of the database in which ordinary tests roll back what they do."""
    with databases.empty(template) as url:
        yield url


@pytest.fixture(scope="session")
async def shared_connection(shared_database: str) -> AsyncIterator[Any]:
    """Connect to the shared database as the app does."""
    # A test may do something else for long between two statements of its transaction.
    async with (
        connected(patient(shared_database), 1) as database,
        database._pool.acquire() as connection,
    ):
        yield connection


@pytest.fixture
async def connection(shared_connection: Any) -> AsyncIterator[Any]:
    """Give a connection inside of a transaction that is rolled back."""
    transaction = shared_connection.transaction()
    await transaction.start()
    yield shared_connection
    await transaction.rollback()


@pytest.fixture(scope="session")
def app() -> FastAPI:
    """Build the app, with FAST_PATH as set; ``client`` gives it a database."""
    return create_app(Settings.model_construct(fast_path=get_settings().fast_path))


@pytest.fixture(scope="session")
def document() -> Document:
    """Give the OpenAPI document of every app."""
    return _document()


@pytest.fixture
async def client(
    app: FastAPI, document: Document, connection: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client whose every answer is checked against the document."""
    app.state.database = Database(OneConnection(connection))
    async with client_of(app, document) as client:
        yield client


@pytest.fixture
async def pooled_client(own_database: str) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an app with several connections, to a database of its own."""
    async with served(patient(own_database), 12) as client:
        yield client


@asynccontextmanager
async def served(settings: Settings, size: int | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an app with such settings, and with connections of its own."""
    app = create_app(settings)
    async with (
        connected(settings, size) as app.state.database,
        client_of(app) as client,
    ):
        yield client


@pytest.fixture
async def other(own_database: str) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection beside those of the app, to look and to hold locks with."""
    connection = await asyncpg.connect(own_database)
    yield connection
    await connection.close()


async def lock_waiters(other: asyncpg.Connection, number: int = 1) -> None:
    """Return when so many sessions wait for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(10):
        while await other.fetchval(waiting) < number:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)


def client_of(app: FastAPI, document: Document | None = None) -> httpx.AsyncClient:
    """Make a client of an app whose answers are checked against a document, that of all apps."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://testserver",
        event_hooks={"response": [(document or _document()).check]},
    )


@cache
def _document() -> Document:
    return Document(create_app(Settings.model_construct()))


@pytest.fixture
def create(client: httpx.AsyncClient) -> Create:
    """Give a function that creates a resource and returns it."""

    async def create(collection: str, payload: Json) -> Json:
        response = await client.post(f"{API}/{collection}", json=payload)
        assert response.status_code == 201, response.text
        created: Json = response.json()
        return created

    return create


def problem(response: httpx.Response) -> tuple[int, str, list[tuple[str, str]]]:
    """Return the status, type, and the pointer and code of each error of a problem document."""
    body = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == response.status_code
    assert body["instance"] == response.request.url.path
    assert body["request_id"] == response.headers["X-Request-ID"]
    errors = [(error["pointer"], error["code"]) for error in body["errors"]]
    return response.status_code, body["type"], errors


def conflict(response: httpx.Response) -> tuple[str, str]:
    """Return the type of a 409 and the one pointer of its errors."""
    status, kind, ((pointer, _),) = problem(response)
    assert status == 409
    return kind, pointer


def unavailable(response: httpx.Response) -> str:
    """Return the detail of a 503 that tells when to come again."""
    assert problem(response) == (503, "/problems/unavailable", [])
    assert response.headers["Retry-After"] == "1"
    detail: str = response.json()["detail"]
    return detail


def not_found(response: httpx.Response) -> bool:
    """Tell whether an answer is the problem document of a row that is not there."""
    return problem(response) == (404, "/problems/not-found", [])
