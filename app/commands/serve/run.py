"""Serving the app with uvicorn, over a socket that listens before the ready line is printed."""

import asyncio
import errno
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
from multiprocessing.process import BaseProcess
from types import FrameType

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Server
from uvicorn.supervisors import ChangeReload, Multiprocess

from app.commands.database import (
    admin_token_folder,
    migrate_to_head,
    require_room,
    service_database,
)
from app.commands.identity import keep_first_token
from app.commands.project import ROOT
from app.commands.serve.http import TimelyConfig, TimelyHttp
from app.commands.signals import Stopped
from app.core.http.middleware import STOPPING, StopEvent
from app.core.limits import Shares
from app.core.logs import configure_logs
from app.core.settings import CANNOT_START, Settings, cannot_start, get_settings

BACKLOG = 2048
HURRY = signal.SIGUSR1
"""The signal by which the launcher tells a worker to stop without ``SHUTDOWN_DELAY``."""
TOLD_TO_STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
GRACE = 10
"""Seconds in which requests in flight may finish during a graceful shutdown."""
FILES_KEPT = 500
"""Open files that are kept for other things than connections of clients."""
STEP = 0.1
"""The maximum length of a part of ``SHUTDOWN_DELAY``, in seconds."""


def serve(host: str, port: int, workers: int, reload: bool) -> None:
    """Serve until a signal arrives; the embedded PostgreSQL stops last."""
    if reload and workers > 1:
        cannot_start("--reload works with one worker: leave out --reload or --workers")
    is_embedded = get_settings().database_url is None
    with _listening(host, port) as sock, service_database():
        migrate_to_head()
        require_room(workers)
        if is_embedded and (token := keep_first_token(admin_token_folder())):
            print(f"The token of the first administrator is in {token.resolve()}", flush=True)
        configure_logs(on_terminal=sys.stderr.isatty())
        _raise_limit_of_files(get_settings().max_connections)
        config = ServiceConfig("app.main:app", get_settings(), workers, reload)
        if reload:
            ChangeReload(config, AnnouncedServer(config).run, [sock]).run()
        elif workers > 1:
            Workers(config, [sock]).run()
        else:
            AnnouncedServer(config).run([sock])


def _listening(host: str, port: int) -> socket.socket:
    """Listen in this process, so that connections queue while the workers start."""
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
    """The configuration of uvicorn; it loads the app in the one process or in each worker."""

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
            root_path=settings.root_path,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
        )
        self.headers_timeout = settings.body_timeout
        self.open_connections = Shares(_most_connections(settings))
        self.api_prefix = settings.api_v1_prefix
        self.shutdown_delay = 0 if reload else settings.shutdown_delay

    def load(self) -> None:
        """Load the app; a worker process also stops itself when the launcher ends."""
        if launcher := multiprocessing.parent_process():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the launcher handles it
            threading.Thread(target=_end_with, args=(launcher,), daemon=True).start()
        try:
            super().load()
        except Exception:
            # This exit status tells the launcher that a restart would fail the same way.
            sys.excepthook(*sys.exc_info())
            sys.exit(CANNOT_START)
        self.loaded_app = Stopping(self.loaded_app, self.shutdown_delay)


class Stopping:
    """Tells the app at once that it is being stopped; after a TERM, stops the server after a delay.

    During the delay all requests are served. Responses have ``Connection: close``, and the
    readiness check fails.
    """

    def __init__(self, app: ASGIApp, delay: float) -> None:
        self._app = app
        self._delay = delay
        self._told_to_stop = StopEvent()
        self._in_worker = multiprocessing.parent_process() is not None
        # The server has just set its own handler, which stops it at once.
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
            # A second TERM skips the delay, but not in a worker. A worker gets a TERM that is sent
            # to all processes twice: the launcher passes it on. There HURRY skips the delay.
            self._hurry(signum, frame)

    def _hurry(self, signum: int, frame: FrameType | None) -> None:
        self._told_to_stop.set()
        # The server's handler does not know HURRY.
        self._stop_after(0, signal.SIGTERM if signum == HURRY else signum, frame)

    def _stop_after(self, delay: float, signum: int, frame: FrameType | None) -> None:
        """Stop the server after a delay, which is counted in steps.

        If this process or the machine pauses, that pause does not use up the delay: clients still
        get responses with ``Connection: close``.
        """
        stop = self._stop
        assert callable(stop)

        def count_down(left: float) -> None:
            if left > 0:
                step = min(left, STEP)
                self._loop.call_later(step, count_down, left - step)
            else:
                stop(signum, frame)

        self._loop.call_soon_threadsafe(count_down, delay)


def _raise_limit_of_files(connections: int) -> None:
    """Let this process open as many files as it needs, or as it may; workers inherit the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + FILES_KEPT
    if resource.RLIM_INFINITY != soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _most_connections(settings: Settings) -> int:
    """Return the maximum number of connections: files that the process may open, less a reserve."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return settings.max_connections
    return max(1, min(settings.max_connections, soft - FILES_KEPT))


def _end_with(launcher: BaseProcess) -> None:
    launcher.join()
    os.kill(os.getpid(), signal.SIGTERM)


class AnnouncedServer(Server):
    """The server of a single process; it prints the ready line."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the ready line, unless a signal to stop was lost before."""
        await super().startup(sockets)
        if Stopped.raised:
            self.should_exit = True
            return
        for sock in sockets or ():
            _announce(sock)


class Workers(Multiprocess):
    """The supervisor of several workers; it prints the ready line when all are ready."""

    config: ServiceConfig
    announced = False
    hurried = False

    def keep_subprocess_alive(self) -> None:
        """Supervise the workers, which all end if one cannot start; announce when all are ready."""
        super().keep_subprocess_alive()
        if self.announced or self.should_exit.is_set():
            return
        patience = self.config.timeout_worker_healthcheck
        if Stopped.raised:  # and lost before this class handled signals
            self.should_exit.set()
        elif all(process.is_ready(patience) for process in self.processes):
            self.announced = True
            _announce(self.sockets[0])

    def join_all(self) -> None:
        """Wait for the workers to end, and skip their delay after another stop signal."""
        # Each worker keeps listening until it stops. A connection to this process's socket would
        # wait in the backlog and never be accepted.
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
            # Without a delay there is nothing to skip.
            if self.config.shutdown_delay and worker.pid and worker.exitcode is None:
                os.kill(worker.pid, HURRY)

    def handle_int(self) -> None:
        """Stop without a delay, because the user who pressed Ctrl-C waits for it."""
        self.hurried = True
        super().handle_int()

    def handle_term(self) -> None:
        """Stop after the delay; a second TERM skips the delay."""
        self.hurried = self.should_exit.is_set()
        super().handle_term()

    def handle_hup(self) -> None:
        """Stop when the terminal is closed; uvicorn would restart the workers."""
        self.handle_term()

    def run(self) -> None:
        """Supervise until all workers end; exit with ``CANNOT_START`` if a worker did."""
        super().run()
        if any(process.exitcode == CANNOT_START for process in self.processes):
            sys.exit(CANNOT_START)
