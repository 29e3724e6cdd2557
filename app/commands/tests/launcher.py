"""``manage.py`` as a process: started as a user would, and watched until nothing of it is left."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil

from app.commands.project import ROOT
from app.commands.service import READY

COVERAGE = "COVERAGE_PROCESS_CONFIG"


class Launcher:
    """A running ``manage.py``, in a process group of its own like that of a terminal."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.output = ""
        self._reader: threading.Thread | None = None
        self.process = subprocess.Popen(  # noqa: S603
            command,
            env=clean_environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @property
    def url(self) -> str:
        """Wait until the service says that it is ready, and return its address."""
        match = self.read_until(READY)
        assert match, self.output
        return match[1]

    def read_until(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        assert self.process.stdout
        while not (match := pattern.search(self.output)):
            line = self.process.stdout.readline()
            if not line:
                break
            self.output += line
        return match

    def read_on(self) -> None:
        """Read the output as it comes from now on: a full pipe would stop who writes much."""
        self._reader = threading.Thread(target=self._read_to_end)
        self._reader.start()

    def _read_to_end(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.output += line

    def family(self) -> list[psutil.Process]:
        """Return all processes below this one: workers, PostgreSQL and its own."""
        family: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return family

    def ended(self) -> int:
        """Wait for the end, having read all output, and return the status."""
        if self._reader:
            self.process.wait(60)
            self._reader.join()
        self.output += self.process.communicate(timeout=60)[0]
        return self.process.returncode

    def stop(self, signum: signal.Signals, *, group: bool = False) -> int:
        """Send the signal, to the whole group if a terminal would; return the status."""
        (os.killpg if group else os.kill)(self.process.pid, signum)
        return self.ended()


def clean_environment() -> dict[str, str]:
    """Return this environment without the service's own settings."""
    unwanted = {"DATABASE_URL", "TEST_DATABASE_URL", "DATA_DIR", "API_V1_PREFIX", COVERAGE}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return kept | {"ENV_FILE": os.devnull, "SHUTDOWN_DELAY": "0"}


@contextmanager
def launched(
    *arguments: str,
    root: str = str(ROOT),
    python: str = sys.executable,
    measured: bool = False,
    **environment: str,
) -> Iterator[Launcher]:
    """Start ``manage.py``; whatever the test leaves running is ended.

    Its coverage is ``measured`` only where a test is there to run its lines: that doubles its time.
    """
    if measured and COVERAGE in os.environ:
        environment[COVERAGE] = os.environ[COVERAGE]
    launcher = Launcher([python, f"{root}/manage.py", *arguments], environment)
    try:
        yield launcher
    finally:
        if launcher.process.poll() is None:
            # As by Ctrl-C, for which a service waits for no delay.
            launcher.stop(signal.SIGINT)


def output_of(*arguments: str, **environment: str) -> str:
    """Run a command to its good end and return what it said."""
    with launched(*arguments, measured=False, **environment) as launcher:
        assert launcher.ended() == 0, launcher.output
    return launcher.output


def living(processes: list[psutil.Process], seconds: float = 5) -> list[psutil.Process]:
    """Return those that still run after some time; a zombie does not."""
    deadline = time.monotonic() + seconds
    while (left := [one for one in processes if _runs(one)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def create_category(url: str, name: str) -> None:
    answer = httpx.post(f"{url}/api/v1/categories", json={"name": name}, trust_env=False)
    assert answer.status_code == 201, answer.text


def categories(url: str) -> str:
    return httpx.get(f"{url}/api/v1/categories", trust_env=False).text
