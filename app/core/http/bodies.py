"""Bodies of requests: in time, within their length, and as JSON."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from email.message import Message
from functools import lru_cache
from typing import Any, NoReturn

from fastapi import Request
from pydantic_core import PydanticUndefined
from starlette.requests import ClientDisconnect

from app.core.errors import (
    BodyTimeout,
    ContentTooLarge,
    MalformedBody,
    UnsupportedMediaType,
)

SLOWEST = 20_000
"""Bytes a second: what comes or goes more slowly, after its time, holds up others for nothing."""


_JSON_TYPE = re.compile(r"application/.*\+json")


class JSONRequest(Request):
    """A request whose body is JSON as RFC 8259 has it, in UTF-8."""

    parsed: Any = PydanticUndefined
    """What the body holds, once it is parsed; undefined if there is none."""

    async def parse(self) -> None:
        """Read and parse the body, if there is one."""
        body = self._body = await whole_body(self, self.app.state.settings.max_body_size)
        if not body:
            return
        declared = declared_type(self)
        if declared != "application/json" and not _JSON_TYPE.fullmatch(declared):
            raise UnsupportedMediaType("The body has to be declared as application/json.")
        try:
            self.parsed = json.loads(
                body.decode(), parse_constant=_not_json, parse_int=_bounded_int
            )
        except UnicodeDecodeError:
            raise MalformedBody("The body is not UTF-8.") from None
        except json.JSONDecodeError as error:
            raise MalformedBody(f"The body is not JSON, from character {error.pos} on.") from None
        except RecursionError:
            raise MalformedBody("The body is nested too deeply.") from None

    async def json(self) -> Any:
        """Return the parsed body."""
        return self.parsed


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
        if int(request.headers.get("content-length", 0)) > longest:
            raise _too_long(longest)

    def take(self, piece: bytes) -> None:
        """Count a piece, which gives time for more; raise ``ContentTooLarge``."""
        self._received += len(piece)
        if self._received > self._longest:
            raise _too_long(self._longest)
        self.end += len(piece) / SLOWEST


def _too_long(longest: int) -> ContentTooLarge:
    return ContentTooLarge(f"The body is longer than {longest} bytes.")


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


def _not_json(constant: str) -> NoReturn:
    raise json.JSONDecodeError("not JSON", constant, 0)


def _bounded_int(digits: str) -> int | float:
    """Read an integer; one of thousands of digits, which Python refuses, is out of any range."""
    return int(digits) if len(digits) < 20 else float(digits)
