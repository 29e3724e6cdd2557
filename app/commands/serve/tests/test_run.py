import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from app.commands.cli import cli
from app.commands.project import ROOT
from app.commands.tests.launcher import (
    categories,
    clean_environment,
    create_category,
    launched,
    living,
)
from app.core.settings import Settings, get_settings

pytestmark = pytest.mark.slow
NOWHERE = "postgresql://someone:secret@127.0.0.1:1/nothing"
STARTS = pytest.mark.parametrize("arguments", [("run", "--port=0", "--workers=2"), ("migrate",)])

Refusal = Callable[..., list[str]]
"""Runs a command that must fail, with settings; returns the lines that it prints."""


@pytest.fixture
def refusal(
    data_dir: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Refusal]:
    """Provide a function that runs a command in this process, because starting Python is slow."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("ENV_FILE", os.devnull)
    monkeypatch.setenv("DATA_DIR", data_dir)

    def run(*arguments: str, **environment: str) -> list[str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        get_settings.cache_clear()
        with pytest.raises(SystemExit) as ended:
            cli(arguments)
        assert ended.value.code == 3
        said = capfd.readouterr()
        return (said.out + said.err).splitlines()

    yield run
    get_settings.cache_clear()


@pytest.mark.parametrize(
    ("signum", "option"),
    [
        pytest.param(signal.SIGTERM, "--workers=1", id="TERM"),
        pytest.param(signal.SIGINT, "--workers=1", id="Ctrl-C"),
        pytest.param(signal.SIGHUP, "--workers=1", id="terminal closed"),
        pytest.param(signal.SIGTERM, "--workers=2", id="TERM, workers"),
        pytest.param(signal.SIGHUP, "--workers=2", id="terminal closed, workers"),
        pytest.param(signal.SIGINT, "--reload", id="Ctrl-C, reload"),
    ],
)
def test_a_signal_stops_all_processes(data_dir: str, option: str, signum: signal.Signals) -> None:
    measured = signum == signal.SIGTERM
    with launched("run", "--port=0", option, measured=measured, DATA_DIR=data_dir) as launcher:
        assert httpx.get(f"{launcher.url}/health/live", trust_env=False).is_success
        family = launcher.family()
        assert "postgres" in {process.name() for process in family}

        assert launcher.stop(signum, group=signum != signal.SIGTERM) == 0

    assert living(family) == []
    assert "Traceback" not in launcher.output


def test_a_signal_during_the_start_stops_all_processes(data_dir: str) -> None:
    with launched("run", "--port=0", DATA_DIR=data_dir) as launcher:
        assert launcher.read_until(re.compile("The database is"))
        family = launcher.family()

        assert launcher.stop(signal.SIGTERM) == 0

    assert living(family) == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_after_a_kill_the_same_command_works_and_the_data_are_kept(
    data_dir: str, workers: str
) -> None:
    name = f"before a kill-{uuid4()}"
    with launched("run", "--port=0", f"--workers={workers}", DATA_DIR=data_dir) as launcher:
        create_category(launcher, name)
        command = ["run", f"--workers={workers}", f"--port={urlsplit(launcher.url).port}"]
        family = launcher.family()
        launcher.stop(signal.SIGKILL)
        assert living(family) == []

    with launched(*command, DATA_DIR=data_dir) as launcher:
        found = categories(launcher)

    assert name in found


def test_a_start_that_is_killed_leaves_no_process(data_dir: str) -> None:
    with launched("run", "--port=0", DATA_DIR=data_dir) as launcher:
        while "postgres" not in {process.name() for process in launcher.family()}:
            time.sleep(0.001)
        family = launcher.family()
        launcher.stop(signal.SIGKILL)

    assert living(family) == []


def test_a_second_run_is_an_error_of_one_line_until_the_first_has_ended(data_dir: str) -> None:
    with launched("run", "--port=0", DATA_DIR=data_dir) as first:
        create_category(first, name := f"the first {uuid4()}")
        token = (Path(data_dir) / "admin-token").read_text().strip()
        with launched("run", "--port=0", DATA_DIR=data_dir) as second:
            assert second.ended() == 3
        assert name in categories(first)
    assert second.output == (
        f"error: another command runs the embedded PostgreSQL in {data_dir}/postgres, and stops it"
        " in the end: stop that command, or set DATABASE_URL or another DATA_DIR\n"
    )
    with launched("run", "--port=0", DATA_DIR=data_dir) as again:
        assert name in categories(again)
    assert (Path(data_dir) / "admin-token").read_text().strip() == token
    assert token not in first.output + second.output + again.output


def test_other_commands_use_the_database_server_of_a_service(data_dir: str) -> None:
    with launched("run", "--port=0", DATA_DIR=data_dir) as owner:
        create_category(owner, name := f"seen by both {uuid4()}")
        with launched("migrate", DATA_DIR=data_dir) as migration:
            assert migration.ended() == 0

        assert name in categories(owner)


def test_a_port_in_use_is_an_error_of_one_line(refusal: Refusal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        said = refusal("run", f"--port={port}")

    assert said == [f"error: port {port} is in use; choose another with --port"]


def test_an_unknown_host_is_an_error_of_one_line(refusal: Refusal) -> None:
    (said,) = refusal("run", "--host=no.such.host.invalid", "--port=0")

    assert said.startswith("error: cannot listen on no.such.host.invalid port 0: ")


def test_reload_with_workers_is_an_error_of_one_line(refusal: Refusal) -> None:
    said = refusal("run", "--reload", "--workers=2")

    assert said == ["error: --reload works with one worker: leave out --reload or --workers"]


def test_more_connections_than_the_server_has_is_an_error_of_one_line(data_dir: str) -> None:
    command = ["run", "--port=0", "--workers=2"]
    with launched(*command, DATA_DIR=data_dir, DB_POOL_SIZE="49") as launcher:
        assert launcher.ended() == 3

    assert launcher.output.splitlines()[1:] == [
        "error: 2 x DB_POOL_SIZE = 98 connections are more than the 97 that the server has for a"
        " service: lower --workers or DB_POOL_SIZE, or raise its max_connections"
    ]


def test_an_invalid_setting_ends_the_process_with_one_line(data_dir: str) -> None:
    command = ["run", "--port=0", "--workers=2"]
    with launched(*command, DATA_DIR=data_dir, API_V1_PREFIX="api") as launcher:
        assert launcher.ended() == 3

    assert re.fullmatch(r"error: API_V1_PREFIX: .+\n", launcher.output)


@STARTS
def test_an_invalid_setting_is_an_error_of_one_line(
    refusal: Refusal, arguments: tuple[str, ...]
) -> None:
    (said,) = refusal(*arguments, API_V1_PREFIX="api")

    assert said.startswith("error: API_V1_PREFIX: ")


@STARTS
def test_an_unreachable_database_is_an_error_without_the_password(
    refusal: Refusal, arguments: tuple[str, ...]
) -> None:
    (said,) = refusal(*arguments, DATABASE_URL=NOWHERE)

    assert said.startswith("error: cannot reach the database of DATABASE_URL: ")
    assert "secret" not in said


def test_an_impossible_data_directory_is_an_error_of_one_line(refusal: Refusal) -> None:
    (said,) = refusal("run", "--port=0", DATA_DIR="/dev/null/data")

    assert said.startswith("error: the embedded PostgreSQL cannot start: ")


@pytest.fixture
def another_account() -> Iterator[None]:
    """Let root act as another account, because root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    yield
    os.seteuid(0)


