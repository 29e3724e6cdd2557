"""Bodies of requests, as long as they may be and in time."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import Request
from starlette.requests import ClientDisconnect

from app.core.errors import BodyTimeout, ContentTooLarge, MalformedBody


async def whole_body(request: Request, longest: int) -> bytes:
    """Receive a body of at most ``longest`` bytes; raise what ``body_pieces`` raises."""
    try:
        async with asyncio.timeout(request.app.state.settings.body_timeout):
            return b"".join([piece async for piece in body_pieces(request, longest)])
    except TimeoutError:
        raise _too_slow() from None


async def body_pieces(request: Request, longest: int) -> AsyncIterator[bytes]:
    """Receive a body of at most ``longest`` bytes, piece by piece.

    Raise ``ContentTooLarge`` if it is longer, declared or not, ``BodyTimeout`` if a piece is late,
    and ``MalformedBody`` if the client leaves before the end.
    """
    too_large = ContentTooLarge(f"The body is longer than {longest} bytes.")
    if int(request.headers.get("content-length", 0)) > longest:
        raise too_large
    received = 0
    pieces = aiter(request.stream())
    try:
        while True:
            async with asyncio.timeout(request.app.state.settings.body_timeout):
                piece = await anext(pieces, None)
            if piece is None:
                return
            received += len(piece)
            if received > longest:
                raise too_large
            yield piece
    except TimeoutError:
        raise _too_slow() from None
    except ClientDisconnect:
        raise MalformedBody("The body ended before its time.") from None


def _too_slow() -> BodyTimeout:
    return BodyTimeout("The body does not come in time.")
