"""Run ``manage.py`` as a process, as a user does, and watch its child processes until they end."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from app.commands.project import ROOT
from app.commands.prove.service import READY
from app.identity.tests.callers import ADMIN

COVERAGE = "COVERAGE_PROCESS_CONFIG"
TOKEN = re.compile("The token of the first administrator is in (.+)\n")


class Launcher:
    """A running ``manage.py`` in its own process group, as in a terminal."""

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
        """Wait for the ready line, and return the URL in it."""
        match = self.read_until(READY)
        assert match, self.output
        return match[1]

    @property
    def headers(self) -> dict[str, str]:
        """The header with the token that ``run`` names, or else with that of tests' databases."""
        named = TOKEN.search(self.output)
        if named is None:
            return ADMIN.headers
        return {"Authorization": f"Bearer {Path(named[1]).read_text().strip()}"}

    def read_until(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        assert self.process.stdout
        while not (match := pattern.search(self.output)):
            line = self.process.stdout.readline()
            if not line:
                break
            self.output += line
        return match

    def read_on(self) -> None:
        """Read the output in a thread from now on, because a full pipe would block the process."""
        self._reader = threading.Thread(target=self._read_to_end)
        self._reader.start()

    def _read_to_end(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.output += line

    def family(self) -> list[psutil.Process]:
        """Return all descendants: workers, PostgreSQL and PostgreSQL's own processes."""
        family: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return family

    def ended(self, seconds: float = 60) -> int:
        """Wait for the end, read all output, and return the exit status."""
        if self._reader:
            self.process.wait(seconds)
            self._reader.join()
        self.output += self.process.communicate(timeout=seconds)[0]
        return self.process.returncode

    def stop(self, signum: signal.Signals, *, group: bool = False) -> int:
        """Send the signal, to the whole process group if ``group``; return the exit status."""
        (os.killpg if group else os.kill)(self.process.pid, signum)
        return self.ended()


def clean_environment() -> dict[str, str]:
    """Return this environment without the service's own settings."""
    unwanted = {
        "DATABASE_URL",
        "TEST_DATABASE_URL",
        "DATA_DIR",
        "API_V1_PREFIX",
        "ROOT_PATH",
        COVERAGE,
    }
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
    """Start ``manage.py``; stop it after the test if it still runs.

    Pass ``measured`` only if the test is meant to cover its lines, because coverage doubles the
    time.
    """
    if measured and COVERAGE in os.environ:
        environment[COVERAGE] = os.environ[COVERAGE]
    launcher = Launcher([python, f"{root}/manage.py", *arguments], environment)
    try:
        yield launcher
    finally:
        if launcher.process.poll() is None:
            # Like Ctrl-C, after which a service stops without a delay.
            launcher.stop(signal.SIGINT)


def output_of(*arguments: str, **environment: str) -> str:
    """Run a command that must succeed, and return its output."""
    with launched(*arguments, measured=False, **environment) as launcher:
        assert launcher.ended() == 0, launcher.output
    return launcher.output


def living(processes: list[psutil.Process], seconds: float = 5) -> list[psutil.Process]:
    """Return the processes that still run after a timeout; a zombie does not count."""
    deadline = time.monotonic() + seconds
    while (left := [one for one in processes if _runs(one)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def create_category(service: Launcher, name: str) -> None:
    url = f"{service.url}/api/v1/categories"
    answer = httpx.post(url, json={"name": name}, headers=service.headers, trust_env=False)
    assert answer.status_code == 201, answer.text


def categories(service: Launcher) -> str:
    url = f"{service.url}/api/v1/categories"
    return httpx.get(url, headers=service.headers, trust_env=False).text
