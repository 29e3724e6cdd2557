"""What the server of `run` adds to requests and responses."""

import asyncio
import json
import subprocess
import sys
from urllib.parse import urlsplit

import httpx
import pytest
import uvloop
from starlette.types import Receive, Scope, Send

from app.application import create_app
from app.commands.project import ROOT
from app.commands.serve.run import Stopping
from app.commands.serve.tests.connections import serving
from app.conftest import problem
from app.core.settings import Settings

FORGED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}


async def echo_client(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with the client's address and the scheme of the request."""
    body = json.dumps({"client": scope["client"][0], "scheme": scope["scheme"]}).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize(
    ("proxies", "seen"),
    [
        ((), {"client": "127.0.0.1", "scheme": "http"}),
        (("10.0.0.7",), {"client": "127.0.0.1", "scheme": "http"}),
        (("127.0.0.1",), {"client": "203.0.113.9", "scheme": "https"}),
    ],
    ids=["no proxy", "another proxy", "this proxy"],
)
async def test_forwarded_headers_are_used_only_from_a_trusted_proxy(
    proxies: tuple[str, ...], seen: dict[str, str]
) -> None:
    settings = Settings(_env_file=None, trusted_proxies=proxies, shutdown_delay=0)
    async with (
        serving(echo_client, settings) as (url, _),
        httpx.AsyncClient(trust_env=False) as client,
    ):
        response = await client.get(url, headers=FORGED)

    assert response.json() == seen
    assert "Server" not in response.headers


async def test_the_prefix_of_a_proxy_is_in_every_link() -> None:
    settings = Settings(_env_file=None, root_path="/gym", shutdown_delay=0)
    async with (
        serving(create_app(settings), settings) as (url, _),
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        for asked in ("", "/gym"):  # as from a proxy that strips the prefix, and from another
            service = await client.get(f"{asked}/", headers={"X-Forwarded-Prefix": "/evil"})
            missing = await client.get(f"{asked}/nothing%20here?x=/gym/")

            links = service.json()["links"]
            assert links["live"] == "/gym/health/live"
            assert missing.json()["instance"] == "/gym/nothing%20here"
            del links["ready"], links["keys"]  # there is no database
            assert [(await client.get(link)).status_code for link in links.values()] == [200] * 3
        longer = await client.get("/gymnasium/")

    assert longer.json()["instance"] == "/gym/gymnasium/"


async def test_the_prefix_of_a_proxy_may_begin_the_path_of_the_api() -> None:
    settings = Settings(_env_file=None, root_path="/api", shutdown_delay=0)
    async with (
        serving(create_app(settings), settings) as (url, _),
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        answers = [
            await client.put(asked) for asked in ("/api/v1/categories", "/api/api/v1/categories")
        ]

    for answer in answers:
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS, POST")
        assert answer.json()["instance"] == "/api/api/v1/categories"


async def test_a_request_that_outlasts_the_grace_period_gets_503(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = Settings(_env_file=None)
    app = create_app(settings)
    begun = asyncio.Event()

    @app.get("/slow")
    async def slow() -> None:
        begun.set()
        await asyncio.sleep(60)

    async with serving(app, settings) as (url, server):
        server.config.timeout_graceful_shutdown = 0
        async with httpx.AsyncClient(trust_env=False) as client:
            sent = asyncio.ensure_future(client.get(f"{url}/slow"))
            await begun.wait()
            assert isinstance(server.config.loaded_app, Stopping)
            server.config.loaded_app._told_to_stop.set()
            server.should_exit = True
            response = await sent

    assert problem(response) == (503, "/problems/unavailable", [])
    assert response.headers["Connection"] == "close"
    assert {record.exc_info for record in caplog.records} == {None}


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: gym", b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n"],
    ids=["nothing", "half a line", "half of the headers", "half of the second request"],
)
async def test_a_connection_with_incomplete_headers_is_closed(sent: bytes) -> None:
    settings = Settings(_env_file=None, body_timeout=0.2)
    async with serving(echo_client, settings) as (url, _), asyncio.timeout(4):
        port = urlsplit(url).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answers = (await reader.read()).count(b"HTTP/1.1 200 ")
        writer.close()

    assert answers == sent.count(b"\r\n\r\n")


async def test_a_connection_with_complete_requests_outlives_the_timeout() -> None:
    settings = Settings(_env_file=None, body_timeout=0.1)
    request = b"GET / HTTP/1.1\r\n\r\n"
    async with serving(echo_client, settings) as (url, _), asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        for _ in range(3):
            writer.write(request)
            assert await reader.readuntil(b"}") != b""
            await asyncio.sleep(0.2)
        writer.close()


def test_a_client_that_half_closes_its_connection_gets_the_response() -> None:
    async def ask() -> bytes:
        async with serving(echo_client, Settings(_env_file=None)) as (url, _), asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
            writer.write(b"GET / HTTP/1.1\r\nHost: gym\r\n\r\n")
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            return answer

    # uvloop, as in the service; asyncio's own loop detects the end of file in another order.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for _ in range(5):
            answer = runner.run(ask())

            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(b'"scheme": "http"}')


def test_a_second_signal_may_interrupt_the_handler_of_the_first() -> None:
    program = """
import asyncio, linecache, signal, sys
from app.commands.serve.run import Stopping

def interrupt(frame, event, argument):
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    if frame.f_code.co_name == "set" and event == "line" and "= True" in line:
        sys.settrace(None)
        signal.raise_signal(signal.SIGINT)
    return interrupt

async def serve():
    stopped = asyncio.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    Stopping(None, 60)
    sys.settrace(interrupt)
    signal.raise_signal(signal.SIGTERM)
    await stopped.wait()

asyncio.run(serve())
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=20)  # noqa: S603
