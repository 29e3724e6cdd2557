"""Attacks on a service of its own: what one client can take from the others.

Each attack is bounded in count and time, and talks to this machine only. It says what it saw, and
whether the service held: memory stays within a limit and comes back, other clients are served, and
what is too much is refused.
"""

import asyncio
import re
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg
import httpx
import psutil

from app.commands.database import database_url, migrate_to_head
from app.commands.identity import admin_token
from app.commands.postgres.embedded import temporary_postgres
from app.commands.prove.service import NotStarted, Running, running_service
from app.commands.signals import run_until_stopped
from app.core.http.bodies import SLOWEST
from app.core.settings import get_settings

TIMEOUT = 1
"""The service's ``BODY_TIMEOUT`` in seconds: an attack must outlast it."""
MOST_KEYS = 200
SETTINGS = {"BODY_TIMEOUT": str(TIMEOUT), "MAX_KEYS_PER_ACCOUNT": str(MOST_KEYS)}
MB = 10**6
GROWTH = 40 * MB
"""The memory of all workers may grow by this under one attack."""
PATIENCE = 15.0
"""Seconds after which a connection that should be closed counts as open."""
CSV = {"Content-Type": "text/csv"}
ATHLETES = 20_000
READERS = 16
SEARCHERS = 60
ROUNDS = 3
QUIET = 3.0
"""Seconds of reads, with and without the searching clients."""
LOGINS = 50
MEMORY_OF_LOGINS = 150 * MB
"""Four threads of two workers keep 19 MiB each."""
LOGIN_TIME = 1.0
"""Seconds of reads beside the logins: about as long as these take."""
SLOWER = 3.0
"""The 99th percentile of reads may grow by this factor."""


LENGTH = re.compile(rb"content-length: (\d+)")

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Outcome(NamedTuple):
    """What an attack saw, and whether the service held."""

    held: bool
    seen: str


@dataclass(frozen=True)
class Target:
    """The service that is attacked."""

    running: Running
    api: str
    """The URL of its API."""
    token: str
    """The token of an administrator, whom all clients act for."""

    def client(self) -> httpx.AsyncClient:
        """Make a client of the API, for requests of honest users."""
        limits = httpx.Limits(max_connections=None)
        return httpx.AsyncClient(
            base_url=self.api,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
            trust_env=False,
            limits=limits,
        )

    def head(self, request: str) -> str:
        """Return the first headers of a request to the API, such as ``GET /athletes``."""
        method, path = request.split(" ")
        return (
            f"{method} {urlsplit(self.api).path}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {self.token}\r\n"
        )

    def memory(self) -> int:
        """Return the resident memory of all processes of the service in bytes."""
        total = 0
        for process in self.running.family():
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Stream]:
        """Open a connection to the service, with small buffers here."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", urlsplit(self.api).port))
        reader, writer = await asyncio.open_connection(sock=sock)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def get(self, stream: Stream, path: str) -> int:
        """Get a path of the API on a connection, with little work here; return the status."""
        reader, writer = stream
        writer.write(f"{self.head(f'GET {path}')}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = LENGTH.search(head)
        assert length
        await reader.readexactly(int(length[1]))
        return int(head.split(b" ", 2)[1])


Attack = Callable[[Target], Awaitable[Outcome]]


class Memory:
    """The memory of a service: before an attack, at most during it, and after it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._before = self._most = target.memory()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch the memory during an attack."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(0.05)

    async def look(self) -> None:
        """Look at the memory once."""
        self._most = max(self._most, await asyncio.to_thread(self._target.memory))

    def outcome(self, others: bool, seen: str, limit: int = GROWTH) -> Outcome:
        """Return the outcome: the memory has grown by less than a limit, and ``others`` holds."""
        after = self._target.memory() - self._before
        most = max(self._most - self._before, after)
        grown = f"{most / MB:.0f} MB more memory at most, {after / MB:.0f} MB afterwards"
        return Outcome(others and most < limit, f"{seen}; {grown}")


async def unread_pipelining(target: Target) -> Outcome:
    """Pipeline 400 000 requests on one connection, 20 000 on 20 others, and read nothing."""
    # A long response, to fill the buffers between the two quickly.
    request = b"GET /static-offline-docs/swagger-ui.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    memory = Memory(target)

    async def pipeline(number: int) -> bool:
        async with target.connection() as (_, writer):
            return await _is_closed(writer, request * number)

    async with memory.watched():
        closed = await asyncio.gather(pipeline(400_000), *(pipeline(20_000) for _ in range(20)))
    return memory.outcome(all(closed), f"{sum(closed)} of {len(closed)} connections closed")


