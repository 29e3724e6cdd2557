"""The service and those it is compared with, each as a process that serves on one database."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from app.commands.service import Running, running, running_service

SERVICE, PLAIN, BARE, FASTIFY = "service", "plain ORM", "bare ASGI", "Fastify"
FASTIFY_FOLDER = Path(__file__).parent / "competitors" / "fastify"
UVICORN_READY = re.compile(r"running on (http://\S+)")
FASTIFY_READY = re.compile(r"ready (http://\S+)")


@dataclass(frozen=True)
class Opponent:
    """One of those who are compared."""

    name: str
    running: Running

    @property
    def url(self) -> str:
        """Where it serves."""
        return self.running.url

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used so far."""
        return cpu_seconds(self.running.family())


@contextmanager
def opponents(database: str) -> Iterator[list[Opponent]]:
    """Run all of them, each with ten connections to the database; they are gone afterwards."""
    with ExitStack() as stack:
        # The service's environment has the database already.
        environment = {"DATABASE_URL": database}
        service = stack.enter_context(running_service(_log(stack)))
        there = [Opponent(SERVICE, service)]
        for name, module in ((PLAIN, "plain"), (BARE, "bare")):
            app = f"bench.competitors.{module}:app"
            command = [sys.executable, "-m", "uvicorn", app, "--port=0", "--no-access-log"]
            process = running(command, _log(stack), UVICORN_READY, environment)
            there.append(Opponent(name, stack.enter_context(process)))
        if shutil.which("node") and shutil.which("npm"):
            _install_fastify()
            command = ["node", str(FASTIFY_FOLDER / "server.mjs")]
            process = running(command, _log(stack), FASTIFY_READY, environment | {"PORT": "0"})
            there.append(Opponent(FASTIFY, stack.enter_context(process)))
        else:
            print("Fastify is left out: there is no Node on this machine", file=sys.stderr)
        yield there


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Return the processor time that some processes have used so far, with children that ended."""
    used = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used += times.user + times.system + times.children_user + times.children_system
    return used


def _log(stack: ExitStack) -> IO[str]:
    return stack.enter_context(tempfile.TemporaryFile("a+"))


def _install_fastify() -> None:
    """Install what the lock of the Fastify app names, unless it is there."""
    installed = FASTIFY_FOLDER / "node_modules" / ".package-lock.json"  # written last
    lock = FASTIFY_FOLDER / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=FASTIFY_FOLDER, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"{done.stderr}error: npm cannot install what Fastify needs")
