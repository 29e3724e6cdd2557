"""The embedded PostgreSQL: programs from a wheel, for development and tests on one host.

The process that holds the lock in the server's home owns the server: it starts the server as a
child process and stops it. A process that finds the lock held uses the same server and leaves it
running.
"""

import errno
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO

from app.commands.postgres.access import (
    ADMINISTRATOR,
    DATABASE,
    HAND_OVER,
    NEW,
    has_access,
    write_access,
)
from app.commands.postgres.files import Account, make_home, runnable_programs, server_account
from app.commands.postgres.log import ServerLog
from app.commands.postgres.server import (
    EmbeddedPostgres,
    OwnPostgres,
    give_up,
    moments,
    stop_leftover,
)
from app.core.settings import cannot_start

NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}
ADVICE = "; run the command as the user that owns this folder, or set another DATA_DIR"
SOCKET_LOCK = ".s.PGSQL.5432.lock"


@contextmanager
def embedded_postgres(home: Path, *, durable: bool = True) -> Iterator[EmbeddedPostgres]:
    """Run the server whose data are below ``home``, or join it if it is running already.

    If the start fails, this process exits with a one-line error. ``durable=False`` is for data
    that need not survive a crash.
    """
    with ExitStack() as stack:
        try:
            server = stack.enter_context(_owned_or_joined(make_home(home), durable))
        except OSError as error:
            advice = ADVICE if error.errno in NOT_WRITABLE else ""
            cannot_start(f"the embedded PostgreSQL cannot start: {error}{advice}")
        yield server


@contextmanager
def temporary_postgres(*, durable: bool = False) -> Iterator[OwnPostgres]:
    """Run a temporary server until the context ends, then delete its data.

    ``durable=True`` is for callers that kill and restart the server.
    """
    with _temporary_home() as home, embedded_postgres(home, durable=durable) as server:
        assert isinstance(server, OwnPostgres)  # no other process can hold that lock
        yield server


@contextmanager
def temporary_standby(primary: OwnPostgres) -> Iterator[OwnPostgres]:
    """Run a temporary standby of a durable server; the commits of that server wait for it."""
    with _temporary_home() as home:
        _copy(primary, make_home(home))
        with embedded_postgres(home) as standby:
            assert isinstance(standby, OwnPostgres)
            primary.set(synchronous_standby_names="*")
            yield standby


@contextmanager
def _temporary_home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="crossfit-") as folder:
        os.chmod(folder, 0o711)  # noqa: S103 - the server's account may enter, but no other account can list it
        home = Path(folder) / "postgres"
        try:
            yield home
        finally:
            shutil.rmtree(home.resolve(), ignore_errors=True)  # it may be a link


@contextmanager
def _owned_or_joined(home: Path, durable: bool) -> Iterator[EmbeddedPostgres]:
    """Take the lock and start the server, or wait until the owner writes its socket's folder."""
    with (home / "lock").open("a+") as lock:
        for _ in moments():
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
        cannot_start(
            f"another command holds the lock {lock.name}, but its PostgreSQL is not ready;"
            " stop that command and try again"
        )


def _forget_socket_folder(lock: IO[str], home: Path) -> None:
    """Remove the socket folder that a killed owner left behind, and its name in the lock file."""
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
def _started(home: Path, durable: bool) -> Iterator[OwnPostgres]:
    """Run the server as a child process."""
    account = server_account(home)
    programs = runnable_programs(account, home)
    data = home / "data"
    log = ServerLog(home / "log")
    with closing(log), _socket_folder(data, account) as socket_folder:
        if not data.exists():
            _initialise(data, programs, account, log, durable)
        elif not has_access(data):
            stop_leftover(data)
            _run(_single(programs, data, DATABASE), log, account, HAND_OVER)
        write_access(data, account)
        server = OwnPostgres(
            socket_folder, data=data, programs=programs, account=account, log=log, durable=durable
        )
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def _socket_folder(data: Path, account: Account) -> Iterator[str]:
    """Yield the folder for the socket: the data directory, unless its name does not fit a URL."""
    if re.fullmatch(r"[\w/.+-]{1,90}", str(data), re.ASCII):
        yield str(data)
        return
    with tempfile.TemporaryDirectory(prefix="crossfit-") as folder:
        _give(Path(folder), account)
        yield folder


def _give(folder: Path, account: Account) -> None:
    if account:
        os.chown(folder, account["user"], account["group"])


def _initialise(
    data: Path, programs: Path, account: Account, log: ServerLog, durable: bool
) -> None:
    """Create the cluster and its database beside ``data``, then rename it to ``data``."""
    new = _empty_folder(data.with_suffix(".new"), account)
    locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    initdb = [str(programs / "initdb"), "-D", str(new), "-U", ADMINISTRATOR, "--auth=peer"]
    sync = () if durable else ("--no-sync",)
    _run([*initdb, "--encoding=UTF8", *locale, *sync], log, account)
    _run(_single(programs, new, "postgres"), log, account, NEW)
    new.rename(data)


def _single(programs: Path, data: Path, database: str) -> list[str]:
    """Return a command that runs SQL as the superuser, while no server runs.

    With ``-j`` a statement ends with an empty line. An error ends the command.
    """
    options = ("-c", "exit_on_error=on", "-c", "log_error_verbosity=terse")
    return [str(programs / "postgres"), "--single", "-j", *options, "-D", str(data), database]


def _run(command: list[str], log: ServerLog, account: Account, text: str = "") -> None:
    """Run a program of PostgreSQL with this input; exit with an error if it fails."""
    done = subprocess.run(  # noqa: S603
        command,
        input=text.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **account,
    )
    log.add(done.stdout)
    if done.returncode:
        give_up(log, log.severe or log.last)


def _copy(primary: OwnPostgres, home: Path) -> None:
    """Copy the data of a running server below ``home``, for a standby of it."""
    account = server_account(home)
    program = runnable_programs(account, home) / "pg_basebackup"
    data = _empty_folder(home / "data", account)
    command = [str(program), "-h", primary.socket_folder, "-U", ADMINISTRATOR, "-D", str(data)]
    options = ("--write-recovery-conf", "--checkpoint=fast", "--no-sync")
    # It warns that it does not copy the server's socket, which may be in the data directory.
    subprocess.run([*command, *options], check=True, stderr=subprocess.DEVNULL, **account)  # noqa: S603
    (data / SOCKET_LOCK).unlink(
        missing_ok=True
    )  # it is copied, and names the process of the primary


def _empty_folder(folder: Path, account: Account) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    _give(folder, account)
    return folder
