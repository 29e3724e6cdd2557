"""uvicorn's HTTP protocol with a timeout for request headers, and one write for each response."""

import asyncio
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_PIECE = 64 * 2**10
"""Buffered bytes after which a write is sent at once instead of waiting for more."""


class TimelyConfig(Config):
    """Uvicorn's configuration with ``TimelyHttp``'s timeout for request headers, in seconds."""

    headers_timeout: float


class TimelyHttp(HttpToolsProtocol):
    """Closes a connection if the headers of a request are not complete before the timeout.

    Between two requests uvicorn's own keep-alive timeout applies.
    """

    config: TimelyConfig
    _in_headers = True
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout for the first request."""
        super().connection_made(OnePiece(transport, self.loop))  # type: ignore[arg-type]
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        """Parse the data, and run the timeout only while headers are incomplete."""
        super().data_received(data)
        if not self._in_headers:
            self._clear_deadline()
        elif self._deadline is None:
            self._set_deadline()

    def on_message_begin(self) -> None:
        """Note that the headers of a request begin."""
        self._in_headers = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that the headers of a request are complete."""
        self._in_headers = False
        super().on_headers_complete()

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


class OnePiece:
    """A transport that joins the writes of one loop iteration, such as a head and its body.

    uvicorn writes head and body separately, and uvloop sends each write at once. That would be
    two packets and twice the work.
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
        """Send the buffered bytes, and close."""
        self.send_now()
        self._transport.close()

    def send_now(self) -> None:
        """Send the buffered bytes."""
        pieces, self._pieces, self._length = self._pieces, [], 0
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))
