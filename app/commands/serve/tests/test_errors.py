"""Errors made outside of the router: each is a problem document with the headers of all others."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import Request

from app.application import EXPOSED_HEADERS, create_app
from app.commands.data.targets import ThisCommand
from app.commands.serve.http import LONGEST_HEADERS, LONGEST_URL, MOST_HEADERS
from app.commands.serve.run import Stopping
from app.commands.serve.tests.connections import parsed, received, serving
from app.conftest import API
from app.core.settings import Settings, get_settings

ORIGIN = "https://gym.example"
# The last header before an error is not known, because the next line might have continued it.
NO_TOKEN = b"\r\nHost: gym.example\r\nOrigin: https://gym.example\r\nX-Request-ID: the-one\r\n"
HEAD = NO_TOKEN + b"Authorization: Bearer any\r\nX: y\r\n"
JSON = b"Content-Type: application/json\r\n"
CLOSE = HEAD + b"Connection: close\r\n"
POST = f"POST {API}/categories HTTP/1.1".encode()
CHUNKED = POST + HEAD + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
LONG = b"x" * 2**20

REQUESTS: dict[str, tuple[int, str, bytes]] = {
    "an unknown path": (404, "not-found", b"GET /nothing HTTP/1.1" + CLOSE + b"\r\n"),
    "a file of the docs that does not exist": (
        *(404, "not-found"),
        b"GET /static-offline-docs/x HTTP/1.1" + CLOSE + b"\r\n",
    ),
    "an unsupported method": (405, "method-not-allowed", b"PUT / HTTP/1.1" + CLOSE + b"\r\n"),
    "a path that is not UTF-8": (400, "malformed-request", b"GET /%E9 HTTP/1.1" + CLOSE + b"\r\n"),
    "another host": (
        *(421, "untrusted-host"),
        b"GET / HTTP/1.1" + CLOSE.replace(b"Host: gym", b"Host: other") + b"\r\n",
    ),
    "no host": (
        *(421, "untrusted-host"),
        b"GET / HTTP/1.1" + CLOSE.replace(b"Host:", b"No-Host:") + b"\r\n",
    ),
    "a bug": (500, "internal-error", b"GET /bug HTTP/1.1" + CLOSE + b"\r\n"),
    "no token": (
        *(401, "unauthenticated"),
        POST + NO_TOKEN + JSON + b"Connection: close\r\nContent-Length: 1\r\n\r\n{",
    ),
    "a body that is too long": (
        *(413, "content-too-large"),
        POST + CLOSE + JSON + b"Content-Length: 999999\r\n\r\n",
    ),
    "a body that does not arrive": (
        *(408, "body-timeout"),
        POST + CLOSE + JSON + b"Content-Length: 9\r\n\r\n",
    ),
    "a body of another type": (
        *(415, "unsupported-media-type"),
        POST + CLOSE + b"Content-Length: 2\r\n\r\n{}",
    ),
    "a compressed body": (
        *(415, "unsupported-media-type"),
        POST + CLOSE + JSON + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    ),
    "a body that is not JSON": (
        *(400, "malformed-body"),
        POST + CLOSE + JSON + b"Content-Length: 1\r\n\r\n{",
    ),
    "a chunk without a size": (400, "malformed-body", CHUNKED + b"zz\r\n"),
    "two lengths": (
        *(400, "malformed-request"),
        POST + HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    ),
    "a header without a colon": (
        *(400, "malformed-request"),
        b"GET / HTTP/1.1" + HEAD + b"colon\r\n\r\n",
    ),
    "a URL that is too long": (
        *(414, "uri-too-long"),
        b"GET /?" + LONG[: LONGEST_URL - 1] + b" HTTP/1.1" + CLOSE + b"\r\n",
    ),
    "headers that are too long": (
        *(431, "headers-too-large"),
        b"GET / HTTP/1.1" + CLOSE + b"X: " + LONG[:LONGEST_HEADERS] + b"\r\n\r\n",
    ),
    "too many headers": (
        *(431, "headers-too-large"),
        b"GET / HTTP/1.1" + CLOSE + b"X: y\r\n" * MOST_HEADERS + b"\r\n",
    ),
    "small headers that do not end": (
        *(431, "headers-too-large"),
        b"GET / HTTP/1.1" + HEAD + b"X: y\r\n" * 50_000,
    ),
    "too many trailers": (
        *(431, "headers-too-large"),
        CHUNKED + b"0\r\n" + b"X: y\r\n" * (MOST_HEADERS + 50),
    ),
    "a trailer that does not end": (431, "headers-too-large", CHUNKED + b"0\r\nX: " + LONG),
    "headers that do not end": (431, "headers-too-large", b"GET / HTTP/1.1" + HEAD + b"X: " + LONG),
}
"""Requests with an Origin and a request ID; the status and the type of the response."""

NOT_HTTP: dict[str, tuple[int, str, bytes]] = {
    "an invented method": (400, "malformed-request", b"BREW / HTTP/1.1" + HEAD + b"\r\n"),
    "a handshake of TLS": (400, "malformed-request", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"),
    "a URL beyond ASCII": (400, "malformed-request", "GET /é HTTP/1.1\r\n\r\n".encode()),
    "a URL that does not end": (414, "uri-too-long", b"GET /" + LONG),
    "empty lines that do not end": (431, "headers-too-large", b"\r\n" * 2**19),
}
"""Requests whose headers are not known when they are rejected."""


@pytest.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    """Serve an app that allows one origin and one host; it has no database."""
    settings = Settings(
        _env_file=None,
        cors_origins=(ORIGIN,),
        trusted_hosts=("gym.example",),
        body_timeout=0.5,
        fast_path=get_settings().fast_path,
    )
    app = create_app(settings)
    app.state.callers, app.state.database = ThisCommand(), None

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError

    async with serving(app, settings) as (url, _):
        yield url


def check(response: httpx.Response, status: int, slug: str) -> None:
    """Assert that a response is a problem document with the headers of every response."""
    body = response.json()
    assert (response.status_code, body["type"]) == (status, f"/problems/{slug}")
    assert body["status"] == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Request-ID"] == body["request_id"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Vary"] == "Origin"
    assert response.headers["Connection"] == "close"


@pytest.mark.parametrize("name", REQUESTS)
async def test_every_error_has_the_headers_of_all_others(url: str, name: str) -> None:
    status, slug, sent = REQUESTS[name]

    response = parsed(await received(url, sent))

    check(response, status, slug)
    assert response.headers["X-Request-ID"] == "the-one"
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert response.headers["Access-Control-Expose-Headers"] == ", ".join(EXPOSED_HEADERS)


@pytest.mark.parametrize("name", NOT_HTTP)
async def test_what_is_not_http_gets_the_headers_that_need_no_request(url: str, name: str) -> None:
    status, slug, sent = NOT_HTTP[name]

    response = parsed(await received(url, sent))

    check(response, status, slug)
    assert len(response.headers["X-Request-ID"]) == 32
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_preflight_to_another_host_is_answered_so_that_the_page_sees_the_421(
    url: str,
) -> None:
    headers = {"Host": "other.example", "Origin": ORIGIN}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as page:
        preflight = await page.options("/", headers={"Access-Control-Request-Method": "PATCH"})
        response = await page.patch("/")
        elsewhere = await page.get("/", headers={"Origin": "https://else.example"})

    assert (preflight.status_code, preflight.content) == (204, b"")
    for allowed in (preflight, response):
        assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert response.status_code == elsewhere.status_code == 421
    assert "Access-Control-Allow-Origin" not in elsewhere.headers
    assert elsewhere.headers["Vary"] == "Origin"


async def test_a_request_cut_off_by_the_shutdown_has_the_headers_too() -> None:
    settings = Settings(_env_file=None, cors_origins=(ORIGIN,))
    app = create_app(settings)
    begun = asyncio.Event()

    @app.get("/slow")
    async def slow(request: Request) -> None:
        begun.set()
        await asyncio.sleep(60)

    async with serving(app, settings) as (url, server):
        server.config.timeout_graceful_shutdown = 0
        sent = asyncio.ensure_future(received(url, b"GET /slow HTTP/1.1" + HEAD + b"\r\n"))
        await begun.wait()
        assert isinstance(server.config.loaded_app, Stopping)
        server.config.loaded_app._told_to_stop.set()
        server.should_exit = True
        response = parsed(await sent)

    check(response, 503, "unavailable")
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN


class TestOrder:
    """Errors of the parser among pipelined requests."""

    LIVE = b"GET /health/live HTTP/1.1\r\nHost: gym.example\r\n\r\n"

    async def statuses(self, url: str, *sent: bytes) -> list[int]:
        """Return the status codes of all responses on a connection that the server closes."""
        lines = (await received(url, *sent)).split(b"HTTP/1.1 ")[1:]
        return [int(line[:3]) for line in lines]

    async def test_a_broken_request_is_answered_after_those_in_flight(self, url: str) -> None:
        sent = self.LIVE * 3 + b"BREW / HTTP/1.1\r\nHost: gym.example\r\n\r\n" + self.LIVE

        assert await self.statuses(url, sent) == [200, 200, 200, 400]

    async def test_a_broken_chunk_is_noticed_while_the_body_is_read(self, url: str) -> None:
        assert await self.statuses(url, CHUNKED, b"1\r\n{\r\n", b"zz\r\n", self.LIVE) == [400]

    async def test_a_broken_chunk_after_the_response_only_closes_the_connection(
        self, url: str
    ) -> None:
        sent = CHUNKED.replace(b"X: y", b"Content-Encoding: br")

        assert await self.statuses(url, sent, b"zz\r\n", self.LIVE) == [415]

    async def test_a_connection_continues_after_a_long_url_or_long_headers(self, url: str) -> None:
        long_url = b"GET /" + LONG[:70_000] + b" HTTP/1.1" + HEAD + b"\r\n"
        long_header = b"GET / HTTP/1.1" + HEAD + b"X: " + LONG[:150_000] + b"\r\n\r\n"
        last = b"GET /health/live HTTP/1.1" + CLOSE + b"\r\n"

        assert await self.statuses(url, long_url, long_header, last) == [414, 431, 200]

    @pytest.mark.parametrize("length", [LONGEST_HEADERS - 200, LONGEST_HEADERS - 20_000])
    async def test_headers_within_the_limit_are_read_after_a_long_body(
        self, url: str, length: int
    ) -> None:
        body = POST + HEAD + JSON + b"Content-Length: 60000\r\n\r\n" + b" " * 60_000
        last = b"GET /health/live HTTP/1.1" + CLOSE + b"X: " + LONG[:length] + b"\r\n\r\n"

        assert await self.statuses(url, body * 3 + last) == [400, 400, 400, 200]

    async def test_the_longest_url_is_read(self, url: str) -> None:
        sent = b"GET /" + LONG[: LONGEST_URL - 1] + b" HTTP/1.1" + CLOSE + b"\r\n"

        response = parsed(await received(url, sent))

        assert response.status_code == 404
        assert len(response.json()["instance"]) == LONGEST_URL
