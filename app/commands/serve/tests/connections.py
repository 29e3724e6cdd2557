"""The server of `run` in this process, and connections on which tests send any bytes."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from http.client import HTTPResponse
from io import BytesIO
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
from starlette.types import ASGIApp
from uvicorn import Server

from app.commands.serve.run import ServiceConfig
from app.core.settings import Settings


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, settings: Settings) -> AsyncIterator[tuple[str, Server]]:
    """Serve on a free port as `run` does; yield the address and the server."""
    config = ServiceConfig(app, settings)
    config.lifespan = "off"
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = Server(config)
        serve = asyncio.ensure_future(server.serve([sock]))
        while not server.started:  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}", server
        finally:
            server.should_exit = True
            await serve


async def received(url: str, *sent: bytes) -> bytes:
    """Send some pieces on one connection; return all that the server sends until it closes it."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        for piece in sent:
            writer.write(piece)
            await asyncio.sleep(0.02)
        try:
            return await reader.read()
        finally:
            writer.close()


def parsed(answer: bytes, method: str = "GET") -> httpx.Response:
    """Parse the first response in some bytes."""

    class Received:
        def makefile(self, mode: str) -> BytesIO:
            return BytesIO(answer)

    response = HTTPResponse(cast(Any, Received()), method=method)
    response.begin()
    return httpx.Response(response.status, headers=response.getheaders(), content=response.read())