async def endless_headers(target: Target) -> Outcome:
    """Send 20 MB of headers on one connection, and of trailers on another."""
    header = b"X: " + b"y" * 1000 + b"\r\n"
    get = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    post = (
        target.head("POST /categories")
        + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    ).encode()
    memory = Memory(target)

    async def refused(begin: bytes) -> bool:
        async with target.connection() as (reader, writer):
            writer.write(begin + header * 20_000)
            try:
                async with asyncio.timeout(PATIENCE):
                    return (await reader.readexactly(12)).endswith(b" 431")
            except (OSError, EOFError, TimeoutError):
                return False

    async with memory.watched():
        answers = [await refused(begin) for begin in (get, post)]
    return memory.outcome(all(answers), f"{sum(answers)} of {len(answers)} refused with 431")


async def slow_uploads(target: Target) -> Outcome:
    """Hold 40 uploads open just above the minimum rate; meanwhile, others import and export."""
    head = (
        target.head("POST /athletes/import") + "Content-Type: text/csv\r\n"
        "Content-Length: 60000000\r\n\r\nreference,name,category\n"
    ).encode()
    memory = Memory(target)
    begun = asyncio.Semaphore(0)

    async def upload() -> None:
        async with target.connection() as (_, writer):
            writer.write(head)
            begun.release()
            while True:
                writer.write(b"slow,Slow,Slow\n" * (SLOWEST // 10 // 15 + 20))
                await asyncio.sleep(0.1)

    async with memory.watched(), target.client() as client:
        uploads = [asyncio.create_task(upload()) for _ in range(40)]
        for _ in uploads:
            await begun.acquire()
        await asyncio.sleep(TIMEOUT)
        exports = [await client.get("/athletes/export") for _ in range(10)]
        row = "reference,name,category\nattack,Ada,Attack\n"
        imports = [
            await client.post("/athletes/import", content=row, headers=CSV) for _ in range(2)
        ]
        for task in uploads:
            task.cancel()
        await asyncio.wait(uploads)
    statuses = Counter(answer.status_code for answer in [*exports, *imports])
    return memory.outcome(
        set(statuses) == {200}, f"10 exports and 2 imports by others: {_counted(statuses)}"
    )


async def endless_keys(target: Target) -> Outcome:
    """Create with more idempotency keys than one account may store, many at once."""
    async with target.client() as client:

        async def create(number: int) -> int:
            name = f"key-{number}"
            headers = {"Idempotency-Key": name}
            return (
                await client.post("/categories", json={"name": name}, headers=headers)
            ).status_code

        statuses: Counter[int] = Counter()
        for begin in range(0, 2 * MOST_KEYS, 16):
            statuses.update(
                await asyncio.gather(*(create(number) for number in range(begin, begin + 16)))
            )
    stored = statuses[201]
    return Outcome(
        # Each of the two workers may exceed the limit by a hundredth.
        MOST_KEYS <= stored <= MOST_KEYS * 1.02 and set(statuses) == {201, 429},
        f"limit {MOST_KEYS}: {_counted(statuses)}",
    )


async def searching_clients(target: Target) -> Outcome:
    """Search by a part of a name with 60 clients, and time the reads of 16 others."""
    async with target.client() as client:
        rows = "".join(f"search-{number},Athlete {number},Rx\n" for number in range(ATHLETES))
        content = "reference,name,category\n" + rows
        imported = await client.post("/athletes/import", content=content, headers=CSV)
        imported.raise_for_status()
        found = await client.get("/athletes", params={"limit": 1})
    path = f"/athletes/{found.json()['items'][0]['id']}"
    answers: Counter[int] = Counter()

    async def search() -> None:
        async with target.connection() as stream:
            while True:
                answers[await target.get(stream, "/athletes?name=nobody+has+this+name")] += 1

    rounds: list[tuple[Times, Times]] = []
    for _ in range(ROUNDS):
        quiet = await _times(target, path)
        searches = [asyncio.create_task(search()) for _ in range(SEARCHERS)]
        await asyncio.sleep(1)
        rounds.append((quiet, await _times(target, path)))
        for task in searches:
            task.cancel()
        await asyncio.wait(searches)
    quiet, busy = _usual(rounds)
    seen = (
        f"reads p99 {quiet.p99:.1f} ms quiet, {busy.p99:.1f} ms under {SEARCHERS} searching clients"
        f" (p50 {quiet.p50:.1f} and {busy.p50:.1f}); searches: {_counted(answers)}"
    )
    return Outcome(busy.p99 <= SLOWER * quiet.p99, seen)


async def many_logins(target: Target) -> Outcome:
    """Log in 50 times at once with unknown addresses, and time the reads of 16 others."""
    path = "/categories"
    memory = Memory(target)
    statuses: Counter[int] = Counter()

    async def log_in(number: int) -> None:
        body = f'{{"email": "nobody-{number}@attack.example", "password": "a wrong password"}}'
        head = (
            f"{target.head('POST /sessions')}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        async with target.connection() as (reader, writer):
            writer.write(f"{head}{body}".encode())
            statuses[int((await reader.readline()).split()[1])] += 1

    rounds: list[tuple[Times, Times]] = []
    async with memory.watched():
        for _ in range(ROUNDS):
            quiet = await _times(target, path, LOGIN_TIME)
            await _forget_logins()
            logins = [asyncio.create_task(log_in(number)) for number in range(LOGINS)]
            rounds.append((quiet, await _times(target, path, LOGIN_TIME)))
            await asyncio.gather(*logins)
    quiet, busy = _usual(rounds)
    seen = (
        f"reads p99 {quiet.p99:.1f} ms quiet, {busy.p99:.1f} ms during {LOGINS} logins at once"
        f" (p50 {quiet.p50:.1f} and {busy.p50:.1f}); logins: {_counted(statuses)}"
    )
    held = busy.p99 <= 2 * quiet.p99 and set(statuses) == {401}
    return memory.outcome(held, seen, MEMORY_OF_LOGINS)


async def _forget_logins() -> None:
    """Forget all attempts to log in, so that none is delayed."""
    connection = await asyncpg.connect(get_settings().database_url)
    await connection.execute("DELETE FROM login_limits")
    await connection.close()


class Times(NamedTuple):
    """Percentiles of the times of reads, in milliseconds."""

    p50: float
    p99: float


def _usual(rounds: list[tuple[Times, Times]]) -> tuple[Times, Times]:
    """Return the median round, because other processes of this machine disturb single ones."""
    return sorted(rounds, key=lambda pair: pair[1].p99 / pair[0].p99)[len(rounds) // 2]


async def _times(target: Target, path: str, seconds: float = QUIET) -> Times:
    """Read a path for a while with some clients, each one request after the other."""
    taken: list[float] = []
    end = time.monotonic() + seconds

    async def read() -> None:
        async with target.connection() as stream:
            while time.monotonic() < end:
                begin = time.perf_counter()
                assert await target.get(stream, path) == 200
                taken.append((time.perf_counter() - begin) * 1000)

    await asyncio.gather(*(read() for _ in range(READERS)))
    return Times(statistics.median(taken), statistics.quantiles(taken, n=100)[98])


async def _is_closed(writer: asyncio.StreamWriter, data: bytes) -> bool:
    """Send data, and return whether the service closes the connection in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write(data)
            await writer.drain()
            while not writer.transport.is_closing():
                writer.write(b"\r\n")  # as nothing is read, only a write notices the end
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def _counted(statuses: Counter[int]) -> str:
    return ", ".join(f"{number} x {status}" for status, number in sorted(statuses.items()))


ATTACKS: tuple[Attack, ...] = (
    unread_pipelining,
    endless_headers,
    slow_uploads,
    endless_keys,
    searching_clients,
    many_logins,
)


@contextmanager
def attacked_service() -> Iterator[Target]:
    """Run a service to attack, with a database of its own; raise ``NotStarted``."""
    with temporary_postgres() as server, database_url(server.url()):
        migrate_to_head()
        token = admin_token("admin@attack.example")
        with (
            tempfile.TemporaryFile("a+", errors="replace") as log,
            running_service(log, "--workers=2", **SETTINGS) as running,
        ):
            yield Target(running, running.url + get_settings().api_v1_prefix, token)


def run_attacks() -> int:
    """Run all attacks, print a line for each, and return 1 if the service did not hold."""
    try:
        with attacked_service() as target:
            print(f"attacks on {target.api}", flush=True)
            return int(not run_until_stopped(_attack(target)))
    except NotStarted as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


async def _attack(target: Target) -> bool:
    held = True
    for attack in ATTACKS:
        outcome = await attack(target)
        name = attack.__name__.replace("_", " ")
        print(f"{'held' if outcome.held else 'FELL'}: {name}: {outcome.seen}", flush=True)
        held = held and outcome.held
    return held
