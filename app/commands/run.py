"""Serving the app with uvicorn, over a socket that listens before anything says so."""

import errno
import multiprocessing
import os
import signal
import socket
import sys
import threading
from multiprocessing.process import BaseProcess

from uvicorn import Config, Server
from uvicorn.supervisors import ChangeReload, Multiprocess

from app.commands.database import migrate_to_head, service_database
from app.commands.project import ROOT
from app.core.settings import CANNOT_START, cannot_start

BACKLOG = 2048
GRACE = 10
"""Seconds that requests under way are given when the service is stopped."""


def serve(host: str, port: int, workers: int, reload: bool) -> None:
    """Serve until a signal; the database server is stopped last."""
    if reload and workers > 1:
        cannot_start("--reload works with one worker: leave out --reload or --workers")
    with _listening(host, port) as sock, service_database():
        migrate_to_head()
        config = ServiceConfig(
            "app.main:app",
            access_log=False,
            workers=workers,
            reload=reload,
            reload_dirs=[str(ROOT / "app")] if reload else None,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE,
        )
        if reload:
            ChangeReload(config, AnnouncedServer(config).run, [sock]).run()
        elif workers > 1:
            Workers(config, [sock]).run()
        else:
            AnnouncedServer(config).run([sock])


def _listening(host: str, port: int) -> socket.socket:
    """Listen in this process: a worker that is still starting lets nobody be refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            cannot_start(f"port {port} is in use; choose another with --port")
        cannot_start(f"cannot listen on {host} port {port}: {error}")


def _announce(sock: socket.socket) -> None:
    host, port = sock.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    print(f"The API is ready: http://{shown}:{port}/docs (Ctrl-C stops it)", flush=True)


class ServiceConfig(Config):
    """The app's loading, in the one process or in each worker."""

    def load(self) -> None:
        """Load the app; a worker also ties its life to the launcher's."""
        if launcher := multiprocessing.parent_process():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the launcher's to act on
            threading.Thread(target=_end_with, args=(launcher,), daemon=True).start()
        try:
            super().load()
        except Exception:
            # This status tells the launcher that another attempt would end the same way.
            sys.excepthook(*sys.exc_info())
            sys.exit(CANNOT_START)


def _end_with(launcher: BaseProcess) -> None:
    launcher.join()
    os.kill(os.getpid(), signal.SIGTERM)


class AnnouncedServer(Server):
    """The only process that serves, which says when it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce the address."""
        await super().startup(sockets)
        for sock in sockets or ():
            _announce(sock)


class Workers(Multiprocess):
    """Several processes that serve, announced when all do."""

    announced = False

    def keep_subprocess_alive(self) -> None:
        """Look after the workers; one that cannot start ends them all, and this process."""
        super().keep_subprocess_alive()
        if self.announced or self.should_exit.is_set():
            return
        patience = self.config.timeout_worker_healthcheck
        if all(process.is_ready(patience) for process in self.processes):
            self.announced = True
            _announce(self.sockets[0])

    def handle_hup(self) -> None:
        """Stop when the terminal is closed; uvicorn would restart."""
        self.handle_term()

    def run(self) -> None:
        """Supervise to the end, and end with a worker's status if it could not start."""
        super().run()
        if any(process.exitcode == CANNOT_START for process in self.processes):
            sys.exit(CANNOT_START)
