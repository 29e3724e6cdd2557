import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest

from app.commands.postgres.watcher import ANNOUNCED, Watcher


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    watcher = Watcher({})
    yield watcher
    watcher.dismiss()


@pytest.fixture
def server(watcher: Watcher) -> Iterator[subprocess.Popen[bytes]]:
    """Provide a process that the watcher watches."""
    command = [*ANNOUNCED, "/bin/sleep", "60"]
    with subprocess.Popen(command, stdout=watcher.pipe, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        while psutil.Process(process.pid).name() != "sleep":
            time.sleep(0.01)
        yield process
        process.kill()


def test_a_server_is_stopped_when_the_pipe_ends(
    watcher: Watcher, server: subprocess.Popen[bytes]
) -> None:
    watcher.pipe.close()

    assert server.wait(10) == -2


def test_a_watcher_that_is_dismissed_leaves_the_server_alone(
    watcher: Watcher, server: subprocess.Popen[bytes]
) -> None:
    watcher.dismiss()

    with pytest.raises(subprocess.TimeoutExpired):
        server.wait(0.3)


def test_a_watcher_without_a_server_ends() -> None:
    Watcher({}).dismiss()


def test_a_watcher_that_was_killed_is_dismissed_without_an_error(watcher: Watcher) -> None:
    watcher._process.kill()
    watcher._process.wait()

    watcher.dismiss()
