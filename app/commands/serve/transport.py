"""The transport of a connection: one write for each response, and back-pressure."""

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl

LONGEST_PIECE = 64 * 2**10
"""Buffered bytes after which a write is sent at once instead of waiting for more."""


class Flow(FlowControl):
    """uvicorn's back-pressure, with a second reason to read nothing."""

    _held = False

    def hold(self, held: bool) -> None:
        """Read nothing while ``held``, whatever the app wants to receive."""
        if held != self._held:
            self._held = held
            self.pause_reading() if held else self.resume_reading()

    def resume_reading(self) -> None:
        """Read on, unless reading is held."""
        if not self._held:
            super().resume_reading()


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

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, patience: float
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._patience = patience
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
            if self._transport.get_write_buffer_size():
                # The transport would wait for ever for a client that does not read.
                self._loop.call_later(self._patience, self._transport.abort)

    def send_now(self) -> None:
        """Send the buffered bytes."""
        pieces, self._pieces, self._length = self._pieces, [], 0
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))
