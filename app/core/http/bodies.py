"""Bodies of requests, as long as they may be and in time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from email.message import Message
from functools import lru_cache

from fastapi import Request
from starlette.requests import ClientDisconnect

from app.core.errors import BodyTimeout, ContentTooLarge, MalformedBody

SLOWEST = 20_000
"""Bytes a second: what comes or goes more slowly, after its time, holds up others for nothing."""


async def whole_body(request: Request, longest: int) -> bytes:
    """Receive a body of at most ``longest`` bytes; raise what ``body_pieces`` raises."""
    progress = _Progress(request, longest)
    body = bytearray()
    with _refusing():
        async with asyncio.timeout_at(progress.end) as time:
            async for piece in request.stream():
                progress.take(piece)
                body += piece
                if piece:
                    time.reschedule(progress.end)
    return bytes(body)


async def body_pieces(request: Request, longest: int) -> AsyncIterator[bytes]:
    """Receive a body of at most ``longest`` bytes, piece by piece.

    Raise ``ContentTooLarge`` if it is longer, declared or not, ``BodyTimeout`` if it takes longer
    than its time, which grows with what has come, and ``MalformedBody`` if the client leaves.
    """
    progress = _Progress(request, longest)
    pieces = aiter(request.stream())
    with _refusing():
        while True:
            async with asyncio.timeout_at(progress.end):
                piece = await anext(pieces, None)
            if piece is None:
                return
            progress.take(piece)
            yield piece


class _Progress:
    """How much of a body has come, and by when more has to."""

    def __init__(self, request: Request, longest: int) -> None:
        self._longest = longest
        self.end = asyncio.get_running_loop().time() + request.app.state.settings.body_timeout
        self._received = 0
        self._refuse_longer(int(request.headers.get("content-length", 0)))

    def take(self, piece: bytes) -> None:
        """Count a piece, which gives time for more; raise ``ContentTooLarge``."""
        self._received += len(piece)
        self._refuse_longer(self._received)
        self.end += len(piece) / SLOWEST

    def _refuse_longer(self, length: int) -> None:
        if length > self._longest:
            raise ContentTooLarge(f"The body is longer than {self._longest} bytes.")


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise BodyTimeout("The body does not come in time.") from None
    except ClientDisconnect:
        raise MalformedBody("The body ended before its time.") from None


def declared_type(request: Request) -> str:
    """Return the media type of a request's body as declared, without parameters."""
    return _media_type(request.headers.get("content-type", ""))


@lru_cache
def _media_type(declared: str) -> str:
    message = Message()
    message["content-type"] = declared
    return message.get_content_type()
