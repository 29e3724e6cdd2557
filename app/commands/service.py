"""The service as a process, started as users start it: for the commands that try it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO

import psutil

from app.commands.postgres_server import moments
from app.commands.project import ROOT
from app.commands.run import GRACE
from app.commands.signals import undisturbed

READY = re.compile(r"The API is ready: (http://\S+)/docs")
PATIENCE = GRACE + 10.0
"""Seconds that the service is given to stop; then it is killed."""


class NotStarted(Exception):
    """The service has ended, or does not get ready."""


@contextmanager
def running_service(log: IO[str], *options: str) -> Iterator[str]:
    """Run the service on a free port, and give its URL once it is ready; raise ``NotStarted``."""
    command = [sys.executable, str(ROOT / "manage.py"), "run", "--port=0", *options]
    with ExitStack() as stack:
        with undisturbed():
            # In a session of its own it is stopped by us, not by the terminal's Ctrl-C.
            process = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # It is asked by its address, whatever hosts another service answers for.
                env=os.environ | {"TRUSTED_HOSTS": ""},
                start_new_session=True,
                preexec_fn=_take_signals,
            )
            stack.callback(_end, process)
        for _ in moments():
            log.seek(0)
            if ready := READY.search(log.read()):
                yield ready[1]
                return
            if process.poll() is not None:
                break
        raise NotStarted("the service does not start")


def _take_signals() -> None:
    """Undo in a new process what it has inherited from ``undisturbed``."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop the service; by force, with its workers, if it takes too long."""
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
