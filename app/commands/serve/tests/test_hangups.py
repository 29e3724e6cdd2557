"""Hundreds of clients that disconnect while their requests are in flight."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.commands.tests.launcher import Launcher, launched
from app.conftest import API, lock_waiters
from app.core.limits import SHARE
from app.identity.tests.callers import ADMIN

pytestmark = pytest.mark.slow

CONNECTIONS = 4
"""Few enough that the pool keeps none for reads: all can wait for a lock."""
TRANSFERS = 3
"""The number of uploads that one client may send at once, and of exports that it may read."""
PATIENT: Any = {
    f"DB_{name}": "60"
    for name in (
        "POOL_WAIT",
        "STATEMENT_TIMEOUT",
        "LOCK_TIMEOUT",
        "IDLE_TIMEOUT",
        "COMMAND_TIMEOUT",
    )
}
"""Timeouts so long that none of them cleans up after a client that has disconnected."""

SESSIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'crossfit-api' AND datname = current_database()
"""
AT_WORK = f"{SESSIONS} AND state <> 'idle'"
RESET_AT_ONCE = struct.pack("ii", 1, 0)

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HangUp = Callable[[Stream, bytes], Awaitable[None]]


@pytest.fixture
def service(own_database: str) -> Iterator[Launcher]:
    """Run the service on the test's own database, with few connections and long timeouts."""
    with launched(
        "run",
        "--port=0",
        DATABASE_URL=own_database,
        DB_POOL_SIZE=str(CONNECTIONS),
        MAX_TRANSFERS=str(SHARE * TRANSFERS),
        MAX_IMPORTS="1",
        MAX_EXPORTS="1",
        **PATIENT,
    ) as launcher:
        assert launcher.url
        launcher.read_on()
        yield launcher
    assert launcher.process.returncode == 0
    assert "Traceback" not in launcher.output
    assert '"level":"error"' not in launcher.output


@pytest.fixture
async def api(service: Launcher) -> AsyncIterator[httpx.AsyncClient]:
    """Provide a client of the service with a long timeout."""
    async with httpx.AsyncClient(
        base_url=f"{service.url}{API}", headers=ADMIN.headers, timeout=60, trust_env=False
    ) as client:
        yield client


@pytest.fixture
async def athlete(api: httpx.AsyncClient) -> str:
    """Create some thousand athletes, and provide the id of one."""
    category = (await api.post("/categories", json={"name": "Rx"})).json()["id"]
    rows = "".join(f"M-{number},Ada {number},Rx\n" for number in range(3000))
    imported = await api.post(
        "/athletes/import",
        content=f"reference,name,category\n{rows}",
        headers={"Content-Type": "text/csv"},
    )
    assert imported.json()["created"] == 3000
    created = await api.post("/athletes", json={"name": "Mara", "category_id": category})
    return str(created.json()["id"])


def request(method: str, path: str, body: str = "", *headers: str) -> bytes:
    kind = "text/csv" if path.endswith("import") else "application/json"
    lines = [
        f"{method} {API}{path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {ADMIN.token}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *headers,
        "",
        body,
    ]
    return "\r\n".join(lines).encode()


def keyed(name: str) -> bytes:
    """Return the bytes of a create with an idempotency key, which may be retried."""
    return request("POST", "/categories", f'{{"name": "{name}"}}', f"Idempotency-Key: {name}")


def requests(athlete: str) -> list[bytes]:
    """Return the bytes of one request of each kind."""
    rows = "".join(f"N-{number},Bo {number},{uuid4()}\n" for number in range(20))
    return [
        request("GET", "/athletes?limit=100&total=true"),
        request("GET", f"/athletes/{athlete}"),
        request("PATCH", f"/athletes/{athlete}", f'{{"name": "{uuid4()}"}}'),
        request("PATCH", f"/athletes/{athlete}", '{"centre_ids": []}'),
        request("POST", "/centres", f'{{"name": "{uuid4()}"}}'),
        request("POST", "/athletes/import", f"reference,name,category\n{rows}"),
        request("GET", "/athletes/export"),
        request("DELETE", f"/athletes/{uuid4()}"),
    ]


async def at_once(stream: Stream, sent: bytes) -> None:
    stream[1].write(sent)


