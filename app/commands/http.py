"""HTTP as uvicorn speaks it, with an end to the waiting for a request, and answers in one piece."""

import asyncio
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_PIECE = 64 * 2**10
"""Bytes that are not held back for what may follow."""


class TimelyConfig(Config):
    """Tell ``TimelyHttp`` how many seconds the headers of a request may take."""

    headers_timeout: float


class TimelyHttp(HttpToolsProtocol):
    """Closes a connection on which the headers of a request do not come to an end in time.

    Between two requests uvicorn's own limit for idle connections holds.
    """

    config: TimelyConfig
    _in_headers = True
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(OnePiece(transport, self.loop))  # type: ignore[arg-type]
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        """Take in what came, and wait on only for headers that have begun."""
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
        """Note that the headers of a request are there."""
        self._in_headers = False
        super().on_headers_complete()

    def eof_received(self) -> None:
        """Send what has been written to a client that has no more to say: it may still listen."""
        self.transport.send_now()  # type: ignore[attr-defined]
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._clear_deadline()
        super().connection_lost(exc)

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.config.headers_timeout, self.transport.close)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class OnePiece:
    """A transport that sends what is written in one moment in one piece: a head with its body.

    uvicorn writes each by itself, and uvloop sends each at once: two packets, and twice the work.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []
        self._length = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send some bytes, together with those that follow before the next turn of the loop."""
        if not self._pieces:
            self._loop.call_soon(self.send_now)
        self._pieces.append(data)
        self._length += len(data)
        if self._length > LONGEST_PIECE:
            self.send_now()  # so that a long answer is held up where its reader is slow

    def close(self) -> None:
        """Send what has been written, and close."""
        self.send_now()
        self._transport.close()

    def send_now(self) -> None:
        """Send what has been written so far."""
        pieces, self._pieces, self._length = self._pieces, [], 0
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))
