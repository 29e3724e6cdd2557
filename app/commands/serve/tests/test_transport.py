"""How responses are written to a connection."""

import asyncio
from typing import Any

import pytest

from app.commands.serve.transport import LONGEST_PIECE, OnePiece


class Wire:
    """A transport that records what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False
        self.unread = 0
        self.aborted = asyncio.Event()

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return self.unread

    def abort(self) -> None:
        self.aborted.set()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def transport(wire: Wire) -> Any:
    return OnePiece(wire, asyncio.get_running_loop(), 0.05)  # type: ignore[arg-type]


async def test_writes_of_one_loop_iteration_are_sent_in_one_piece(
    wire: Wire, transport: Any
) -> None:
    transport.write(b"head, ")
    transport.write(b"body")
    await asyncio.sleep(0)
    transport.write(b"more")
    await asyncio.sleep(0)

    assert wire.written == [b"head, body", b"more"]


async def test_closing_sends_pending_data_first(wire: Wire, transport: Any) -> None:
    transport.write(b"last")
    transport.close()
    await asyncio.sleep(0)

    assert (wire.written, wire.closed) == ([b"last"], True)


async def test_a_closed_connection_does_not_wait_for_ever_for_its_client_to_read(
    wire: Wire, transport: Any
) -> None:
    wire.unread = 1
    transport.close()

    async with asyncio.timeout(2):
        await wire.aborted.wait()


async def test_nothing_is_sent_after_the_client_has_disconnected(
    wire: Wire, transport: Any
) -> None:
    transport.write(b"too late")
    wire.closed = True
    await asyncio.sleep(0)

    assert wire.written == []
    assert transport.is_closing()


async def test_data_longer_than_the_longest_piece_are_sent_at_once(
    wire: Wire, transport: Any
) -> None:
    for _ in range(3):
        transport.write(b"x" * LONGEST_PIECE)

    assert [len(piece) for piece in wire.written] == [2 * LONGEST_PIECE]