@pytest.fixture(params=["missing", "another account's"])
def folder_not_to_write(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Provide a data directory that other accounts may enter and not change."""
    with TemporaryDirectory() as name:
        data = Path(name)
        if request.param != "missing":
            (data / "postgres").mkdir()
            (data / "postgres" / "lock").touch(mode=0o444)
            (data / "postgres").chmod(0o555)
        data.chmod(0o555)
        yield data
        for folder in data.glob("postgres"):
            folder.chmod(0o755)
        data.chmod(0o755)


@pytest.mark.usefixtures("another_account")
def test_a_data_directory_that_is_not_to_write_is_an_error_of_one_line(
    folder_not_to_write: Path, refusal: Refusal
) -> None:
    (said,) = refusal("run", "--port=0", DATA_DIR=str(folder_not_to_write))

    assert said.startswith("error: the embedded PostgreSQL cannot start: [Errno 13] Permission ")
    assert str(folder_not_to_write) in said
    assert said.endswith(
        "; run the command as the user that owns this folder, or set another DATA_DIR"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")
def test_a_data_directory_on_a_read_only_file_system_is_an_error_of_one_line(
    refusal: Refusal, tmp_path: Path
) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)]
    done = subprocess.run(mount, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        pytest.skip(f"no file system can be mounted: {done.stderr.strip()}")
    try:
        (said,) = refusal("run", "--port=0", DATA_DIR=str(tmp_path))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)  # noqa: S603, S607

    assert said == (
        "error: the embedded PostgreSQL cannot start: [Errno 30] Read-only file system:"
        f" '{tmp_path}/postgres'; run the command as the user that owns this folder, or set another"
        " DATA_DIR"
    )


@pytest.mark.parametrize("server", ["AnnouncedServer(config)", "Workers(config, [sock])"])
def test_a_signal_that_other_code_swallows_during_the_start_still_stops(server: str) -> None:
    program = f"""
import signal, socket
from app.commands.serve.run import AnnouncedServer, ServiceConfig, Workers
from app.commands.signals import end_cleanly_on_signals
from app.core.settings import Settings
end_cleanly_on_signals()
try:
    signal.raise_signal(signal.SIGTERM)
except BaseException as error:
    kept = error
with socket.create_server(("127.0.0.1", 0)) as sock:
    config = ServiceConfig("app.core.http.health:router", Settings(_env_file=None), workers=2)
    server = {server}
    server.run([sock]) if "{server}".startswith("A") else server.run()
kept.arrived = True
"""
    command = [sys.executable, "-c", program]

    done = subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=30
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_workers_that_cannot_load_the_app_are_not_restarted_forever() -> None:
    program = """
import socket
from app.commands.serve.run import ServiceConfig, Workers
from app.core.settings import Settings
with socket.create_server(("127.0.0.1", 0)) as sock:
    config = ServiceConfig("app.no_app:app", Settings(_env_file=None), workers=2)
    config.timeout_worker_healthcheck = 1
    Workers(config, [sock]).run()
"""
    command = [sys.executable, "-c", program]

    done = subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=30
    )

    assert done.returncode == 3
    assert "no_app" in done.stderr
