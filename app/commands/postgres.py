"""The embedded PostgreSQL: the programs of a wheel, for development and tests on one host.

Whoever holds the lock in the server's home owns the server: starts it as a child and stops it.
Whoever finds the lock held is a guest of the owner's server, and leaves it running.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from app.commands.postgres_files import Account, make_home, runnable_programs, server_account
from app.commands.signals import undisturbed
from app.core.settings import cannot_start

DATABASE = "crossfit"
PATIENCE = 60.0
"""Seconds that a start may take: recovery from a crash comes first."""
STOPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
"""Fast, immediate, by force; and the seconds that each is given."""
FORGETFUL = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A running server, reached through the Unix socket in ``socket_folder``."""

    socket_folder: str

    def url(self, database: str = DATABASE) -> str:
        """Return the URL of one of its databases."""
        return f"postgresql://postgres@/{database}?host={self.socket_folder}&port=5432"


@contextmanager
def embedded_postgres(home: Path, *, durable: bool = True) -> Iterator[EmbeddedPostgres]:
    """Run the server whose data are below ``home``, or join the one that already does.

    A start that fails ends the process with one line. ``durable=False`` is for data that need
    not survive a crash.
    """
    with ExitStack() as stack:
        try:
            server = stack.enter_context(_owned_or_joined(make_home(home), durable))
        except OSError as error:
            cannot_start(f"the embedded PostgreSQL cannot start: {error}")
        yield server


@contextmanager
def temporary_postgres() -> Iterator[EmbeddedPostgres]:
    """Run a server of its own for as long as the context lasts, then forget its data."""
    with tempfile.TemporaryDirectory(prefix="crossfit-") as folder:
        os.chmod(folder, 0o711)  # noqa: S103 - the server's account passes through, none can list
        home = Path(folder) / "postgres"
        try:
            with embedded_postgres(home, durable=False) as server:
                yield server
        finally:
            shutil.rmtree(home.resolve(), ignore_errors=True)  # it may be a link


@contextmanager
def _owned_or_joined(home: Path, durable: bool) -> Iterator[EmbeddedPostgres]:
    """Take the lock and start the server, or wait for the owner to say where its socket is."""
    with (home / "lock").open("a+") as lock:
        for _ in _moments():
            if _locked(lock):
                _forget_socket_folder(lock, home)
                with _started(home, durable) as server:
                    lock.write(server.socket_folder)
                    lock.flush()
                    try:
                        yield server
                    finally:
                        lock.truncate(0)
                return
            lock.seek(0)
            if socket_folder := lock.read():
                yield EmbeddedPostgres(socket_folder)
                return
        cannot_start(f"another command holds {lock.name}, and its PostgreSQL does not get ready")


def _forget_socket_folder(lock: IO[str], home: Path) -> None:
    """Remove the folder that an owner who was killed has left behind, and its name."""
    lock.seek(0)
    folder = lock.read()
    lock.truncate(0)
    if folder and Path(folder) != home / "data":
        shutil.rmtree(folder, ignore_errors=True)


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _started(home: Path, durable: bool) -> Iterator[EmbeddedPostgres]:
    """Run the server as a child of this process."""
    account = server_account(home)
    programs = runnable_programs(account, home)
    data = home / "data"
    with (home / "log").open("wb") as log, _socket_folder(data, account) as socket_folder:
        if data.exists():
            _stop_leftover(data)
        else:
            _initialise(data, programs, account, log)
        # A session of its own keeps the terminal's Ctrl-C away: we stop it, after the workers.
        # Whoever can open the socket is let in, so only its account (and root) may open it.
        command = [
            *(str(programs / "postgres"), "-D", str(data), "-h", "", "-k", socket_folder),
            *("-c", "unix_socket_permissions=0700"),
            # The details of an error hold values, a national id for example.
            *("-c", "log_error_verbosity=terse"),
            *(() if durable else FORGETFUL),
        ]
        with ExitStack() as stack:
            with undisturbed():
                process = subprocess.Popen(  # noqa: S603
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    **account,
                )
                stack.callback(_end, process)
            _wait_until_ready(process, programs, socket_folder, log)
            yield EmbeddedPostgres(socket_folder)


def _end(process: subprocess.Popen[bytes]) -> None:
    with undisturbed():
        if process.poll() is None:
            _stop(psutil.Process(process.pid))
        process.wait()


@contextmanager
def _socket_folder(data: Path, account: Account) -> Iterator[str]:
    """Give the folder for the socket: the data's own, unless its name does not fit in a URL."""
    if re.fullmatch(r"[\w/.+-]{1,90}", str(data), re.ASCII):
        yield str(data)
        return
    with tempfile.TemporaryDirectory(prefix="crossfit-") as folder:
        _give(Path(folder), account)
        yield folder


def _give(folder: Path, account: Account) -> None:
    if account:
        os.chown(folder, account["user"], account["group"])


def _initialise(data: Path, programs: Path, account: Account, log: IO[bytes]) -> None:
    """Make the cluster and its database beside ``data``, then put them in place at once."""
    new = data.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    _give(new, account)
    locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    initdb = (
        str(programs / "initdb"),
        "-U",
        "postgres",
        "--auth=trust",
        "--encoding=UTF8",
        *locale,
    )
    create = f"CREATE DATABASE {DATABASE}".encode()
    for command, text in (
        ([*initdb, "-D", str(new)], b""),
        ([str(programs / "postgres"), "--single", "-D", str(new), "postgres"], create),
    ):
        if subprocess.run(command, input=text, stdout=log, stderr=log, **account).returncode:  # noqa: S603
            _give_up(log)
    new.rename(data)


def _wait_until_ready(
    process: subprocess.Popen[bytes], programs: Path, socket_folder: str, log: IO[bytes]
) -> None:
    is_ready = str(programs / "pg_isready")
    command = [is_ready, "-q", "-h", socket_folder, "-p", "5432", "-U", "postgres"]
    for _ in _moments():
        if process.poll() is not None:
            break
        if subprocess.run(command).returncode == 0:  # noqa: S603
            return
    _give_up(log)


def _give_up(log: IO[bytes]) -> None:
    last = Path(log.name).read_text(errors="replace").strip().rpartition("\n")[2]
    cannot_start(f"the embedded PostgreSQL does not start ({last}); its log is {log.name}")


def _stop_leftover(data: Path) -> None:
    """Stop the server over these data whose launcher was killed."""
    record = data / "postmaster.pid"
    try:
        process = psutil.Process(int(record.read_text().partition("\n")[0]))
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return
    if _is_running(process) and _serves(process, data):
        _stop(process)
    # The number is a zombie's or a stranger's now, and PostgreSQL would take it for a server.
    record.unlink(missing_ok=True)


def _serves(process: psutil.Process, data: Path) -> bool:
    match process.cmdline():
        case [program, "-D", folder, *_]:
            # A folder that is gone is this one, from before the checkout was moved.
            is_these_data = folder == str(data) or not Path(folder).exists()
            return Path(program).name == "postgres" and is_these_data
    return False


def _stop(server: psutil.Process) -> None:
    for sign, seconds in STOPS:
        with suppress(psutil.NoSuchProcess):
            server.send_signal(sign)
        for _ in _moments(seconds):
            if not _is_running(server):
                return


def _is_running(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _moments(seconds: float = PATIENCE) -> Iterator[None]:
    """Come round every 20 ms until the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)
