"""ASGI middleware around every request, outside of routing; each takes a few microseconds."""

import asyncio
import errno
import logging
import os
import re
from collections.abc import MutableMapping, Sequence
from time import perf_counter
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from app.core.db.journal import ANONYMOUS, WRITER
from app.core.db.pool import UnusableDatabase
from app.core.errors import DomainError, InternalError, Unavailable, UntrustedHost
from app.core.http.bodies import REFUSED
from app.core.http.problems import problem_response
from app.core.http.routes import ROUTE
from app.core.http.security import CALLER
from app.core.resources.fields import new_id

logger = logging.getLogger(__name__)
requests = structlog.get_logger()

STOPPING = "stopping"
"""Key in ``scope["state"]`` of the event that is set when a graceful shutdown begins.

All requests share the event: it may be set while they are in flight.
"""

RawHeaders = list[tuple[bytes, bytes]]

_USED_UP = {errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM}
"""The errors of a process or a machine without free file descriptors, disk space or memory."""
_LEVELS = {500: logging.ERROR, 503: logging.WARNING}
_PORT = re.compile(r":[0-9]*$")
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


class RequestContext:
    """Gives each request a request ID and a log line, and each response the common headers.

    It handles HEAD wherever GET is supported.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, _plainly(send))
            return
        begin = perf_counter()
        asked = Headers(scope=scope).get("x-request-id", "")
        request_id = asked if _SANE_ID.fullmatch(asked) else new_id().hex
        scope.setdefault("state", {})["request_id"] = request_id
        bind_contextvars(request_id=request_id)
        writer = WRITER.set((ANONYMOUS, request_id))
        method = scope["method"]
        without_body = method == "HEAD"
        if without_body:
            # A copy: the server's own scope keeps HEAD, so that it frames the response for HEAD.
            scope = {**scope, "method": "GET"}
        status = 0

        async def send_in_context(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])  # an HTTPStatus would show its name in a terminal
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    *_common_headers(message["headers"], scope),
                ]
            elif without_body:
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(scope, receive, send_in_context)
        finally:
            WRITER.reset(writer)
            requests.log(
                _LEVELS.get(status, logging.INFO),
                "request",
                method=method,
                route=scope["state"].get(ROUTE),
                status=status,
                ms=round((perf_counter() - begin) * 1000, 3),
                **(caller.log if (caller := scope["state"].get(CALLER)) else {}),
            )


def _common_headers(headers: RawHeaders, scope: Scope) -> RawHeaders:
    """Return the headers of every response: caching, nosniff, and ``close`` during a shutdown."""
    common = [
        (b"cache-control", b"no-cache" if b"etag" in dict(headers) else b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if is_stopping(scope):
        common.append((b"connection", b"close"))
    return common


class TrustedHosts:
    """Rejects requests for hosts that are not listed; ``*.gym.example`` matches all subdomains.

    If a request has several hosts, each must be trusted: a proxy may have checked another one. A
    request that is not valid HTTP may lack its host, and gets its own error.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts if not host.startswith("*.")}
        self._domains = tuple(host[1:].lower() for host in hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        app = self._app
        if scope["type"] == "http" and REFUSED not in scope["state"]:
            hosts = Headers(scope=scope).getlist("host") or [""]
            if not all(map(self._is_trusted, hosts)):
                error = UntrustedHost("This service does not serve this host.")
                app = problem_response(Request(scope), error)
        await app(scope, receive, send)

    def _is_trusted(self, host: str) -> bool:
        name = _PORT.sub("", host).lower()
        return name in self._hosts or name.endswith(self._domains)


def _plainly(send: Send) -> Send:
    """Report an unusable database at the start in one line, without its traceback."""

    async def send_plainly(message: Message) -> None:
        if message["type"] == "lifespan.startup.failed":
            kind, _, reason = message["message"].strip().rpartition("\n")[2].partition(": ")
            if kind.endswith(UnusableDatabase.__name__):
                message = {**message, "message": reason}
        await send(message)

    return send_plainly


class UnhandledErrors:
    """Logs an error that nothing else handled, and answers 500 or 503 without its details.

    It is inside every other middleware. It does not raise the error again, because the server
    would drop the connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_noticing(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_noticing)
        except asyncio.CancelledError:
            if not is_stopping(scope):
                raise
            # The server cancels requests after the grace period, and would answer 500.
            error = Unavailable("The service is shutting down.")
            if started:
                logger.warning("response cut off: %s", error)
                return
            await problem_response(Request(scope), error)(scope, receive, send)
        except Exception as error:
            failure = _logged(error)
            if started:
                return  # the server closes a connection with an incomplete response
            await problem_response(Request(scope), failure)(scope, receive, send)


def _logged(error: Exception) -> DomainError:
    """Log an unhandled error, and return the error to report: 503 if a resource is used up."""
    if isinstance(error, OSError) and error.errno in _USED_UP:
        reason = os.strerror(error.errno)
        logger.error("a resource of this machine is used up: %s", reason)
        return Unavailable("The service has run out of files, disk space or memory; try again.")
    logger.exception("unhandled error")
    return InternalError("The service failed with an internal error.")


class WithoutRanges:
    """Serves files whole, because Starlette rejects a bad range with plain text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request without its ``Range`` header."""
        headers = [header for header in scope["headers"] if header[0] != b"range"]
        await self._app({**scope, "headers": headers}, receive, send)


class CORS(CORSMiddleware):
    """Starlette's CORS, but a rejected preflight gets 204 and not an error in plain text.

    Browsers decide by the headers, which are Starlette's.
    """

    def preflight_response(self, request_headers: Headers) -> Response:
        """Return the response to a preflight: 204, with the headers of what is allowed."""
        headers = super().preflight_response(request_headers).headers
        del headers["Content-Length"], headers["Content-Type"]
        return Response(status_code=204, headers=headers)


class StopEvent:
    """An event that signal handlers set.

    It has no lock, unlike ``threading.Event``: a second signal may interrupt the handler of the
    first one, and would wait for its lock for ever.
    """

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Set the event."""
        self._is_set = True

    def is_set(self) -> bool:
        """Return whether the event is set."""
        return self._is_set


def is_stopping(scope: MutableMapping[str, Any]) -> bool:
    """Return whether the server that received a request is shutting down."""
    told = scope.get("state", {}).get(STOPPING)
    return told is not None and bool(told.is_set())
