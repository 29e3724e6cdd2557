"""Serving the app with uvicorn, over a socket that listens before anything says so."""

import asyncio
import errno
import multiprocessing
import os
import signal
import socket
import sys
import threading
from multiprocessing.process import BaseProcess
from types import FrameType

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Server
from uvicorn.supervisors import ChangeReload, Multiprocess

from app.commands.database import migrate_to_head, require_room, service_database
from app.commands.http import TimelyConfig, TimelyHttp
from app.commands.project import ROOT
from app.core.http.middleware import STOPPING
from app.core.logs import configure_logs
from app.core.settings import CANNOT_START, Settings, cannot_start, get_settings

BACKLOG = 2048
HURRY = signal.SIGUSR1
"""By what the launcher tells a worker to stop without a delay."""
TOLD_TO_STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
GRACE = 10
"""Seconds that requests under way are given when the service is stopped."""


def serve(host: str, port: int, workers: int, reload: bool) -> None:
    """Serve until a signal; the database server is stopped last."""
    if reload and workers > 1:
        cannot_start("--reload works with one worker: leave out --reload or --workers")
    with _listening(host, port) as sock, service_database():
        migrate_to_head()
        require_room(workers)
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


class ServiceConfig(TimelyConfig):
    """How the app is served, and its loading in the one process or in each worker."""

    def __init__(
        self, app: ASGIApp | str, settings: Settings, workers: int = 1, reload: bool = False
    ) -> None:
        super().__init__(
            app,
            http=TimelyHttp,
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
        self.headers_timeout = settings.body_timeout
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
        self._told_to_stop = threading.Event()
        self._in_worker = multiprocessing.parent_process() is not None
        # The server has just set its own, which stops it at once.
        self._stop = signal.signal(signal.SIGTERM, self._tell)
        signal.signal(signal.SIGINT, self._hurry)
        if self._in_worker:
            signal.signal(HURRY, self._hurry)
        self._loop = asyncio.get_running_loop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        scope.setdefault("state", {})[STOPPING] = self._told_to_stop
        await self._app(scope, receive, send)

    def _tell(self, signum: int, frame: FrameType | None) -> None:
        if not self._told_to_stop.is_set():
            self._told_to_stop.set()
            self._stop_after(self._delay, signum, frame)
        elif not self._in_worker:
            # Who says it twice is in a hurry. A worker hears a TERM to all processes twice anyway,
            # the second time from the launcher, which says HURRY if it means that.
            self._hurry(signum, frame)

    def _hurry(self, signum: int, frame: FrameType | None) -> None:
        self._told_to_stop.set()
        # The server knows nothing of HURRY.
        self._stop_after(0, signal.SIGTERM if signum == HURRY else signum, frame)

    def _stop_after(self, delay: float, signum: int, frame: FrameType | None) -> None:
        stop = self._stop
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
    hurried = False

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
        """Wait for the workers, and pass it on if somebody is in a hurry."""
        # The workers listen on, each until it stops; here, a client would be in line for nobody.
        for sock in self.sockets:
            sock.close()
        for worker in self.processes:
            while worker.exitcode is None:
                if self.hurried or TOLD_TO_STOP.intersection(self.signal_queue):
                    self._hurry()
                worker.process.join(0.1)
        super().join_all()

    def _hurry(self) -> None:
        self.hurried = False
        self.signal_queue.clear()
        for worker in self.processes:
            # Without a delay there is nothing to cut short.
            if self.config.shutdown_delay and worker.pid and worker.exitcode is None:
                os.kill(worker.pid, HURRY)

    def handle_int(self) -> None:
        """Stop without a delay: who presses Ctrl-C waits for it."""
        self.hurried = True
        super().handle_int()

    def handle_term(self) -> None:
        """Stop; who says it twice is in a hurry."""
        self.hurried = self.should_exit.is_set()
        super().handle_term()

    def handle_hup(self) -> None:
        """Stop when the terminal is closed; uvicorn would restart."""
        self.handle_term()

    def run(self) -> None:
        """Supervise to the end, and end with a worker's status if it could not start."""
        super().run()
        if any(process.exitcode == CANNOT_START for process in self.processes):
            sys.exit(CANNOT_START)
