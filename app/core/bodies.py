"""Bodies of requests, as long as they may be and in time."""

import asyncio
from collections.abc import AsyncIterator
from email.message import Message
from functools import lru_cache

from fastapi import Request
from starlette.requests import ClientDisconnect

from app.core.errors import BodyTimeout, ContentTooLarge, MalformedBody

SLOWEST = 20_000
"""Bytes a second: what comes or goes more slowly, after its time, holds up others for nothing."""


async def whole_body(request: Request, longest: int) -> bytes:
    """Receive a body of at most ``longest`` bytes; raise what ``body_pieces`` raises."""
    return b"".join([piece async for piece in body_pieces(request, longest)])


async def body_pieces(request: Request, longest: int) -> AsyncIterator[bytes]:
    """Receive a body of at most ``longest`` bytes, piece by piece.

    Raise ``ContentTooLarge`` if it is longer, declared or not, ``BodyTimeout`` if it takes longer
    than its time, which grows with what has come, and ``MalformedBody`` if the client leaves.
    """
    too_large = ContentTooLarge(f"The body is longer than {longest} bytes.")
    if int(request.headers.get("content-length", 0)) > longest:
        raise too_large
    received = 0
    end = asyncio.get_running_loop().time() + request.app.state.settings.body_timeout
    pieces = aiter(request.stream())
    try:
        while True:
            async with asyncio.timeout_at(end + received / SLOWEST):
                piece = await anext(pieces, None)
            if piece is None:
                return
            received += len(piece)
            if received > longest:
                raise too_large
            yield piece
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
