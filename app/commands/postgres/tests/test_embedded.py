import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import psutil
import pytest

from app.commands.postgres.embedded import embedded_postgres, temporary_postgres

pytestmark = pytest.mark.slow


def ask(url: str, question: str) -> object:
    async def answer() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    return asyncio.run(answer())


def servers() -> set[int]:
    return {child.pid for child in psutil.Process().children() if child.name() == "postgres"}


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that PostgreSQL's account can enter, unlike pytest's folders."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as path:
        yield path


@pytest.fixture(scope="module")
def used_home() -> Iterator[Path]:
    """Share one home among the tests of later starts, because creating its data takes a second."""
    with open_folder() as path:
        with embedded_postgres(path / "postgres", durable=False):
            pass
        yield path / "postgres"


def test_a_temporary_server_leaves_nothing() -> None:
    before = servers()
    with temporary_postgres() as server:
        assert servers() > before
        assert ask(server.url("postgres"), "SELECT 1") == 1
        data = Path(str(ask(server.administration_url(), "SHOW data_directory")))

    assert servers() == before
    assert not data.exists()


def test_only_the_account_that_runs_the_server_may_connect() -> None:
    with temporary_postgres() as server:
        assert ask(server.url(), "SHOW listen_addresses") == ""
        socket = Path(server.socket_folder, ".s.PGSQL.5432").stat()

    assert socket.st_mode & 0o077 == 0


def test_a_folder_name_that_fits_in_no_url_moves_only_the_socket(folder: Path) -> None:
    home = folder / ("a long name with spaces & signs " * 4) / "postgres"
    with embedded_postgres(home, durable=False) as server:
        assert ask(server.url(), "SELECT 1") == 1
        assert ask(server.administration_url(), "SHOW data_directory") == str(home / "data")
        assert not Path(server.socket_folder).is_relative_to(home)

    assert not Path(server.socket_folder).exists()


def test_the_socket_folder_of_a_killed_owner_is_deleted(used_home: Path, folder: Path) -> None:
    left = folder / "crossfit-left"
    left.mkdir()
    (used_home / "lock").write_text(str(left))

    with embedded_postgres(used_home, durable=False) as server:
        assert ask(server.url(), "SELECT 1") == 1

    assert not left.exists()


def test_an_interrupted_first_start_is_repeated(folder: Path) -> None:
    unfinished = folder / "postgres" / "data.new"
    unfinished.mkdir(parents=True)
    unfinished.parent.chmod(0o711)
    (unfinished / "PG_VERSION").write_text("18\n")

    with embedded_postgres(folder / "postgres", durable=False) as server:
        assert ask(server.url(), "SELECT 1") == 1


def test_a_stale_pid_file_with_the_pid_of_another_process_is_ignored(used_home: Path) -> None:
    owner = (used_home / "data").stat()
    account = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["/bin/sleep", "60"], **account) as stranger:  # type: ignore[call-overload]
        record = used_home.resolve() / "data" / "postmaster.pid"
        record.write_text(f"{stranger.pid}\n{record.parent}\n")
        os.chown(record, owner.st_uid, owner.st_gid)

        with embedded_postgres(used_home, durable=False) as server:
            assert ask(server.url(), "SELECT 1") == 1

        assert stranger.poll() is None
        stranger.kill()


def test_the_error_for_a_server_that_cannot_start_names_its_log(
    used_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = used_home.resolve() / "data" / "PG_VERSION"
    version = record.read_text()
    record.write_text("9\n")

    with pytest.raises(SystemExit), embedded_postgres(used_home):
        pass

    record.write_text(version)
    said = capsys.readouterr().err
    assert said.startswith("error: the embedded PostgreSQL does not start (")
    assert said.endswith(f"its log is {used_home.resolve() / 'log'}\n")


def test_the_server_log_contains_no_statements_values_or_errors_of_clients(
    used_home: Path,
) -> None:
    create = "CREATE TABLE people (national_id text UNIQUE); INSERT INTO people VALUES ('X1234567')"
    (used_home / "log").write_text("")
    (used_home / "log").chmod(0o644)  # as an earlier version wrote it
    with embedded_postgres(used_home, durable=False) as server:

        async def insert_twice() -> None:
            connection = await asyncpg.connect(server.url())
            await connection.execute(create)
            with pytest.raises(asyncpg.UniqueViolationError):
                await connection.execute("INSERT INTO people SELECT * FROM people")
            with pytest.raises(asyncpg.PostgresSyntaxError):
                await connection.execute("SELECT 'X1234567' secret word")
            await connection.close()
            # The errors of the superuser are not those of a client of the service.
            connection = await asyncpg.connect(server.administration_url())
            with pytest.raises(asyncpg.PostgresSyntaxError):
                await connection.execute("SELECT 'X1234567' secret word")
            await connection.close()

        asyncio.run(insert_twice())

    log = (used_home / "log").read_text()
    assert log.count("syntax error") == 1
    assert [word for word in ("duplicate", "X1234567", "secret", "STATEMENT") if word in log] == []
    assert (used_home / "log").stat().st_mode & 0o777 == 0o600
