"""Clients of HTTP/1.0, which knows no chunks: the end of the connection is the end of the body."""

import asyncio
import csv
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from fastapi.responses import StreamingResponse

from app.application import create_app
from app.athletes.files.records import COLUMNS
from app.commands.serve.tests.connections import received, serving
from app.conftest import API, patient
from app.core.db.pool import connected
from app.core.settings import Settings
from app.identity.tests.callers import ADMIN

EXPORT = f"{API}/athletes/export"
PIECES = [b"name\r\n", b"", b"Mara\r\n", b"x" * 300_000, b"\r\n"]


@pytest.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    """Serve an app with streams: one is complete, and one fails midway."""
    settings = Settings(_env_file=None)
    app = create_app(settings)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            for piece in PIECES:
                yield piece

        return StreamingResponse(pieces())

    @app.get("/midway")
    async def midway() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half\r\n"
            await asyncio.sleep(0.05)
            raise RuntimeError("the other half")

        return StreamingResponse(pieces())

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield b"more\r\n"
                await asyncio.sleep(0.01)

        return StreamingResponse(pieces())

    async with serving(app, settings) as (url, _):
        yield url


def split(answer: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """Return the headers and the body of a response, as a client of HTTP/1.0 does."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    assert status == b"HTTP/1.1 200 OK"
    return dict(line.lower().split(b": ", 1) for line in lines), body


@pytest.mark.parametrize("head", [b"HTTP/1.0\r\n", b"HTTP/1.0\r\nConnection: keep-alive\r\n"])
async def test_a_stream_is_not_chunked_and_ends_with_the_connection(url: str, head: bytes) -> None:
    headers, body = split(await received(url, b"GET /stream " + head + b"\r\n"))

    assert body == b"".join(PIECES)
    assert headers[b"connection"] == b"close"
    assert not headers.keys() & {b"transfer-encoding", b"content-length"}


async def test_a_client_without_a_version_gets_no_chunks(url: str) -> None:
    headers, body = split(await received(url, b"GET /stream\r\n\r\n"))

    assert body == b"".join(PIECES)
    assert headers[b"connection"] == b"close"


async def test_head_of_a_stream_is_its_headers(url: str) -> None:
    get, _ = split(await received(url, b"GET /stream HTTP/1.0\r\n\r\n"))
    head, body = split(await received(url, b"HEAD /stream HTTP/1.0\r\n\r\n"))

    assert body == b""
    assert head.keys() == get.keys()
    assert head[b"connection"] == b"close"


async def test_a_response_with_a_length_keeps_it(url: str) -> None:
    for method in (b"GET", b"HEAD"):
        headers, body = split(await received(url, method + b" /health/live HTTP/1.0\r\n\r\n"))

        assert headers[b"content-length"] == b"17"
        assert body == (b'{"status":"live"}' if method == b"GET" else b"")


async def test_a_client_of_http_1_1_still_gets_chunks(url: str) -> None:
    headers, body = split(
        await received(url, b"GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    )

    assert headers[b"transfer-encoding"] == b"chunked"
    assert body.startswith(b"6\r\nname\r\n\r\n")
    assert body.endswith(b"\r\n0\r\n\r\n")


async def test_a_stream_that_fails_midway_resets_the_connection(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise a client would take it for complete."""
    with pytest.raises(ConnectionResetError):
        await received(url, b"GET /midway HTTP/1.0\r\n\r\n")

    assert "unhandled error" in caplog.messages


async def test_a_client_that_disconnects_midway_leaves_no_error(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
    writer.write(b"GET /endless HTTP/1.0\r\n\r\n")
    await reader.readuntil(b"more")

    writer.close()
    await asyncio.sleep(0.2)

    assert {record.exc_info for record in caplog.records} <= {None}


async def test_an_export_is_plain_csv(own_database: str) -> None:
    settings = patient(own_database)
    app = create_app(settings)
    async with (
        connected(settings, 1) as app.state.database,
        serving(app, settings) as (url, _),
    ):
        sent = f"GET {EXPORT} HTTP/1.0\r\nAuthorization: Bearer {ADMIN.token}\r\n\r\n"
        headers, body = split(await received(url, sent.encode()))

    assert headers[b"content-type"] == b"text/csv; charset=utf-8"
    assert list(csv.reader(body.decode().splitlines())) == [list(COLUMNS)]
