"""uvicorn's HTTP protocol, with limits for request headers and one write for each response."""

import asyncio
import socket
import struct
from typing import Any

from httptools import HttpRequestParser
from uvicorn import Config
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.core.errors import (
    DomainError,
    HeadersTooLarge,
    MalformedBody,
    MalformedRequest,
    URITooLong,
)
from app.core.http.bodies import REFUSED
from app.core.http.middleware import RawHeaders

LONGEST_URL = 2**16 - 1
"""The maximum length of a URL in bytes: the parser counts in 16 bits."""
LONGEST_HEADERS = 128 * 2**10
"""The maximum length of the headers of a request in bytes."""
LONGEST_READ = 256 * 2**10
"""The maximum length of the data that an event loop reads at once."""
RESET = struct.pack("ii", 1, 0)
"""The value of ``SO_LINGER`` with which a connection is reset when it is closed."""
LONGEST_PIECE = 64 * 2**10
"""Buffered bytes after which a write is sent at once instead of waiting for more."""


class TimelyConfig(Config):
    """Uvicorn's configuration with what ``TimelyHttp`` needs."""

    headers_timeout: float
    """Timeout for the headers of a request, in seconds."""
    api_prefix: str
    """The prefix of the API, without that of a proxy."""


class TimelyHttp(HttpToolsProtocol):
    """Closes a connection if the headers of a request are not complete before the timeout.

    Between two requests uvicorn's own keep-alive timeout applies.

    The app answers requests that are not valid HTTP or too long, so that these errors are like all
    others. To HTTP/1.0 clients, nothing is sent in chunks.
    """

    config: TimelyConfig
    url = b""
    _in_headers = True
    _deadline: asyncio.TimerHandle | None = None
    _received = 0
    """The bytes in the pieces of data that have a part of the current headers."""
    _newest = 0
    """The bytes in the newest piece."""
    _refused: DomainError | None = None
    """The error after which the connection is closed: nothing more is read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout for the first request."""
        super().connection_made(OnePiece(transport, self.loop))  # type: ignore[arg-type]
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        """Parse the data, and run the timeout only while headers are incomplete."""
        if self._refused:
            return
        self._newest = len(data)
        self._received += self._newest
        super().data_received(data)
        if self._in_headers and self._received > LONGEST_HEADERS + LONGEST_READ:
            self._refuse(_uri_too_long() if len(self.url) > LONGEST_URL else _headers_too_large())
        if not self._in_headers:
            self._clear_deadline()
        elif self._deadline is None:
            self._set_deadline()

    def on_message_begin(self) -> None:
        """Note that the headers of a request begin."""
        self._in_headers = True
        self._received = self._newest
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that the headers of a request are complete; check their length, and the prefix."""
        refused = self._refused
        if self.root_path and self._has_prefix():
            # The proxy does not strip the prefix, or there is none; uvicorn adds the prefix again.
            self.url = self.url[len(self.root_path) :]
        if len(self.url) > LONGEST_URL:
            refused = _uri_too_long()
            self.url = self.url[:LONGEST_URL]
        elif self._received > LONGEST_HEADERS and _length(self.headers) > LONGEST_HEADERS:
            refused = _headers_too_large()
        if refused:
            self.scope["state"][REFUSED] = refused
        super().on_headers_complete()
        self._in_headers = False

    def _has_prefix(self) -> bool:
        """Return whether a URL begins with the proxy's prefix, which may begin the API's own."""
        own = f"{self.config.api_prefix}/".encode()
        prefix = self.root_path.encode()
        return self.url.startswith(prefix + own) or (
            self.url.startswith(prefix + b"/") and not self.url.startswith(own)
        )

    def send_400_response(self, msg: str) -> None:
        """Let the app answer a request that the parser rejects."""
        if self._in_headers or not self.cycle.more_body:
            self._refuse(MalformedRequest("The request is not valid HTTP."))
            return
        # The parser rejects a chunk of a body. The app notices it at the next piece of the body.
        self._stop_reading(MalformedBody("The chunks of the body are not valid HTTP."))
        self.cycle.scope["state"][REFUSED] = self._refused
        self.cycle.keep_alive = False
        self.cycle.body += b"?"
        self.cycle.message_event.set()
        if self.cycle.response_complete:
            self.transport.close()

    def _refuse(self, error: DomainError) -> None:
        """Let the app answer a request whose headers are not complete, then close.

        For that, the app gets a request with the headers that are known so far.
        """
        self._stop_reading(error)
        known = self.headers if self._in_headers and self.headers else []
        self.parser = HttpRequestParser(self)
        self.parser.feed_data(b"GET / HTTP/1.0\r\n\r\n")
        self.headers += known

    def _stop_reading(self, error: DomainError) -> None:
        self._refused = error
        self.transport.lingers = True  # type: ignore[attr-defined]

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if cycle.scope["http_version"] != "1.1":
            app = unchunked(app, cycle)
        super()._start_asgi_task(cycle, app)

    def eof_received(self) -> None:
        """Flush before the end of file is handled: a half-closed client may still read."""
        self.transport.send_now()  # type: ignore[attr-defined]
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeout."""
        self._clear_deadline()
        super().connection_lost(exc)

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.config.headers_timeout, self.transport.close)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _uri_too_long() -> URITooLong:
    return URITooLong(f"The URL is longer than {LONGEST_URL} bytes.")


def _headers_too_large() -> HeadersTooLarge:
    return HeadersTooLarge(f"The headers are longer than {LONGEST_HEADERS} bytes.")


def _length(headers: RawHeaders) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def unchunked(app: ASGI3Application, cycle: RequestResponseCycle) -> ASGI3Application:
    """Wrap an app for a response to HTTP/1.0, which has no chunks.

    The body ends where the connection is closed. If the app cannot complete the response, the
    connection is reset, because a client would take an end for the end of the body.
    """

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        cycle.keep_alive = False
        has_length = False

        async def send_unchunked(message: Any) -> None:
            nonlocal has_length
            if message["type"] == "http.response.start":
                has_length = b"content-length" in dict(message["headers"])
                if not has_length:
                    cycle.chunked_encoding = False
            elif not has_length:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, receive, send_unchunked)
        finally:
            incomplete = cycle.response_started and not cycle.response_complete
            if incomplete and not cycle.disconnected:
                connection = cycle.transport.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                cycle.transport.abort()

    return answer


class OnePiece:
    """A transport that joins the writes of one loop iteration, such as a head and its body.

    uvicorn writes head and body separately, and uvloop sends each write at once. That would be
    two packets and twice the work.
    """

    lingers = False
    """Whether to end only the response at first: the client still sends.

    A connection that is closed before everything is read is reset, and then the client may lose the
    response. The client ends the connection, or uvicorn's keep-alive timeout.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []
        self._length = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Buffer some bytes and send them together with later writes of this loop iteration."""
        if not self._pieces:
            self._loop.call_soon(self.send_now)
        self._pieces.append(data)
        self._length += len(data)
        if self._length > LONGEST_PIECE:
            self.send_now()  # so that a slow reader gets back-pressure on a long response

    def close(self) -> None:
        """Send the buffered bytes, and close; if the connection lingers, at the second call."""
        self.send_now()
        if self.lingers:
            self.lingers = False
            self._transport.write_eof()
        else:
            self._transport.close()

    def send_now(self) -> None:
        """Send the buffered bytes."""
        pieces, self._pieces, self._length = self._pieces, [], 0
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))
