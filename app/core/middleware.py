"""What happens around every request, outside of routing: pure ASGI, a few microseconds each."""

import logging
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.database import UnusableDatabase
from app.core.errors import ProblemType
from app.core.fields import new_id
from app.core.problems import problem_response

logger = logging.getLogger(__name__)

_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


class RequestContext:
    """Gives each request an id that its answer carries, and answers HEAD wherever GET is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, _plainly(send))
            return
        asked = Headers(scope=scope).get("x-request-id", "")
        request_id = asked if _SANE_ID.fullmatch(asked) else new_id().hex
        scope.setdefault("state", {})["request_id"] = request_id
        without_body = scope["method"] == "HEAD"
        if without_body:
            # A copy: the server's own scope keeps HEAD, by which it frames the answer.
            scope = {**scope, "method": "GET"}

        async def send_in_context(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            elif without_body:
                message = {**message, "body": b""}
            await send(message)

        await self._app(scope, receive, send_in_context)


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
        except Exception:
            request = Request(scope)
            logger.exception("unhandled error in request %s", request.state.request_id)
            if started:
                raise
            response = problem_response(
                request, ProblemType.INTERNAL_ERROR, "The service has failed; this is its fault."
            )
            await response(scope, receive, send)


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
