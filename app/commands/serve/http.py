"""uvicorn's HTTP protocol, with limits for what a connection may hold."""

import asyncio
import re
import socket
import struct
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn import Config
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.commands.serve.transport import Flow, OnePiece
from app.core.errors import (
    DomainError,
    HeadersTooLarge,
    MalformedBody,
    MalformedRequest,
    Unavailable,
    URITooLong,
)
from app.core.http.bodies import REFUSED, SLOWEST, declared_length
from app.core.http.clients import client_address
from app.core.http.middleware import RawHeaders
from app.core.limits import Shares

LONGEST_URL = 2**16 - 1
"""The maximum length of a URL in bytes: the parser counts in 16 bits."""
LONGEST_HEADERS = 64 * 2**10
"""The maximum length of the headers of a request in bytes."""
MOST_HEADERS = 100
"""The maximum number of headers of a request."""
MOST_REQUESTS = 16
"""The maximum number of pipelined requests of a connection that are parsed but not answered."""
FEW_LINES = 2 * MOST_REQUESTS - 2
"""Data with at most so many lines have no more requests than may be parsed."""
SHORTEST_REQUEST = len(b"GET / HTTP/1.1\r\n\r\n")
LONGEST_READ = 256 * 2**10
"""The maximum length of the data that an event loop reads at once."""
LONGEST_TURN = 16 * 2**10
"""About the length of data in small pieces that are parsed before other connections have a turn."""
RESET = struct.pack("ii", 1, 0)
"""The value of ``SO_LINGER`` with which a connection is reset when it is closed."""

# A request has at least two lines. Of the first one, all but the last line may be parsed already.
_LINES = [
    re.compile(rb"(?:[^\n]*\n){,%d}[^\n]*\n?" % (2 * requests - 2))
    for requests in range(1, MOST_REQUESTS + 1)
]
"""At index n, a pattern for data in which at most n + 1 requests end."""


class TimelyConfig(Config):
    """Uvicorn's configuration with what ``TimelyHttp`` needs."""

    headers_timeout: float
    """Timeout for the headers of a request, in seconds."""
    api_prefix: str
    """The prefix of the API, without that of a proxy."""
    open_connections: Shares
    """The connections of this process, by the address of the client or proxy."""


