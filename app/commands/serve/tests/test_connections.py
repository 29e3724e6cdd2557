"""What a connection may hold: pipelined requests, unread responses, and time."""

import asyncio
from urllib.parse import urlsplit

import pytest
from starlette.types import Receive, Scope, Send

from app.commands.serve import http
from app.commands.serve.tests.connections import received, serving
from app.core.settings import Settings

PIPELINED = 3000
LARGE = b"x" * 2**16
LAST = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"


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


def bodies_in(answer: bytes) -> list[str]:
    """Return the bodies of some successful responses."""
    answers = answer.decode().split("HTTP/1.1 200 OK\r\n")[1:]
    return [one.partition("\r\n\r\n")[2] for one in answers]


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
        writer.write(LAST)
        answer = await reader.read()
        writer.close()

    expected = [
        f"/{number} " + (f"\n\n{number % 100:02}" if number % 3 else "")
        for number in range(PIPELINED)
    ]
    assert bodies_in(answer) == [f"{body}\n" for body in [*expected, "/last "]]


async def test_requests_after_one_that_asks_for_an_upgrade_are_read_whole() -> None:
    # A piece of the data ends in the second request, whose body looks like a request.
    body = b"\n" * 20 + b"GET /in-the-body HTTP/1.1\r\n\r\n"
    sent = (
        b"GET /first HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
        b"POST /second HTTP/1.1\r\nContent-Length: %d\r\nA: %s\r\n\r\n" % (len(body), b"b" * 200)
    ) + body
    async with serving(echo_path, Settings(_env_file=None)) as (url, _):
        answer = await received(url, sent + LAST)

    assert bodies_in(answer) == ["/first \n", f"/second {body.decode()}\n", "/last \n"]


async def test_the_rest_of_the_next_headers_may_arrive_after_a_long_response() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.5)
        await echo_path(scope, receive, send)

    async with serving(slow, Settings(_env_file=None, body_timeout=0.2)) as (url, _):
        answer = await received(
            url, b"GET /first HTTP/1.1\r\n\r\n" + LAST[:10], *15 * [b""], LAST[10:]
        )

    assert bodies_in(answer) == ["/first \n", "/last \n"]


async def test_a_trailer_that_closes_the_connection_is_honoured() -> None:
    sent = (
        b"POST /first HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nConnection: close\r\n\r\n"
    )
    async with serving(echo_path, Settings(_env_file=None)) as (url, _), asyncio.timeout(3):
        answer = await received(url, sent, LAST)

    assert bodies_in(answer) == ["/first \n"]


async def test_few_pipelined_requests_are_parsed_before_they_are_answered() -> None:
    go_on = asyncio.Event()

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        await go_on.wait()
        await echo_path(scope, receive, send)

    async with serving(waits, Settings(_env_file=None)) as (url, server), asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * PIPELINED + LAST)
        await asyncio.sleep(0.2)
        (connection,) = server.server_state.connections
        assert isinstance(connection, http.TimelyHttp)
        assert len(connection.pipeline) == http.MOST_REQUESTS - 1  # and the one in flight
        assert len(connection._unparsed) <= http.LONGEST_READ
        go_on.set()
        answer = await reader.read()
        writer.close()

    assert bodies_in(answer) == ["/ \n"] * PIPELINED + ["/last \n"]


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


async def test_an_address_gets_only_a_share_of_the_connections() -> None:
    async with serving(echo_path, Settings(_env_file=None, max_connections=8)) as (url, server):
        port = urlsplit(url).port
        open_ones = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        while len(server.server_state.connections) < 2:  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        _, writer = open_ones.pop()
        writer.close()
        while len(server.server_state.connections) > 1:  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.01)

        assert bodies_in(await received(url, LAST)) == ["/last \n"]
        open_ones.pop()[1].close()
