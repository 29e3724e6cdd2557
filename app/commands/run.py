"""Serving the app with uvicorn, over a socket that listens before anything says so."""

import asyncio
import errno
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from multiprocessing.process import BaseProcess
from types import FrameType

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config, Server
from uvicorn.supervisors import ChangeReload, Multiprocess

from app.commands.database import migrate_to_head, service_database
from app.commands.project import ROOT
from app.core.lifecycle import STOPPING
from app.core.logs import configure_logs
from app.core.settings import CANNOT_START, Settings, cannot_start, get_settings

BACKLOG = 2048
GRACE = 10
"""Seconds that requests under way are given when the service is stopped."""


def serve(host: str, port: int, workers: int, reload: bool) -> None:
    """Serve until a signal; the database server is stopped last."""
    if reload and workers > 1:
        cannot_start("--reload works with one worker: leave out --reload or --workers")
    with _listening(host, port) as sock, service_database():
        migrate_to_head()
        configure_logs(on_terminal=sys.stderr.isatty())
        config = ServiceConfig("app.main:app", get_settings(), workers, reload)
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
    """How the app is served, and its loading in the one process or in each worker."""

    def __init__(
        self, app: ASGIApp | str, settings: Settings, workers: int = 1, reload: bool = False
    ) -> None:
        super().__init__(
            app,
            workers=workers,
            reload=reload,
            reload_dirs=[str(ROOT / "app")] if reload else None,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE,
            log_config=None,  # the app has its own
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
        )
        self.shutdown_delay = 0 if reload else settings.shutdown_delay

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
        self.loaded_app = Stopping(self.loaded_app, self.shutdown_delay)


class Stopping:
    """Lets the app know that it is being stopped; after a TERM, the server only some time later.

    Meanwhile all requests are served, and whoever asks is told to go elsewhere.
    """

    def __init__(self, app: ASGIApp, delay: float) -> None:
        self._app = app
        self._delay = delay
        self._stopping = False
        # The server has just set its own, which stops it at once.
        self._server_stops = {
            signum: signal.signal(signum, self._tell) for signum in (signal.SIGTERM, signal.SIGINT)
        }
        self._loop = asyncio.get_running_loop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if self._stopping:
            scope.setdefault("state", {})[STOPPING] = True
        await self._app(scope, receive, send)

    def _tell(self, signum: int, frame: FrameType | None) -> None:
        # Ctrl-C is in a hurry, and so is who says it twice.
        delay = self._delay if signum == signal.SIGTERM and not self._stopping else 0
        self._stopping = True
        stop = self._server_stops[signal.Signals(signum)]
        assert callable(stop)
        self._loop.call_soon_threadsafe(lambda: self._loop.call_later(delay, stop, signum, frame))


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

    config: ServiceConfig
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

    def join_all(self) -> None:
        """Wait for the workers, and listen no longer than they do."""
        deadline = time.monotonic() + self.config.shutdown_delay
        for worker in self.processes:
            worker.process.join(max(0, deadline - time.monotonic()))
        # Who connects from now on is refused; in line for nobody, they would wait for the end.
        for sock in self.sockets:
            sock.close()
        super().join_all()

    def handle_hup(self) -> None:
        """Stop when the terminal is closed; uvicorn would restart."""
        self.handle_term()

    def run(self) -> None:
        """Supervise to the end, and end with a worker's status if it could not start."""
        super().run()
        if any(process.exitcode == CANNOT_START for process in self.processes):
            sys.exit(CANNOT_START)