class TimelyHttp(HttpToolsProtocol):
    """Limits what a connection may hold: headers, pipelined requests, and unread responses.

    The connection is closed if the headers of a request are not complete before a timeout, or if
    the client does not read its responses. Between two requests uvicorn's own keep-alive timeout
    applies. Of pipelined requests, at most ``MOST_REQUESTS`` are parsed. Then nothing is read from
    the connection until their responses are sent (back-pressure).

    The app answers requests that are not valid HTTP or too long, so that these errors are like all
    others. To HTTP/1.0 clients, nothing is sent in chunks.
    """

    config: TimelyConfig
    url = b""
    flow: "Flow"
    _in_headers = True
    _deadline: asyncio.TimerHandle | None = None
    """The timeout for headers."""
    _read_deadline: asyncio.TimerHandle | None = None
    """The timeout for a client that does not read."""
    _counted_as: str | None = None
    """The client whose share of connections this one is part of."""
    _unparsed = b""
    """Data that are parsed once the responses to earlier requests are sent."""
    _received = 0
    """The bytes in the pieces of data since the headers or the last part of the body began."""
    _newest = 0
    """The bytes in the newest piece."""
    _headers_of_body: RawHeaders = []  # noqa: RUF012 - replaced, never changed
    """The headers of the latest complete request."""
    _body_received = 0
    """The bytes of its body that have arrived."""
    _refused: DomainError | None = None
    """The error after which the connection is closed: nothing more is read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout for the first request."""
        one_piece: Any = OnePiece(transport, self.loop, self.config.headers_timeout)
        super().connection_made(one_piece)
        self.flow = Flow(one_piece)
        self._set_deadline()
        client = client_address({"client": self.client})
        try:
            self.config.open_connections.take(client)
        except Unavailable:
            transport.abort()
        else:
            self._counted_as = client

    def data_received(self, data: bytes) -> None:
        """Parse the data, or as much of them as may be parsed before more responses are sent."""
        if self._refused:
            return
        if self._unparsed or self.pipeline or data.count(b"\n") > FEW_LINES:
            self._unparsed += data
            self._parse_unparsed()
        else:
            self._parse(data)

    def _parse_unparsed(self) -> None:
        """Parse the next requests; pause reading while too many of them wait for a response."""
        data, begin, turn = self._unparsed, 0, 0
        room = self._room()
        while begin < len(data) and room and turn < LONGEST_TURN and not self._refused:
            end = self._end_of_piece(data, begin, room)
            self._parse(data[begin:end])
            turn += min(end - begin, room * SHORTEST_REQUEST)
            begin = end
            room = self._room()
        self._unparsed = b"" if self._refused else data[begin:]
        self.flow.hold(bool(self._unparsed))
        if self._unparsed and room:
            self.loop.call_soon(self._parse_unparsed)

    def _room(self) -> int:
        """Return how many more requests may be parsed now."""
        return MOST_REQUESTS - len(self.pipeline) - self._is_busy()

    def _end_of_piece(self, data: bytes, begin: int, room: int) -> int:
        """Return the end of a piece of the data in which at most ``room`` requests end."""
        lines = _LINES[room - 1].match(data, begin)
        assert lines
        end = lines.end()
        if not self._in_headers and self.cycle.more_body:
            # At least the rest of the body, if its length is declared.
            rest = declared_length(self._headers_of_body) - self._body_received
            end = max(end, begin + rest, begin + room * SHORTEST_REQUEST)
        return min(end, len(data))

    def _parse(self, data: bytes) -> None:
        """Parse the data, and run the timeout only while headers are incomplete."""
        self._newest = len(data)
        self._received += self._newest
        self._unset_keepalive_if_required()
        while data:
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                # The response does not upgrade, so requests go on (RFC 9110, 7.8).
                data = data[upgrade.args[0] :]
                continue
            except HttpParserError:
                self._refuse_malformed()
            break
        if self._refused is None and (
            self._received > LONGEST_HEADERS + LONGEST_READ
            or (self.headers and len(self.headers) > MOST_HEADERS)
        ):
            self._refuse_length()
        if self._is_busy():
            self._clear_deadline()
        elif self._deadline is None:
            self._set_deadline()

    def _is_busy(self) -> bool:
        """Return whether a request is in flight."""
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse_length(self) -> None:
        """Refuse headers that are too long, or a body whose chunks have too long extras."""
        if not self._in_headers:
            self._refuse_body(_headers_too_large())
        elif len(self.url) > LONGEST_URL:
            self._refuse(_uri_too_long())
        else:
            self._refuse(_headers_too_large())

    def on_message_begin(self) -> None:
        """Note that the headers of a request begin."""
        self._in_headers = True
        self._received = self._newest
        self._body_received = 0
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
        elif len(self.headers) > MOST_HEADERS or (
            self._received > LONGEST_HEADERS and _length(self.headers) > LONGEST_HEADERS
        ):
            refused = _headers_too_large()
        if refused:
            self.scope["state"][REFUSED] = refused
        super().on_headers_complete()
        self._in_headers = False
        self._headers_of_body = self.headers
        self.headers = []  # for the trailers of a body, which are no headers of the request

    def on_body(self, body: bytes) -> None:
        """Note that a part of the body arrives."""
        self._received = 0
        self._body_received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Close the connection after the response if a trailer asks for it."""
        super().on_message_complete()
        if self.headers and not self.parser.should_keep_alive():
            self.cycle.keep_alive = False
            if self.cycle.response_complete:
                self.transport.close()

    def _has_prefix(self) -> bool:
        """Return whether a URL begins with the proxy's prefix, which may begin the API's own."""
        own = f"{self.config.api_prefix}/".encode()
        prefix = self.root_path.encode()
        return self.url.startswith(prefix + own) or (
            self.url.startswith(prefix + b"/") and not self.url.startswith(own)
        )

    def _refuse_malformed(self) -> None:
        """Let the app answer a request that the parser rejects."""
        if self._in_headers or not self.cycle.more_body:
            self._refuse(MalformedRequest("The request is not valid HTTP."))
            return
        self._refuse_body(MalformedBody("The chunks of the body are not valid HTTP."))

    def _refuse_body(self, error: DomainError) -> None:
        """Let the app answer a request whose body is refused; it notices at the next piece."""
        self._stop_reading(error)
        self.cycle.scope["state"][REFUSED] = error
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
        self.scope["headers"] += known  # type: ignore[operator]

    def _stop_reading(self, error: DomainError) -> None:
        self._refused = error
        self.transport.lingers = True  # type: ignore[attr-defined]

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if cycle.scope["http_version"] != "1.1":
            app = unchunked(app, cycle)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Continue with the next requests."""
        super().on_response_complete()
        if not (self._unparsed or self._in_headers) or self.transport.is_closing():
            return
        if self._unparsed and not self.pipeline:
            self._parse_unparsed()
        elif self._in_headers and not self._is_busy() and self._deadline is None:
            self._set_deadline()  # of a request that has begun meanwhile

    def pause_writing(self) -> None:
        """Start the timeout for a client that does not read."""
        super().pause_writing()
        unread = self.transport.get_write_buffer_size()
        seconds = self.config.headers_timeout + unread / SLOWEST
        self._read_deadline = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Cancel the timeout: the client has read."""
        if self._read_deadline is not None:
            self._read_deadline.cancel()
            self._read_deadline = None
        super().resume_writing()

    def eof_received(self) -> None:
        """Flush before the end of file is handled: a half-closed client may still read."""
        self.transport.send_now()  # type: ignore[attr-defined]
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeouts."""
        if self._counted_as is not None:
            self.config.open_connections.give_back(self._counted_as)
            self._counted_as = None
        self._clear_deadline()
        self.resume_writing()
        self._unparsed = b""
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
    return HeadersTooLarge(
        f"The headers are longer than {LONGEST_HEADERS} bytes, or more than {MOST_HEADERS}."
    )


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
