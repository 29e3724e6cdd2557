"""Starting the embedded server again when it ends."""

import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.commands.postgres.server import OwnPostgres
from app.commands.signals import undisturbed

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before a start; each pause is twice the one before."""
NUMBER = re.compile(r"\d+")
"""A reason that differs only in a process ID is not logged again."""
STEADY = 60.0
"""Seconds after which a server that ends is not one that fails again and again."""


@contextmanager
def kept_running(server: OwnPostgres) -> Iterator[None]:
    """Start the server again whenever it ends, until the context ends; then stop it.

    Standard error gets a line when the server has ended, with the reason, and another when it runs
    again.
    """
    supervision = _Supervision(server)
    thread = threading.Thread(target=supervision.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with undisturbed():
            supervision.end()
            server.stop()
            thread.join()


class _Supervision:
    def __init__(self, server: OwnPostgres) -> None:
        self._server = server
        self._ending = threading.Event()
        self._turn = threading.Lock()
        """Held by the thread that starts or stops the server."""

    def end(self) -> None:
        with self._turn:
            self._ending.set()

    def run(self) -> None:
        with undisturbed():  # signals are for the main thread
            pause, said = FIRST_PAUSE, ""
            while True:
                begun = time.monotonic()
                self._server.wait()
                if time.monotonic() - begun > STEADY:
                    pause = FIRST_PAUSE
                reason = self._reason()
                if reason is None:
                    return
                if (kind := NUMBER.sub("", reason)) != said:
                    logger.error("the embedded PostgreSQL has ended: %s; it will restart", reason)
                    said = kind
                self._ending.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                if self._is_ready():
                    logger.warning("the embedded PostgreSQL runs again")
                    said = ""

    def _reason(self) -> str | None:
        """Clean up after the server and say why it has ended; nothing if it was told to."""
        with self._turn:
            if self._ending.is_set():
                return None
            self._server.stop()
            return self._server.reason()

    def _is_ready(self) -> bool:
        """Start the server, unless it must end, and return whether it accepts connections."""
        try:
            with self._turn:
                if self._ending.is_set():
                    return False
                self._server.launch()
            return self._server.is_ready(float("inf"))
        except OSError:  # a reason that the next round says
            return False
