"""A PostgreSQL server process: start and stop it; for tests also kill and suspend it."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import NoReturn

import psutil

from app.commands.postgres.access import ADMINISTRATOR, DATABASE, ROLE
from app.commands.postgres.files import Account
from app.commands.postgres.log import ServerLog
from app.commands.postgres.watcher import ANNOUNCED, Watcher
from app.commands.signals import undisturbed
from app.core.settings import cannot_start

PATIENCE = 60.0
"""Timeout of a start in seconds, which includes recovery from a crash."""
STOPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
"""Fast shutdown, immediate shutdown, kill; and the seconds to wait after each."""
LAST_WORDS = 5.0
"""Seconds to wait for the last output of a server that has ended."""
FORGETFUL = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
BACKEND = re.compile(r"postgres: \S+ \S+ \[local\]")
"""The title of a backend process, which serves one client."""


@dataclass
class EmbeddedPostgres:
    """A running server, reached through the Unix socket in ``socket_folder``."""

    socket_folder: str

    def url(self, database: str = DATABASE) -> str:
        """Return the URL of one of its databases, as the service connects to it."""
        return self._url(ROLE, database)

    def administration_url(self, database: str = ADMINISTRATOR) -> str:
        """Return the URL of one of its databases, for the superuser."""
        return self._url(ADMINISTRATOR, database)

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}@/{database}?host={self.socket_folder}&port=5432"


class OwnPostgres(EmbeddedPostgres):
    """A server that is a child of this process, so that this process may stop or kill it.

    Its URL stays the same after a restart. If a start fails, this process exits with a one-line
    error.
    """

    def __init__(
        self,
        socket_folder: str,
        *,
        data: Path,
        programs: Path,
        account: Account,
        log: ServerLog,
        durable: bool,
    ) -> None:
        super().__init__(socket_folder)
        self._data, self._programs, self._account, self._log = data, programs, account, log
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        # Asked whether it runs. Popen would wait for a process that has ended, and the system might
        # then give its ID to another one while the watcher still watches it.
        self._postmaster: psutil.Process | None = None
        self._watcher: Watcher | None = None
        self._reader: Thread | None = None
        self._status = 0

    def start(self) -> None:
        """Start the server and wait until it accepts connections, after crash recovery if any."""
        self.launch()
        if not self.is_ready(PATIENCE):
            self.stop()
            give_up(self._log, self.reason())

    def launch(self) -> None:
        """Start the server, and do not wait for it."""
        stop_leftover(self._data)
        self._log.severe = ""
        # In its own session the server does not get the terminal's Ctrl-C: it must stop after the
        # workers. Only the server's account and root may open the socket.
        command = [
            *(*ANNOUNCED, str(self._programs / "postgres"), "-D", str(self._data)),
            *("-h", "", "-k", self.socket_folder, "-c", "unix_socket_permissions=0700"),
            # Without it, a line of the log does not tell clients from the server.
            *("-c", "log_line_prefix=%m [%p] %b "),
            # The details of an error can contain values such as a national id. So can statements.
            *("-c", "log_error_verbosity=terse", "-c", "log_min_error_statement=panic"),
            # Shorter than DB_LOCK_TIMEOUT: a deadlock is retried, a lock timeout is not.
            *("-c", "deadlock_timeout=200ms"),
            *(() if self._durable else FORGETFUL),
        ]
        with undisturbed():
            try:
                self._watcher = Watcher(self._account)
                self._process = subprocess.Popen(  # noqa: S603
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=self._watcher.pipe,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                    **self._account,
                )
            except OSError as error:
                self._log.severe = str(error)
                raise
            self._postmaster = psutil.Process(self._process.pid)
            assert self._process.stderr
            self._reader = self._log.follow(self._process.stderr)

    def is_ready(self, seconds: float) -> bool:
        """Wait until the server accepts connections; return false if it ended or took too long."""
        postmaster = self._postmaster
        is_ready = str(self._programs / "pg_isready")
        command = [is_ready, "-q", "-h", self.socket_folder, "-p", "5432", "-U", ADMINISTRATOR]
        for _ in moments(seconds):
            if postmaster is None or not _is_running(postmaster):
                return False
            if subprocess.run(command).returncode == 0:  # noqa: S603
                return True
        return False

    def wait(self) -> None:
        """Wait until the server and all its processes have ended."""
        if self._reader is not None:
            self._reader.join()

    def reason(self) -> str:
        """Say why the server, which was not told to stop, has ended."""
        if self._log.severe:
            return self._log.severe
        if self._status < 0:
            return f"it was killed by {signal.Signals(-self._status).name}"
        return self._log.last

    def stop(self) -> None:
        """Stop the server if it is running or suspended."""
        with undisturbed():
            self.resume()
            if self._postmaster is not None:
                _stop(self._postmaster)
            self._clean_up()

    def _clean_up(self) -> None:
        """Forget the server's process, which has ended."""
        if self._watcher is not None:
            self._watcher.dismiss()
            self._watcher = None
        if self._process is not None:
            self._status = self._process.wait()
            self._process = self._postmaster = None
        if self._reader is not None:
            self._reader.join(LAST_WORDS)
            self._reader = None

    def set(self, **settings: str) -> None:
        """Change settings of the running server, also for later starts."""
        assert self._process is not None
        quoted = {name: value.replace("'", "''") for name, value in settings.items()}
        with (self._data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in quoted.items())
        self._process.send_signal(signal.SIGHUP)

    def follow(self, primary: "OwnPostgres | None") -> None:
        """Let this standby receive the changes of a primary, or of none."""
        conninfo = f"host={primary.socket_folder} port=5432 user={ADMINISTRATOR}" if primary else ""
        self.set(primary_conninfo=conninfo)

    def take_over(self, primary: "OwnPostgres") -> None:
        """Promote this standby at the URL of its primary, which must have ended."""
        self.stop()
        self.socket_folder = primary.socket_folder
        self.start()
        command = [str(self._programs / "pg_ctl"), "promote", "-D", str(self._data)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **self._account)  # noqa: S603

    def kill(self) -> None:
        """Kill every process of the server with ``SIGKILL``, and wait until none is left.

        A process that survives keeps the shared memory, and the next start would fail.
        """
        with undisturbed():
            self.suspend()
            processes = self.processes()
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self._clean_up()
        wait_until_ended(processes)

    def suspend(self) -> None:
        """Suspend every process of the server: connections stay open, but get no response."""
        # The postmaster first, because it starts the others: so none is missed.
        for process in self.processes()[:1]:
            process.suspend()
        for process in self.processes()[1:]:
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """Resume a suspended server."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def processes(self) -> list[psutil.Process]:
        """Return the server's processes, the postmaster first; empty if it is not running."""
        postmaster = self._postmaster
        if postmaster is None or not _is_running(postmaster):
            return []
        return [postmaster, *postmaster.children(recursive=True)]

    def backends(self) -> list[psutil.Process]:
        """Return the backends: the processes that each serve one client connection."""
        return [process for process in self.processes()[1:] if _is_backend(process)]