async def in_the_middle(stream: Stream, sent: bytes) -> None:
    stream[1].write(sent[: -max(len(sent) // 3, 1)])
    await asyncio.sleep(0)


async def after_a_moment(stream: Stream, sent: bytes) -> None:
    stream[1].write(sent)
    await asyncio.sleep(0.005)


async def in_the_answer(stream: Stream, sent: bytes) -> None:
    stream[1].write(sent)
    await stream[0].read(1)


@asynccontextmanager
async def connected(url: str, *, reset: bool) -> AsyncIterator[Stream]:
    """Connect, and disconnect at the end: by FIN, or by RST so that the service gets an error."""
    address = urlsplit(url)
    stream = await asyncio.open_connection(address.hostname, address.port)
    if reset:
        stream[1].get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE
        )
    try:
        yield stream
    finally:
        stream[1].close()
        with suppress(OSError):
            await stream[1].wait_closed()


async def hang_up(url: str, sent: bytes, when: HangUp, *, reset: bool) -> None:
    async with connected(url, reset=reset) as stream:
        await when(stream, sent)


async def at_rest(other: asyncpg.Connection) -> None:
    """Return when no session of the service runs a statement or has an open transaction."""
    async with asyncio.timeout(30):
        while await other.fetchval(AT_WORK):  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.05)


async def hold(other: asyncpg.Connection, athlete: str) -> None:
    """Lock an athlete until the end of the transaction."""
    await other.execute("SELECT 1 FROM athletes WHERE id = $1 FOR UPDATE", athlete)


async def test_clients_that_disconnect_leave_no_connection_or_stream_in_use(
    service: Launcher, api: httpx.AsyncClient, athlete: str, other: asyncpg.Connection
) -> None:
    names = [f"key-{number}" for number in range(40)]

    # Disconnect while every connection waits for a lock.
    async with other.transaction(), asyncio.TaskGroup() as clients, asyncio.timeout(30):
        await hold(other, athlete)
        gone = asyncio.Event()

        async def when_all_wait(stream: Stream, sent: bytes) -> None:
            stream[1].write(sent)
            await gone.wait()

        for number in range(15):
            sent = [*requests(athlete), keyed(names[number])]
            for one in sent:
                clients.create_task(hang_up(service.url, one, when_all_wait, reset=number % 2 == 0))
        await lock_waiters(other, CONNECTIONS)
        gone.set()
    await at_rest(other)

    # Disconnect at every moment of a request, without a lock.
    async with asyncio.TaskGroup() as clients:
        for number, name in enumerate(names):
            moments: list[HangUp] = [at_once, in_the_middle, after_a_moment, in_the_answer]
            for one in (*requests(athlete), keyed(name)):
                when = moments[number % len(moments)]
                clients.create_task(hang_up(service.url, one, when, reset=number % 3 == 0))
    await at_rest(other)

    await every_connection_is_free(api, athlete, other)
    await every_place_is_free(service.url)
    await every_keyed_create_is_done_once(api, names, other)


async def every_connection_is_free(
    api: httpx.AsyncClient, athlete: str, other: asyncpg.Connection
) -> None:
    async with other.transaction():
        await hold(other, athlete)
        changes = [
            asyncio.create_task(api.patch(f"/athletes/{athlete}", json={"name": f"Mara {number}"}))
            for number in range(CONNECTIONS)
        ]
        await lock_waiters(other, CONNECTIONS)
    answers = await asyncio.gather(*changes)
    assert [answer.status_code for answer in answers] == [200] * CONNECTIONS
    assert await other.fetchval(SESSIONS) == CONNECTIONS


async def every_place_is_free(url: str) -> None:
    body = "reference,name\nM-1,Ada\n"
    sent = request("POST", "/athletes/import", body, "Expect: 100-continue", "Connection: close")

    async def import_after_100_continue(together: asyncio.Barrier) -> bytes:
        async with connected(url, reset=False) as (reader, writer):
            writer.write(sent[: -len(body)])
            # A request that has got a place is asked for its body.
            assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
            await together.wait()
            writer.write(sent[-len(body) :])
            return await reader.read()

    async def export() -> bytes:
        async with connected(url, reset=False) as (reader, writer):
            writer.write(request("GET", "/athletes/export", "", "Connection: close"))
            return await reader.read()

    together = asyncio.Barrier(TRANSFERS)
    async with asyncio.timeout(30):
        answers = await asyncio.gather(
            *(import_after_100_continue(together) for _ in range(TRANSFERS)),
            *(export() for _ in range(TRANSFERS)),
        )
    assert all(b"HTTP/1.1 200 OK" in answer for answer in answers), answers


async def every_keyed_create_is_done_once(
    api: httpx.AsyncClient, names: list[str], other: asyncpg.Connection
) -> None:
    for name in names:
        again = await api.post(
            "/categories",
            content=f'{{"name": "{name}"}}',
            headers={"Content-Type": "application/json", "Idempotency-Key": name},
        )
        assert again.status_code == 201, again.text
    stored = await other.fetch("SELECT name FROM categories WHERE name LIKE 'key-%'")
    assert sorted(row["name"] for row in stored) == sorted(names)
