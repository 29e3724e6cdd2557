"""CSV files as bodies: received into a temporary file, or streamed piece by piece."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, BinaryIO, cast

from fastapi import Depends, Request
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.core.db.transactions import LimitedReader, Reader
from app.core.errors import Unavailable, UnsupportedMediaType
from app.core.http.bodies import SLOWEST, body_pieces, declared_type
from app.core.http.clients import client_address
from app.core.http.dependencies import DatabaseDep
from app.core.limits import FairLimit, Limit, Shares
from app.core.settings import Settings

logger = logging.getLogger(__name__)

# Not parsed with the email package: its RFC 2231 parameters may have any codec and any number.
_CHARSET = re.compile(r"charset\b", re.IGNORECASE)
_UTF_8 = re.compile(r"charset=(\"?)utf-?8\1", re.IGNORECASE)

IN_MEMORY = 2**16
"""The maximum size in bytes of a received file in memory; a larger file is on disk."""


class FileLimits:
    """The limits on files in one process.

    A client that is slow takes only a share of the transfers. The places for what a file costs,
    storing rows or reading them, are held for as long as the service needs.
    """

    def __init__(self, settings: Settings) -> None:
        self.uploads = Shares(settings.max_transfers)
        self.space = Shares(settings.max_upload_space)
        self.imports = FairLimit(settings.max_imports, settings.import_wait)
        self.downloads = Shares(settings.max_transfers)
        self.exports = Limit(settings.max_exports, settings.db_pool_wait)


def takes_csv(example: str) -> dict[str, Any]:
    """Document the body of an endpoint that calls ``received_csv``."""
    content = {"text/csv": {"schema": {"type": "string", "minLength": 1}, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


async def export_reader(request: Request, database: DatabaseDep) -> AsyncIterator[Reader]:
    """Yield what reads an export's rows; the download holds its place until it is sent."""
    files: FileLimits = request.app.state.files
    with files.downloads.place(client_address(request.scope)):
        yield LimitedReader(database, files.exports)


ExportReaderDep = Annotated[Reader, Depends(export_reader)]


class CSVResponse(StreamingResponse):
    """A CSV response; it is cut off if it cannot be completed, or if the client stops reading."""

    media_type = "text/csv"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; read no more rows from the database after the client disconnects.

        Starlette would cancel a running statement on a disconnect. If asyncpg is cancelled between
        preparing and running a statement, the session stays in a transaction that holds locks.
        """
        now = asyncio.get_running_loop().time
        patience = scope["app"].state.settings.body_timeout
        gone = asyncio.create_task(self.listen_for_disconnect(receive))

        async def send_in_time(message: Message) -> None:
            nonlocal patience
            if gone.done():
                raise ClientDisconnect
            begin = now()
            async with asyncio.timeout(patience):
                await send(message)
            patience += len(message.get("body", b"")) / SLOWEST - (now() - begin)

        try:
            await self.stream_response(send_in_time)
        except ClientDisconnect:
            pass
        except (Unavailable, TimeoutError) as error:
            # The status is sent already. The server closes a connection with an incomplete
            # response, so the client notices the error.
            logger.warning("response cut off: %s", str(error) or "the client does not read")
        finally:
            gone.cancel()


async def csv_response(pieces: AsyncIterator[bytes], name: str) -> CSVResponse:
    """Return a response with a file; an error before its first piece is a problem document."""
    first = await anext(pieces)

    async def all_pieces() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return CSVResponse(all_pieces(), headers=headers)


@asynccontextmanager
async def received_csv(request: Request, longest: int) -> AsyncIterator[BinaryIO]:
    """Receive a body of at most ``longest`` bytes, whose ``Content-Type`` is CSV, to import it.

    Another charset than UTF-8 is refused there, because a query parameter names the encoding. The
    place among the imports is taken once the body has arrived.

    Raise ``UnsupportedMediaType``, ``Unavailable``, or what ``body_pieces`` raises.
    """
    _, *parameters = request.headers.get("content-type", "").split(";")
    charsets = [one for one in map(str.strip, parameters) if _CHARSET.match(one)]
    if declared_type(request) != "text/csv" or not all(map(_UTF_8.fullmatch, charsets)):
        raise UnsupportedMediaType(
            "The Content-Type of the body must be text/csv, with no charset but UTF-8;"
            " the query can name another encoding."
        )
    files: FileLimits = request.app.state.files
    client = client_address(request.scope)
    with files.uploads.place(client), SpooledTemporaryFile(IN_MEMORY) as file:
        size = 0
        try:
            async for piece in body_pieces(request, longest):
                files.space.take(client, len(piece))
                size += len(piece)
                file.write(piece)
            file.seek(0)
            async with files.imports.place(client):
                yield cast(BinaryIO, file)
        finally:
            files.space.give_back(client, size)
