"""A server that ends is started again, also once its disk has room again."""

import asyncio
import logging
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import Mock

import asyncpg
import httpx
import pytest

from app.commands.conftest import remove_data
from app.commands.postgres import server as server_module
from app.commands.postgres import supervision
from app.commands.postgres.embedded import temporary_postgres
from app.commands.postgres.server import EmbeddedPostgres, OwnPostgres, moments
from app.commands.postgres.supervision import kept_running
from app.commands.tests.launcher import Launcher, categories, launched, living

pytestmark = pytest.mark.slow
ROOM = 400_000
"""Bytes that are left on the full disk: rows fit, but no other file of the WAL."""


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgres]:
    with temporary_postgres(durable=True) as server:
        yield server


@pytest.fixture
def running(server: OwnPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnPostgres]:
    """Provide a server that is kept running, with short pauses."""
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.05)
    if not server.processes():
        server.start()
    with kept_running(server):
        yield server


def answer(server: OwnPostgres) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(server.url())
        try:
            return await connection.fetchval("SELECT 42")
        finally:
            await connection.close()

    return asyncio.run(ask())


def until_it_answers(server: OwnPostgres) -> None:
    for _ in range(600):
        try:
            assert answer(server) == 42
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the server does not answer")


def test_a_killed_server_is_started_again(
    running: OwnPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1, 3):
        postmaster = running.processes()[0]
        postmaster.kill()
        assert living([postmaster]) == []
        until_it_answers(running)
        for _ in moments(10):
            if sum("runs again" in line for line in caplog.messages) == number:
                break

    ended = "the embedded PostgreSQL has ended: it was killed by SIGKILL; it will restart"
    assert [line for line in caplog.messages if "ended" in line] == [ended] * 2


def test_a_start_that_fails_is_repeated_and_its_reason_logged_once(
    running: OwnPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    file = Path(running.socket_folder) / "postgresql.conf"
    moved = file.rename(file.with_suffix(".moved"))
    running.processes()[0].kill()
    time.sleep(1)  # some pauses
    starts = [line for line in caplog.messages if "ended" in line]
    moved.rename(file)

    until_it_answers(running)

    assert len(starts) == 2
    assert "killed by SIGKILL" in starts[0]
    assert f'could not access the server configuration file "{file}": No such' in starts[1]


def test_a_system_that_has_no_more_processes_is_a_failed_start(
    running: OwnPostgres, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as context:
        context.setattr(server_module, "Watcher", Mock(side_effect=BlockingIOError(11, "no room")))
        running.processes()[0].kill()
        time.sleep(0.5)

    until_it_answers(running)

    assert any("has ended: [Errno 11] no room;" in line for line in caplog.messages)


def test_nothing_is_started_after_the_end(
    server: OwnPostgres, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 60.0)
    if not server.processes():
        server.start()
    with kept_running(server):
        family = server.processes()
        family[0].kill()
        while "has ended" not in caplog.text:
            time.sleep(0.01)
        begun = time.monotonic()

    assert time.monotonic() - begun < 5
    assert server.processes() == living(family) == []
    assert caplog.record_tuples[-1][1] == logging.ERROR


def until_served(launcher: Launcher) -> None:
    """Wait until a write is acknowledged."""
    for number in range(600):
        if post(launcher, f"tried {number}") == 201:
            return
        time.sleep(0.1)
    raise TimeoutError("the service has not recovered")


def post(service: Launcher, name: str) -> int:
    url = f"{service.url}/api/v1/categories"
    answer = httpx.post(url, json={"name": name}, headers=service.headers, trust_env=False)
    return answer.status_code


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Mount a file system of 120 MB."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        mount = ["mount", "-t", "tmpfs", "-o", "size=120m,mode=0711", "tmpfs", name]
        done = subprocess.run(mount, capture_output=True, text=True)  # noqa: S603
        if done.returncode:
            pytest.skip(f"no small disk can be mounted: {done.stderr.strip()}")
        try:
            yield folder
            remove_data(folder / "data")
        finally:
            subprocess.run(["umount", name], check=True)  # noqa: S603, S607


def test_a_service_whose_disk_was_full_serves_again_without_loss(small_disk: Path) -> None:
    data = small_disk / "data"
    with launched("run", "--port=0", "--workers=2", DATA_DIR=str(data)) as launcher:
        assert launcher.url
        launcher.read_on()
        ballast = small_disk / "ballast"
        fill(ballast)
        names = [f"row {number}" for number in range(20)]
        written = [name for name in names if post(launcher, name) == 201]
        until_ended(launcher, EmbeddedPostgres(str(data / "postgres" / "data")))
        down = [post(launcher, f"down {number}") for number in range(3)]

        ballast.unlink()

        until_served(launcher)
        found = categories(launcher)
    assert down == [503] * 3
    assert len(written) > 10
    assert [name for name in written if f'"{name}"' not in found] == []
    assert re.search("has ended: could not write.*No space left on device", launcher.output)


def fill(ballast: Path) -> None:
    room = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - ROOM)


def until_ended(launcher: Launcher, server: EmbeddedPostgres) -> None:
    """Make the server need more files than there is room for, until its recovery fails too."""
    for _ in range(100):
        asyncio.run(need_another_file(server))
        if "has ended: could not write" in launcher.output:
            return
        time.sleep(0.2)
    raise TimeoutError(launcher.output)


async def need_another_file(server: EmbeddedPostgres) -> None:
    """Fill the rest of the current file of the WAL, if the server accepts connections."""
    write = "SELECT pg_switch_wal(), pg_logical_emit_message(true, 'x', 'x')"
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection = await asyncpg.connect(server.administration_url(), timeout=5)
        try:
            await connection.execute(";".join([write] * 5))
        finally:
            connection.terminate()
