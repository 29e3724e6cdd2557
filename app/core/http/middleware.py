"""What happens around every request, outside of routing: pure ASGI, a few microseconds each."""

import asyncio
import logging
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

from app.core.db.pool import UnusableDatabase
from app.core.errors import InternalError, Unavailable, UntrustedHost
from app.core.http.problems import problem_response
from app.core.http.routes import ROUTE
from app.core.resources.fields import new_id

logger = logging.getLogger(__name__)
requests = structlog.get_logger()

STOPPING = "stopping"
"""Where the event is, in each request's ``scope["state"]``, that tells of a graceful shutdown.

All requests share it: it may be set while they are under way. It is a ``threading.Event``, since a
signal sets it.
"""

RawHeaders = list[tuple[bytes, bytes]]

_LEVELS = {500: logging.ERROR, 503: logging.WARNING}
_PORT = re.compile(r":[0-9]*$")
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


class RequestContext:
    """Gives each request an id, a line in the log, and an answer with the headers that all have.

    It answers HEAD wherever GET is.
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
        method = scope["method"]
        without_body = method == "HEAD"
        if without_body:
            # A copy: the server's own scope keeps HEAD, by which it frames the answer.
            scope = {**scope, "method": "GET"}
        status = 0

        async def send_in_context(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])  # or a terminal would show an enumeration's name
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
            requests.log(
                _LEVELS.get(status, logging.INFO),
                "request",
                method=method,
                route=scope["state"].get(ROUTE),
                status=status,
                ms=round((perf_counter() - begin) * 1000, 3),
            )


def _common_headers(headers: RawHeaders, scope: Scope) -> RawHeaders:
    """Return what an answer needs besides: how it may be kept, and whether more are welcome."""
    common = [
        (b"cache-control", b"no-cache" if b"etag" in dict(headers) else b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if is_stopping(scope):
        common.append((b"connection", b"close"))
    return common


class TrustedHosts:
    """Refuses requests for other hosts than the given ones; ``*.gym.example`` is all below one."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts if not host.startswith("*.")}
        self._domains = tuple(host[1:].lower() for host in hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        app = self._app
        if scope["type"] == "http":
            host = _PORT.sub("", Headers(scope=scope).get("host", "")).lower()
            if host not in self._hosts and not host.endswith(self._domains):
                error = UntrustedHost("This service does not answer for this host.")
                app = problem_response(Request(scope), error)
        await app(scope, receive, send)


def _plainly(send: Send) -> Send:
    """Let a start that fails for want of a database say so in one line, without its traceback."""

    async def send_plainly(message: Message) -> None:
        if message["type"] == "lifespan.startup.failed":
            kind, _, reason = message["message"].strip().rpartition("\n")[2].partition(": ")
            if kind.endswith(UnusableDatabase.__name__):
                message = {**message, "message": reason}
        await send(message)

    return send_plainly


class UnhandledErrors:
    """Logs an error that nothing else handled, and answers it without saying more.

    It stands inside of every other middleware, and does not raise again: the server would drop
    the connection.
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
            # The server waits no longer, and would answer 500.
            error = Unavailable("The service is being stopped.")
            if started:
                logger.warning("an answer was cut off: %s", error)
                return
            await problem_response(Request(scope), error)(scope, receive, send)
        except Exception:
            logger.exception("unhandled error")
            if started:
                return  # the server closes a connection that has half an answer
            failure = InternalError("The service has failed; this is its fault.")
            await problem_response(Request(scope), failure)(scope, receive, send)


class WithoutRanges:
    """Serves files whole: Starlette refuses a range that it cannot serve in plain text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as if it had no ``Range``."""
        headers = [header for header in scope["headers"] if header[0] != b"range"]
        await self._app({**scope, "headers": headers}, receive, send)


class CORS(CORSMiddleware):
    """Starlette's CORS, whose refusal of a preflight is not an error in plain text.

    The browser judges by the headers; they are the same.
    """

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight: 204 and what is allowed."""
        headers = super().preflight_response(request_headers).headers
        del headers["Content-Length"], headers["Content-Type"]
        return Response(status_code=204, headers=headers)


def is_stopping(scope: MutableMapping[str, Any]) -> bool:
    """Tell whether the server that received a request is being stopped."""
    told = scope.get("state", {}).get(STOPPING)
    return told is not None and bool(told.is_set())
