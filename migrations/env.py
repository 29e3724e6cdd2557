"""Run Alembic migrations on the database of the settings, in one process at a time."""

import asyncio

import asyncpg
from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

from app.api import v1  # every feature, so every table
from app.core.settings import cannot_start, get_settings

LOCK = 7310425109
"""The advisory lock that prevents replicas from migrating at the same time when they start."""

LOCK_WAIT = "60s"

settings = get_settings()


def is_ours(name: str | None, kind: str, parent: object) -> bool:
    """Exclude the tables of other applications from comparisons with the models."""
    return kind != "table" or name not in settings.db_exclude_tables


def run_migrations(connection: Connection) -> None:
    """Run the migrations of the Alembic command on a connection."""
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
    connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        include_name=is_ours,
        compare_server_default=True,
        autogenerate_plugins=["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
    )
    with context.begin_transaction():
        context.run_migrations()


async def run() -> None:
    """Connect and run the migrations in one transaction."""
    # No named prepared statements: behind PgBouncer, one would outlive this process, in a server
    # session that other clients use.
    engine = create_async_engine(
        "postgresql+asyncpg://",
        connect_args={
            "async_creator_fn": lambda: asyncpg.connect(
                settings.database_url, statement_cache_size=0
            ),
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: "",
        },
        poolclass=NullPool,
    )
    async with engine.begin() as connection:
        await connection.run_sync(run_migrations)


if settings.database_url is None:
    cannot_start("DATABASE_URL is not set")
asyncio.run(run())

del v1
