"""CSV files as bodies: received into a temporary file, or sent piece by piece."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from app.core.errors import ContentTooLarge, MalformedBody, UnsupportedMediaType
from app.core.routes import declared_type

IN_MEMORY = 2**20
"""Bytes of a received file that stay in memory; a longer one is on disk."""


def takes_csv(example: str) -> dict[str, Any]:
    """Document a body that is read by ``received_csv``."""
    content = {"text/csv": {"schema": {"type": "string", "minLength": 1}, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


class CSVResponse(StreamingResponse):
    """An answer in CSV."""

    media_type = "text/csv"


async def csv_response(pieces: AsyncIterator[bytes], name: str) -> CSVResponse:
    """Answer with a file; what fails before its first piece is still a problem document."""
    first = await anext(pieces)

    async def all_pieces() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return CSVResponse(all_pieces(), headers=headers)


@asynccontextmanager
async def received_csv(request: Request, longest: int) -> AsyncIterator[BinaryIO]:
    """Receive a body that is declared CSV in UTF-8, of at most ``longest`` bytes.

    Raise ``UnsupportedMediaType``, ``ContentTooLarge``, or ``MalformedBody`` if it is cut short.
    """
    declared = declared_type(request)
    charset = declared.get_content_charset("utf-8")
    if declared.get_content_type() != "text/csv" or charset not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType("The body has to be declared as text/csv, in UTF-8.")
    too_large = ContentTooLarge(f"The file is longer than {longest} bytes: send it in parts.")
    if int(request.headers.get("content-length", 0)) > longest:
        raise too_large
    with SpooledTemporaryFile(IN_MEMORY) as file:
        received = 0
        try:
            async for piece in request.stream():
                received += len(piece)
                if received > longest:
                    raise too_large
                file.write(piece)
        except ClientDisconnect:
            raise MalformedBody("The body ended before its time.") from None
        file.seek(0)
        yield cast(BinaryIO, file)
