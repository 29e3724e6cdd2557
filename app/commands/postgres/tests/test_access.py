"""The role of the service, the accounts that may connect, and data of an earlier version."""

import asyncio
import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import pytest
from alembic import command

from app.commands.database import alembic_config, database_url, differs_from_models
from app.commands.postgres import access
from app.commands.postgres.access import DATABASE, ROLE
from app.commands.postgres.embedded import embedded_postgres, temporary_postgres
from app.commands.postgres.files import runnable_programs, server_account
from app.commands.postgres.log import ServerLog
from app.commands.postgres.server import OwnPostgres

pytestmark = pytest.mark.slow
PRIVILEGES = """
    SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,
        current_user
    FROM pg_roles WHERE rolname = current_user
"""
UNPRIVILEGED = (True, False, False, False, False, False, ROLE)
OWNERS = """
    WITH own AS (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'reports'))
    SELECT DISTINCT pg_get_userbyid(owner) FROM (
        SELECT relowner FROM pg_class WHERE relnamespace IN (TABLE own)
        UNION ALL SELECT typowner FROM pg_type WHERE typnamespace IN (TABLE own)
        UNION ALL SELECT proowner FROM pg_proc WHERE pronamespace IN (TABLE own)
        UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname = 'reports'
        UNION ALL SELECT datdba FROM pg_database WHERE datname = current_database()
    ) AS objects (owner)
"""
EVERY_KIND = """
    CREATE SCHEMA reports;
    CREATE TYPE reports.colour AS ENUM ('red');
    CREATE TYPE reports.pair AS (a int, b int);
    CREATE DOMAIN reports.positive AS int CHECK (VALUE > 0);
    CREATE SEQUENCE reports.numbers;
    CREATE TABLE reports.parts (id serial, at int GENERATED ALWAYS AS IDENTITY, who reports.colour)
        PARTITION BY RANGE (id);
    CREATE TABLE reports.part PARTITION OF reports.parts FOR VALUES FROM (0) TO (9);
    CREATE VIEW reports.names AS SELECT name FROM categories;
    CREATE MATERIALIZED VIEW reports.kept AS SELECT name FROM categories;
    CREATE FUNCTION reports.one() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE PROCEDURE reports.none() LANGUAGE sql AS 'SELECT 1';
    CREATE AGGREGATE reports.total(int) (SFUNC = int4pl, STYPE = int)
"""
INSERT = "INSERT INTO categories (id, name, name_key) VALUES (gen_random_uuid(), 'Rx', 'rx')"
INITDB = ("-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
"""How an earlier version created a cluster."""


async def fetched(url: str, statement: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    return asyncio.run(fetched(url, statement))


async def execute(url: str, statements: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statements)
    await connection.close()


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgres]:
    with temporary_postgres() as server:
        yield server


@pytest.fixture
def home() -> Iterator[Path]:
    """Provide a home that PostgreSQL's account can enter, unlike pytest's folders."""
    with TemporaryDirectory() as name:
        for folder in (Path(name), Path(name, "postgres")):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o711)
        yield folder


def old_server(home: Path) -> OwnPostgres:
    """Create a cluster as an earlier version did, and return its server."""
    account = server_account(home)
    programs, data = runnable_programs(account, home), home / "data"
    data.mkdir(mode=0o700)
    if account:
        os.chown(data, account["user"], account["group"])
    initdb = [str(programs / "initdb"), "-D", str(data), *INITDB]
    single = [str(programs / "postgres"), "--single", "-D", str(data), "postgres"]
    for program, text in ((initdb, ""), (single, f"CREATE DATABASE {DATABASE}")):
        subprocess.run(  # noqa: S603
            program, input=text.encode(), check=True, capture_output=True, **account
        )
    return OwnPostgres(
        str(data),
        data=data,
        programs=programs,
        account=account,
        log=ServerLog(home / "log"),
        durable=True,
    )


def test_the_service_has_an_unprivileged_role_that_owns_the_database(server: OwnPostgres) -> None:
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"

    assert ask(server.url(), PRIVILEGES) == [UNPRIVILEGED]
    assert ask(server.url(), owner) == [(ROLE,)]
    assert ask(server.administration_url(), "SHOW is_superuser") == [("on",)]


