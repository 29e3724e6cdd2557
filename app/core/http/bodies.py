"""Request bodies: received with a timeout and a maximum length, and parsed as JSON."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
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
    UnsupportedCoding,
    UnsupportedMediaType,
)
from app.core.http.clients import client_address
from app.core.limits import Shares

REFUSED = "refused"
"""Key in ``scope["state"]`` of the error for a request that is not valid HTTP.

The server sets it, also while the body arrives.
"""

SLOWEST = 20_000
"""The minimum transfer rate after ``BODY_TIMEOUT`` seconds, in bytes per second.

A slower transfer would hold up other requests.
"""

SMALL = 4096
"""The length in bytes up to which a body does not count for ``MAX_BODY_SPACE``."""
LONGEST_SILENCE = 30
"""Seconds after the latest piece of a body; a fast beginning does not buy hours for its end."""

_CODINGS = {"br", "compress", "deflate", "gzip", "x-compress", "x-gzip", "zstd"}
_NO_CODING = {
    b"content-encoding": {"", "identity"},
    b"transfer-encoding": {"", "identity", "chunked"},
}
"""The values of headers that leave a body unencoded; the server itself decodes chunks."""
_JSON_TYPE = re.compile(r"application/.*\+json")


class JSONRequest(Request):
    """A request whose body is JSON (RFC 8259) in UTF-8."""

    parsed: Any = PydanticUndefined
    """The parsed body; ``PydanticUndefined`` if the request has no body."""

    async def parse(self) -> None:
        """Read and parse the body, if there is one."""
        body = self._body = await whole_body(self, self.app.state.settings.max_body_size)
        if not body:
            return
        declared = declared_type(self)
        if declared != "application/json" and not _JSON_TYPE.fullmatch(declared):
            raise UnsupportedMediaType("The Content-Type of the body must be application/json.")
        try:
            self.parsed = json.loads(
                body.decode(), parse_constant=_not_json, parse_int=_bounded_int
            )
        except UnicodeDecodeError:
            raise MalformedBody("The body is not UTF-8.") from None
        except json.JSONDecodeError as error:
            raise MalformedBody(f"The body is not valid JSON, at character {error.pos}.") from None
        except RecursionError:
            raise MalformedBody("The body is nested too deeply.") from None

    async def json(self) -> Any:
        """Return the parsed body."""
        return self.parsed


async def whole_body(request: Request, longest: int) -> bytes:
    """Receive a body of at most ``longest`` bytes; raise what ``body_pieces`` raises.

    Raise ``Unavailable`` if the unfinished bodies of all clients take too much memory.
    """
    progress = _Progress(request, longest)
    body = bytearray()
    counted = 0
    with _refusing():
        try:
            async with asyncio.timeout_at(progress.end) as time:
                async for piece in request.stream():
                    progress.take(piece)
                    body += piece
                    if piece:
                        time.reschedule(progress.end)
                    if len(body) > SMALL:
                        _bodies(request).take(client_address(request.scope), len(body) - counted)
                        counted = len(body)
        finally:
            if counted:
                _bodies(request).give_back(client_address(request.scope), counted)
    return bytes(body)


def _bodies(request: Request) -> Shares:
    """Return the limit on the memory of bodies that arrive."""
    shares: Shares = request.app.state.bodies
    return shares


async def body_pieces(request: Request, longest: int) -> AsyncIterator[bytes]:
    """Yield a body of at most ``longest`` bytes, piece by piece.

    Raise ``ContentTooLarge`` if the declared or received length is more, ``BodyTimeout`` if the
    body does not arrive before the timeout, which grows with the bytes received up to
    ``UPLOAD_TIMEOUT``, and ``MalformedBody`` if the client disconnects.
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
    """How many bytes of a body have arrived, and the deadline for more of them."""

    def __init__(self, request: Request, longest: int) -> None:
        _refuse_coding(request)
        self._state = request.scope["state"]
        self._longest = longest
        self._now, settings = asyncio.get_running_loop().time, request.app.state.settings
        begin = self._now()
        self.end = begin + settings.body_timeout
        self._latest_end = begin + settings.upload_timeout
        self._silence = max(LONGEST_SILENCE, settings.body_timeout)
        self._received = 0
        if declared_length(request.scope["headers"]) > longest:
            raise _too_long(longest)

    def take(self, piece: bytes) -> None:
        """Count a piece and extend the deadline; raise ``ContentTooLarge`` or ``MalformedBody``."""
        if refused := self._state.get(REFUSED):
            raise refused
        self._received += len(piece)
        if self._received > self._longest:
            raise _too_long(self._longest)
        silent_end = self._now() + self._silence
        self.end = min(self.end + len(piece) / SLOWEST, silent_end, self._latest_end)


def declared_length(headers: Sequence[tuple[bytes, bytes]]) -> int:
    """Return the ``Content-Length``, which is digits, or 0 if there is none."""
    for name, value in headers:
        if name == b"content-length":
            # Python refuses to parse thousands of digits, which may all be zeros.
            return int(value.strip().lstrip(b"0")[:20] or b"0")
    return 0


def _refuse_coding(request: Request) -> None:
    """Raise ``UnsupportedCoding`` if a header says that the body is compressed."""
    codings = {
        coding
        for name, value in request.scope["headers"]
        if name in _NO_CODING
        for coding in map(str.strip, value.decode("latin-1").lower().split(","))
        if coding not in _NO_CODING[name]
    }
    if codings:
        named = ", ".join(sorted(codings & _CODINGS)) or "in a coding that is unknown here"
        raise UnsupportedCoding(
            f"The body is encoded ({named}): send it as it is, without a Content-Encoding."
        )


def _too_long(longest: int) -> ContentTooLarge:
    return ContentTooLarge(f"The body is longer than {longest} bytes.")


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise BodyTimeout("The body did not arrive before the timeout.") from None
    except ClientDisconnect:
        raise MalformedBody("The client disconnected before the end of the body.") from None


def declared_type(request: Request) -> str:
    """Return the media type in a request's ``Content-Type``, without parameters."""
    return _media_type(request.headers.get("content-type", ""))


@lru_cache
def _media_type(declared: str) -> str:
    message = Message()
    message["content-type"] = declared
    return message.get_content_type()


def _not_json(constant: str) -> NoReturn:
    raise json.JSONDecodeError("not JSON", constant, 0)


def _bounded_int(digits: str) -> int | float:
    """Parse an integer; 20 digits or more give a float, as Python refuses thousands of digits.

    Such a number is out of range for every field.
    """
    return int(digits) if len(digits) < 20 else float(digits)
