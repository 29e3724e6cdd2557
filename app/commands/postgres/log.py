"""What a server of PostgreSQL prints: a log file of bounded size, and why the server ended."""

import os
import re
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

from app.commands.signals import undisturbed

LARGEST = 4 * 2**20
"""Bytes of the log file; then it becomes ``log.1``, in place of the previous one."""
SEVERE = re.compile(r"(?P<of_client>client backend )?(?P<level>FATAL|PANIC|error): +(?P<why>.+)")
READY = "database system is ready to accept connections"


class ServerLog:
    """The output of a server, which it writes to a pipe that this process reads.

    The file is written if that is possible. So a full disk does not hide why the server ended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.severe = ""
        """Why the server or its start failed, in its own words, until it is ready again."""
        self.last = ""
        """The last line."""
        self._file = -1

    def follow(self, output: IO[bytes]) -> threading.Thread:
        """Read a pipe in a thread. The thread ends when the last process has closed the pipe."""
        thread = threading.Thread(target=self._follow, args=(output,), daemon=True)
        thread.start()
        return thread

    def add(self, text: bytes) -> None:
        """Add some lines."""
        for line in text.splitlines(keepends=True):
            self._note(line.decode(errors="replace").strip())
            self._write(line)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _follow(self, output: IO[bytes]) -> None:
        # Signals are for the main thread.
        with undisturbed(), output:
            for line in output:
                self.add(line)

    def _note(self, line: str) -> None:
        self.last = line or self.last
        if READY in line:
            self.severe = ""
        elif (severe := SEVERE.search(line)) and (
            severe["level"] == "PANIC" or not severe["of_client"]
        ):
            self.severe = severe["why"]

    def _write(self, line: bytes) -> None:
        with suppress(OSError):
            if self._file < 0:
                self._file = self._opened()
            if os.fstat(self._file).st_size >= LARGEST:
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
                self.close()
                self._file = self._opened()
            os.write(self._file, line)

    def _opened(self) -> int:
        """Open the file for its owner alone; an earlier version let others read it."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        file = os.open(self.path, flags, 0o600)
        os.fchmod(file, 0o600)
        return file