def give_up(log: ServerLog, reason: str) -> NoReturn:
    """Exit with an error that says why the server does not start, and where its log is."""
    cannot_start(f"the embedded PostgreSQL does not start ({reason}); its log is {log.path}")


def stop_leftover(data: Path) -> None:
    """Stop a server that still runs on these data because its launcher was killed."""
    record = data / "postmaster.pid"
    try:
        process = psutil.Process(int(record.read_text().partition("\n")[0]))
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return
    if _is_running(process) and _serves(process, data):
        _stop(process)
    # The process ID may now belong to a zombie or another program. PostgreSQL would take that for
    # a running server.
    record.unlink(missing_ok=True)


def wait_until_ended(processes: list[psutil.Process], seconds: float = PATIENCE) -> None:
    """Wait until all the processes have ended; raise ``TimeoutError`` after the timeout."""
    for _ in moments(seconds):
        if not any(map(_is_running, processes)):
            return
    raise TimeoutError("a process of PostgreSQL did not end before the timeout")


def moments(seconds: float = PATIENCE) -> Iterator[None]:
    """Yield every 20 ms until the timeout."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)


def _is_backend(process: psutil.Process) -> bool:
    try:
        return BACKEND.match(" ".join(process.cmdline())) is not None
    except psutil.NoSuchProcess:  # also raised for a zombie
        return False


def _serves(process: psutil.Process, data: Path) -> bool:
    try:
        command = process.cmdline()
    except psutil.AccessDenied:  # of another account, on macOS
        return False
    match command:
        case [program, "-D", folder, *_]:
            # A folder that no longer exists is this one, from before the checkout was moved.
            is_these_data = folder == str(data) or not Path(folder).exists()
            return Path(program).name == "postgres" and is_these_data
    return False


def _stop(server: psutil.Process) -> None:
    for sign, seconds in STOPS:
        with suppress(psutil.NoSuchProcess):
            server.send_signal(sign)
        for _ in moments(seconds):
            if not _is_running(server):
                return


def _is_running(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
