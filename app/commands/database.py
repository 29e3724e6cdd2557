"""The database that a command works on, and its migrations."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from alembic import command
from alembic.config import Config

from app.commands.postgres import embedded_postgres, temporary_postgres
from app.commands.project import ROOT
from app.core.database import TooOld, check_version
from app.core.settings import cannot_start, get_settings


@contextmanager
def service_database() -> Iterator[None]:
    """Provide the database of ``DATABASE_URL``, or start the embedded one and set it to that."""
    settings = get_settings()
    if settings.database_url:
        yield
        return
    home = ROOT / settings.data_dir / "postgres"
    with embedded_postgres(home) as server:
        print(
            "The database is the embedded PostgreSQL, for development and one host only; "
            f"its data are in {home.resolve()}",
            flush=True,
        )
        with database_url(server.url()):
            yield


@contextmanager
def database_url(url: str) -> Iterator[None]:
    """Set ``DATABASE_URL`` for this process and those it starts."""
    before = os.environ.get("DATABASE_URL", "")
    os.environ["DATABASE_URL"] = url
    get_settings.cache_clear()
    try:
        yield
    finally:
        os.environ["DATABASE_URL"] = before
        get_settings.cache_clear()


def migrate_to_head() -> None:
    """Bring the database of ``DATABASE_URL`` to the newest migration; unreachable is one line."""
    url = get_settings().database_url
    try:
        asyncio.run(_connect_once(url))
    except TooOld as error:
        cannot_start(str(error))
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        cannot_start(f"cannot reach the database of DATABASE_URL: {error or type(error).__name__}")
    command.upgrade(alembic_config(), "head")


async def _connect_once(url: str | None) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        check_version(connection)
    finally:
        await connection.close()


def alembic_config() -> Config:
    """Read ``alembic.ini``."""
    return Config(ROOT / "alembic.ini")


def write_migration(message: str) -> None:
    """Autogenerate a migration, against a server of its own that has all the earlier ones."""
    with temporary_postgres() as server, database_url(server.url()):
        migrate_to_head()
        command.revision(alembic_config(), message, autogenerate=True)
