"""Migrations: upgrade, downgrade, drift, and concurrent upgrades."""

import asyncio
import os
import subprocess
import sys

import asyncpg
import pytest
from alembic import command
from httpx import AsyncClient
from sqlmodel import SQLModel

from app.commands.database import alembic_config, database_url
from app.commands.project import ROOT
from app.conftest import Databases, execute, problem
from app.core.settings import get_settings


async def tables(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    )
    await connection.close()
    return [row["tablename"] for row in rows]


def test_migrations_upgrade_downgrade_and_upgrade_again(databases: Databases) -> None:
    ours = sorted([*SQLModel.metadata.tables, "alembic_version"])
    with databases.empty() as url, database_url(url):
        command.upgrade(alembic_config(), "head")
        assert asyncio.run(tables(url)) == ours
        command.downgrade(alembic_config(), "base")
        assert asyncio.run(tables(url)) == ["alembic_version"]
        command.upgrade(alembic_config(), "head")
        assert asyncio.run(tables(url)) == ours


def test_the_models_need_no_migration(own_database: str) -> None:
    with database_url(own_database):
        command.check(alembic_config())


@pytest.mark.parametrize(
    "drift",
    [
        "ALTER TABLE athletes DROP CONSTRAINT ck_athletes_sex",
        "ALTER TABLE centres DROP CONSTRAINT uq_centres_name_key",
        "ALTER TABLE athletes ALTER COLUMN weight_kg TYPE numeric(6, 2)",
        "DROP INDEX ix_athletes_name_key_id",
        "CREATE TABLE stray (id integer)",
    ],
)
def test_a_schema_that_has_drifted_is_noticed(own_database: str, drift: str) -> None:
    asyncio.run(execute(own_database, drift))
    with database_url(own_database), pytest.raises(Exception, match="New upgrade operations"):
        command.check(alembic_config())


def test_excluded_tables_of_other_applications_are_not_drift(
    own_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(execute(own_database, "CREATE TABLE stray (id integer)"))
    monkeypatch.setenv("DB_EXCLUDE_TABLES", "other, stray")
    with database_url(own_database):
        command.check(alembic_config())
    get_settings.cache_clear()


@pytest.mark.slow
def test_concurrent_migrations_all_succeed(databases: Databases) -> None:
    with databases.empty() as url:
        migrations = [
            subprocess.Popen(
                [sys.executable, "-m", "alembic", "upgrade", "head"],
                cwd=ROOT,
                env={**os.environ, "DATABASE_URL": url},
            )
            for _ in range(3)
        ]
        assert [migration.wait(60) for migration in migrations] == [0, 0, 0]


async def test_a_service_is_ready_only_with_the_newest_schema(
    client: AsyncClient, connection: asyncpg.Connection
) -> None:
    assert (await client.get("/health/ready")).json() == {"status": "ready"}

    await connection.execute("UPDATE alembic_version SET version_num = 'older'")
    assert problem(await client.get("/health/ready")) == (503, "/problems/unavailable", [])

    await connection.execute("DROP TABLE alembic_version")
    unmigrated = await client.get("/health/ready")
    assert problem(unmigrated) == (503, "/problems/unavailable", [])
    assert unmigrated.json()["detail"] == "The database schema is not that of the latest migration."
    assert (await client.get("/health/live")).json() == {"status": "live"}
