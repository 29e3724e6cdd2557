"""What the server that `run` starts adds to requests and answers."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Server

from app.commands.run import ServiceConfig
from app.core.settings import Settings

FORGED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}


async def who_asks(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what a request says of its client."""
    body = json.dumps({"client": scope["client"][0], "scheme": scope["scheme"]}).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """Serve on a free port as `run` does, and give the address."""
    config = ServiceConfig(who_asks, settings)
    config.lifespan = "off"
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = Server(config)
        serve = asyncio.ensure_future(server._serve([sock]))
        while not server.started:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        server.should_exit = True
        await serve


@pytest.mark.parametrize(
    ("proxies", "seen"),
    [
        ((), {"client": "127.0.0.1", "scheme": "http"}),
        (("10.0.0.7",), {"client": "127.0.0.1", "scheme": "http"}),
        (("127.0.0.1",), {"client": "203.0.113.9", "scheme": "https"}),
    ],
    ids=["no proxy", "another proxy", "this proxy"],
)
async def test_only_a_proxy_that_is_configured_is_believed(
    proxies: tuple[str, ...], seen: dict[str, str]
) -> None:
    settings = Settings(_env_file=None, trusted_proxies=proxies, shutdown_delay=0)
    async with serving(settings) as url, httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(url, headers=FORGED)

    assert response.json() == seen
    assert "Server" not in response.headers
