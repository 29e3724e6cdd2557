"""What a connection may hold: pipelined requests, unread responses, and time."""

import asyncio
from urllib.parse import urlsplit

import pytest
from starlette.types import Receive, Scope, Send

from app.commands.serve import http
from app.commands.serve.tests.connections import serving
from app.core.settings import Settings

PIPELINED = 3000
LARGE = b"x" * 2**16


async def echo_path(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with the path of a request and its body."""
    body = b""
    while (message := await receive()).get("more_body"):
        body += message["body"]
    body = scope["path"].encode() + b" " + body + message["body"] + b"\n"
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def respond_at_length(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-length", str(len(LARGE)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": LARGE})


@pytest.mark.parametrize("piece", [2**20, 1000, 77], ids=["at once", "1000 bytes", "77 bytes"])
async def test_pipelined_requests_are_answered_in_order(piece: int) -> None:
    async with serving(echo_path, Settings(_env_file=None)) as (url, _), asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        sent = b"".join(
            b"POST /%d HTTP/1.1\r\nContent-Length: 4\r\n\r\n\n\n%02d" % (number, number % 100)
            if number % 3
            else b"GET /%d HTTP/1.1\r\n\r\n" % number
            for number in range(PIPELINED)
        )
        for begin in range(0, len(sent), piece):
            writer.write(sent[begin : begin + piece])
        writer.write(b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()

    expected = [
        f"/{number} " + (f"\n\n{number % 100:02}" if number % 3 else "")
        for number in range(PIPELINED)
    ]
    bodies = answer.decode().split("HTTP/1.1 200 OK\r\n")[1:]
    assert [body.partition("\r\n\r\n")[2] for body in bodies] == [
        f"{body}\n" for body in [*expected, "/last "]
    ]


async def test_a_client_that_sends_requests_and_reads_nothing_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "SLOWEST", 10**9)
    settings = Settings(_env_file=None, body_timeout=0.2)
    async with serving(respond_at_length, settings) as (url, server), asyncio.timeout(10):
        # So that its own buffer does not hold all responses.
        _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port, limit=1)
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 10_000)
        while not server.server_state.connections:  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.01)
        while server.server_state.connections:  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.01)
        writer.close()


async def test_a_client_that_sends_only_line_ends_is_closed() -> None:
    settings = Settings(_env_file=None, body_timeout=0.3)
    async with serving(echo_path, settings) as (url, server), asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"/ \n")
        while not reader.at_eof():
            writer.write(b"\r\n")
            await asyncio.sleep(0.05)
            if not server.server_state.connections:
                break
        writer.close()
