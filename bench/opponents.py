"""The service and the servers it is compared with, each a process, on the same database."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from app.commands.prove.service import Running, running, running_service
from bench.database import Sample

SERVICE, PLAIN, BARE, FASTIFY = "service", "plain ORM", "bare ASGI", "Fastify"
PYTHON_APPS = {PLAIN: "bench.competitors.plain:app", BARE: "bench.competitors.bare:app"}
FASTIFY_FOLDER = Path(__file__).parent / "competitors" / "fastify"
UVICORN_READY = re.compile(r"running on (http://\S+)")
FASTIFY_READY = re.compile(r"ready (http://\S+)")
NPM_PATIENCE = 60.0
"""Timeout of npm in seconds."""


class NotInstalled(Exception):
    """Node or a package that Fastify needs is missing, and npm cannot install it."""


@dataclass(frozen=True)
class Opponent:
    """A server in the comparison; the service itself is one too."""

    name: str
    running: Running

    @property
    def url(self) -> str:
        """The URL at which it serves."""
        return self.running.url

    def caller(self, sample: Sample) -> dict[str, str]:
        """Return the headers of its caller: only the service asks who calls."""
        return sample.headers if self.name == SERVICE else {}

    def cpu_seconds(self) -> float:
        """Return the processor time that its processes have used so far."""
        return cpu_seconds(self.running.family())


@contextmanager
def opponents(database: str, others: Sequence[str]) -> Iterator[list[Opponent]]:
    """Run the service and other servers, each with ten connections to the database.

    ``install_fastify`` must have run before if Fastify is one of them.
    """
    with ExitStack() as stack:
        # The service's environment has the database already.
        environment = {"DATABASE_URL": database}
        service = stack.enter_context(running_service(_log(stack)))
        there = [Opponent(SERVICE, service)]
        for name in others:
            if name == FASTIFY:
                command = ["node", str(FASTIFY_FOLDER / "server.mjs")]
                process = running(command, _log(stack), FASTIFY_READY, environment | {"PORT": "0"})
            else:
                uvicorn = [sys.executable, "-m", "uvicorn", "--port=0", "--no-access-log"]
                command = [*uvicorn, PYTHON_APPS[name]]
                process = running(command, _log(stack), UVICORN_READY, environment)
            there.append(Opponent(name, stack.enter_context(process)))
        yield there


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Return the processor time of some processes so far, including children that have ended."""
    used = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used += times.user + times.system + times.children_user + times.children_system
    return used


def _log(stack: ExitStack) -> IO[str]:
    return stack.enter_context(tempfile.TemporaryFile("a+"))


def install_fastify() -> None:
    """Install the packages in Fastify's lock file unless they are; raise ``NotInstalled``."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise NotInstalled("Node.js or npm is not installed")
    installed = FASTIFY_FOLDER / "node_modules" / ".package-lock.json"  # written last
    lock = FASTIFY_FOLDER / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        subprocess.run(  # noqa: S603
            command,
            cwd=FASTIFY_FOLDER,
            capture_output=True,
            text=True,
            timeout=NPM_PATIENCE,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise NotInstalled(f"npm cannot install its packages: {error.stderr}") from None
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"npm did not finish within {NPM_PATIENCE:.0f} seconds") from None
