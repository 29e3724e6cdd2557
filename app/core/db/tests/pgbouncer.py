"""PgBouncer in front of a server for tests, started from the installed package."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import parse_qsl, urlsplit

from app.commands.postgres.files import Account, server_account
from app.commands.postgres.server import moments
from app.commands.signals import undisturbed

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
PORT = 6432

# Two sessions are the minimum for a deadlock. server_round_robin makes clients change sessions.
# ignore_startup_parameters is empty, as by default, so that unknown parameters are rejected.
CONFIGURATION = """
[databases]
* = {server}
[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = {clients}
server_round_robin = 1
ignore_startup_parameters =
query_wait_timeout = {wait}
server_login_retry = 0.2
"""


class PgBouncer:
    """A PgBouncer that can be killed and started again, with the same URLs."""

    def __init__(self, folder: Path, account: Account, log: IO[bytes]) -> None:
        self.folder = folder
        self._account, self._log = account, log
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        """Return the URL of a database, given by its direct URL, through PgBouncer."""
        name = urlsplit(database).path.strip("/")
        return f"postgresql://{urlsplit(database).username}@/{name}?host={self.folder}&port={PORT}"

    def start(self) -> None:
        """Start the process and wait until it accepts connections."""
        assert PROGRAM is not None
        with undisturbed():
            self._process = subprocess.Popen(  # noqa: S603
                [PROGRAM, str(self.folder / "pgbouncer.ini")],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
                **self._account,
            )
        for _ in moments(10):
            if self.is_running() and self._takes_connections():
                return
        raise RuntimeError(f"PgBouncer does not start: {Path(self._log.name).read_text()}")

    def kill(self) -> None:
        """Kill the process, if it runs, without waiting for clients."""
        with undisturbed():
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                self._process = None

    def is_running(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def _takes_connections(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.connect(str(self.folder / f".s.PGSQL.{PORT}"))
            return True
        return False


@contextmanager
def pgbouncer(
    server_url: str, *, sessions: int = 2, clients: int = 100, wait: float = 60
) -> Iterator[PgBouncer]:
    """Run PgBouncer in transaction mode in front of the server of a URL.

    It opens at most ``sessions`` sessions for each database and accepts at most ``clients``
    connections. A transaction waits for a session for at most ``wait`` seconds.
    """
    with tempfile.TemporaryDirectory(prefix="crossfit-") as name:
        folder = Path(name)
        configuration = CONFIGURATION.format(
            server=_server(server_url),
            port=PORT,
            folder=folder,
            sessions=sessions,
            clients=clients,
            wait=wait,
        )
        (folder / "pgbouncer.ini").write_text(configuration)
        # PgBouncer does not run as root; this account can open the embedded server's socket.
        account = server_account(folder)
        if account:
            for path in (folder, folder / "pgbouncer.ini"):
                os.chown(path, account["user"], account["group"])
        with (folder / "log").open("wb") as log:
            bouncer = PgBouncer(folder, account, log)
            try:
                bouncer.start()
                yield bouncer
            finally:
                bouncer.kill()


def _server(url: str) -> str:
    """Return the server and the login of a URL, as a PgBouncer connection string."""
    parts = urlsplit(url)
    named = dict(parse_qsl(parts.query))
    words = {
        "host": named.get("host") or parts.hostname,
        "port": named.get("port") or parts.port,
        "user": parts.username,
        "password": parts.password,
    }
    return " ".join(f"{word}='{value}'" for word, value in words.items() if value)