def test_only_named_accounts_of_this_host_may_connect(server: OwnPostgres) -> None:
    rules = "SELECT DISTINCT type, auth_method FROM pg_hba_file_rules"
    names = "SELECT DISTINCT sys_name FROM pg_ident_file_mappings WHERE error IS NULL"
    data = Path(server.socket_folder)
    accounts = {pwd.getpwuid(one).pw_name for one in (0, os.geteuid(), data.stat().st_uid)}

    assert ask(server.administration_url(), rules) == [("local", "peer")]
    assert {name for (name,) in ask(server.administration_url(), names)} == accounts
    for file in ("pg_hba.conf", "pg_ident.conf"):
        assert (data / file).stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
@pytest.mark.parametrize("role", [ROLE, "postgres"])
def test_another_account_may_not_connect_even_if_it_can_open_the_socket(
    server: OwnPostgres, role: str
) -> None:
    folder = Path(server.socket_folder)
    programs = runnable_programs(server_account(folder.parent), folder.parent)
    command = [str(programs / "psql"), "-h", server.socket_folder, "-U", role, DATABASE, "-c", ""]
    opened = (folder, folder / ".s.PGSQL.5432")
    before = [one.stat().st_mode for one in opened]
    for one in opened:
        one.chmod(0o777)

    try:
        done = subprocess.run(command, capture_output=True, text=True, user="nobody")  # noqa: S603
    finally:
        for one, mode in zip(opened, before, strict=True):
            one.chmod(mode)

    assert done.returncode != 0
    assert f'Peer authentication failed for user "{role}"' in done.stderr


def test_an_account_without_a_name_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        access._name(2**31 - 5)

    assert ended.value.code == 3
    assert capsys.readouterr().err.startswith("error: the account with the user ID 2147483643 has")


@pytest.mark.parametrize("left", ["stopped", "killed"])
def test_data_of_an_earlier_version_are_handed_over_to_the_role(home: Path, left: str) -> None:
    old = old_server(home)
    old.start()
    with database_url(as_postgres := old.administration_url(DATABASE)):
        command.upgrade(alembic_config(), "head")
    asyncio.run(execute(as_postgres, INSERT))
    asyncio.run(execute(as_postgres, EVERY_KIND))
    assert ask(as_postgres, OWNERS) == [("postgres",)]
    (old.stop if left == "stopped" else old.kill)()

    with embedded_postgres(home) as server:
        assert ask(server.url(), "SELECT name FROM categories") == [("Rx",)]
        assert ask(server.url(), PRIVILEGES) == [UNPRIVILEGED]
        assert ask(server.url(), OWNERS) == [(ROLE,)]
        with database_url(server.url()):
            command.downgrade(alembic_config(), "-1")
            command.upgrade(alembic_config(), "head")
            assert not differs_from_models()


def test_an_interrupted_hand_over_is_repeated(home: Path) -> None:
    with embedded_postgres(home, durable=False) as server:
        asyncio.run(execute(server.administration_url(DATABASE), "CREATE TABLE left_over ()"))
    (home / "data" / "pg_hba.conf").write_text("local all all trust\n")

    with embedded_postgres(home, durable=False) as server:
        assert ask(server.url(), OWNERS) == [(ROLE,)]
        rules = "SELECT DISTINCT auth_method FROM pg_hba_file_rules"
        assert ask(server.administration_url(), rules) == [("peer",)]


def test_a_hand_over_that_fails_is_an_error_of_one_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with embedded_postgres(home, durable=False) as server:
        asyncio.run(execute(server.administration_url(), f"DROP DATABASE {DATABASE}"))
    (home / "data" / "pg_hba.conf").write_text("local all all trust\n")

    with pytest.raises(SystemExit) as ended, embedded_postgres(home, durable=False):
        pass

    assert ended.value.code == 3
    said = capsys.readouterr().err
    assert said == (
        f'error: the embedded PostgreSQL does not start (database "{DATABASE}" does not exist);'
        f" its log is {home / 'log'}\n"
    )
