"""A service as a child process, started as users start it; for the drill, fuzzing and bench."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import IO

import psutil

from app.commands.postgres.server import moments
from app.commands.project import ROOT
from app.commands.serve.run import GRACE
from app.commands.signals import undisturbed

READY = re.compile(r"The API is ready: (http://\S+)/docs")
PATIENCE = GRACE + 10.0
"""Seconds that the service has to stop before it is killed."""


class NotStarted(Exception):
    """The service ended, or was not ready before the timeout."""


@dataclass(frozen=True)
class Running:
    """A running service: its URL and its process."""

    url: str
    process: psutil.Process

    def family(self) -> list[psutil.Process]:
        """Return the process and its descendants that still run."""
        return [self.process, *self.process.children(recursive=True)]


@contextmanager
def running_service(log: IO[str], *options: str, **settings: str) -> Iterator[Running]:
    """Run the service on a free port and yield it once it is ready; raise ``NotStarted``."""
    command = [sys.executable, str(ROOT / "manage.py"), "run", "--port=0", *options]
    # Requests go to this address, which the settings of this machine may not allow.
    settings = {"TRUSTED_HOSTS": "127.0.0.1", **settings}
    with running(command, log, READY, settings) as service:
        yield service


@contextmanager
def running(
    command: Sequence[str], log: IO[str], ready: re.Pattern[str], environment: Mapping[str, str]
) -> Iterator[Running]:
    """Run a server and yield it once its log shows the URL; raise ``NotStarted``."""
    with ExitStack() as stack:
        with undisturbed():
            # In its own session it does not get the terminal's Ctrl-C: _end stops it.
            process = subprocess.Popen(  # noqa: S603
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
                preexec_fn=_take_signals,
            )
            stack.callback(_end, process)
        for _ in moments():
            log.seek(0)
            if said := ready.search(log.read()):
                yield Running(said[1], psutil.Process(process.pid))
                return
            if process.poll() is not None:
                break
        raise NotStarted("the service did not start")


def _take_signals() -> None:
    """Unblock all signals: a child process inherits the signal mask of ``undisturbed``."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop the service; after the timeout, kill it and its workers."""
    with undisturbed():
        if process.poll() is None:
            family = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            process.kill()
            _, left = psutil.wait_procs(family, timeout=1)
            for worker in left:
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
        process.wait()
