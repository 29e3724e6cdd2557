"""Stopping the service while it is under load."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.commands.tests.launcher import Launcher, launched, living
from app.conftest import API, Json
from app.identity.tests.callers import ADMIN, PASSWORD

pytestmark = pytest.mark.slow

CLIENTS = 24
UNDER_LOAD = 300
"""The number of responses before the service gets the stop signal."""
IN_TIME = "2"
"""Seconds in which every client gets a ``Connection: close``, also on a busy machine."""
FOREVER = "600"


class Load:
    """Clients that read and write, one request after the other, until the service is not ready."""

    def __init__(self, service: Launcher, login: Json | None = None) -> None:
        self._login = login
        limits = httpx.Limits(max_connections=CLIENTS + 1)
        self._http = httpx.AsyncClient(
            base_url=service.url,
            headers=service.headers,
            limits=limits,
            timeout=30,
            trust_env=False,
        )
        self.answers = 0
        self.acknowledged: list[str] = []
        self.farewells = 0
        """The number of responses with ``Connection: close``."""
        self.lost: list[str] = []
        """Descriptions of wrong responses and of requests without a response."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the clients; end when all of them have stopped."""
        async with self._http, asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(self._client())
            if self._login:
                clients.create_task(self._client_that_logs_in(self._login))
            while self.answers < UNDER_LOAD:  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(0.01)
            yield

    async def _client(self) -> None:
        while True:
            name = str(uuid4())
            stays = await self._get(f"{API}/categories?limit=5") and await self._create(name)
            if not stays and not await self.is_ready():
                return

    async def _client_that_logs_in(self, login: Json) -> None:
        stays = True
        while stays or await self.is_ready():
            request = self._http.build_request("POST", f"{API}/sessions", json=login)
            stays = await self._keeps_connection(request, 201)

    async def _get(self, path: str) -> bool:
        return await self._keeps_connection(self._http.build_request("GET", path), 200)

    async def _create(self, name: str) -> bool:
        path, key = f"{API}/categories", {"Idempotency-Key": name}
        create = self._http.build_request("POST", path, json={"name": name}, headers=key)
        return await self._keeps_connection(create, 201, name)

    async def _keeps_connection(self, request: httpx.Request, status: int, name: str = "") -> bool:
        """Send a request; return whether the service keeps the connection open."""
        try:
            answer = await self._http.send(request)
        except httpx.ConnectError:
            return False
        except httpx.HTTPError as error:
            self.lost.append(f"{request.method}: {error!r}")
            return False
        if answer.status_code != status:
            self.lost.append(f"{request.method}: {answer.status_code} {answer.text}")
        elif name:
            self.acknowledged.append(name)
        self.answers += 1
        farewell = answer.headers.get("Connection") == "close"
        self.farewells += farewell
        return not farewell

    async def is_ready(self) -> bool:
        """Check readiness as a load balancer does: on a new connection; no response means no."""
        try:
            answer = await self._http.get("/health/ready", headers={"Connection": "close"})
        except httpx.TransportError:
            return False
        assert answer.status_code in {200, 503}
        return answer.status_code == 200

    async def until_not_ready(self) -> None:
        while await self.is_ready():  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.01)

    async def served_while_not_ready(self) -> None:
        """Wait until the service is not ready, then check that it still serves requests."""
        await self.until_not_ready()
        before = self.farewells
        assert not await self._create(str(uuid4()))
        assert self.farewells > before


async def stop_under_load(launcher: Launcher, login: Json | None = None) -> list[str]:
    """Send TERM to the service under load; return the names of acknowledged categories."""
    load = Load(launcher, login)
    launcher.read_on()
    async with load.running():
        os.kill(launcher.process.pid, signal.SIGTERM)
        await load.served_while_not_ready()
    assert load.lost == []
    assert load.farewells >= CLIENTS
    return load.acknowledged


async def test_workers_that_stop_under_load_lose_no_request(data_dir: str) -> None:
    arguments = "run", "--workers=2", "--port=0"
    with launched(*arguments, DATA_DIR=data_dir, SHUTDOWN_DELAY=IN_TIME) as launcher:
        assert launcher.url
        family = launcher.family()
        acknowledged = await stop_under_load(launcher)
        assert await asyncio.to_thread(launcher.ended) == 0
    assert living(family) == []
    assert "Traceback" not in launcher.output

    # INT to the launcher alone stops the workers too, without a delay.
    with launched(*arguments, DATA_DIR=data_dir, SHUTDOWN_DELAY=FOREVER) as launcher:
        found = names(launcher)
        assert await asyncio.to_thread(launcher.stop, signal.SIGINT) == 0
    assert "Traceback" not in launcher.output

    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))


async def test_one_process_that_stops_under_load_loses_no_request(
    own_database: str, other: asyncpg.Connection
) -> None:
    login = {"email": ADMIN.email, "password": PASSWORD}
    with launched("run", "--port=0", DATABASE_URL=own_database, SHUTDOWN_DELAY=FOREVER) as launcher:
        acknowledged = await stop_under_load(launcher, login)
        assert await asyncio.to_thread(launcher.stop, signal.SIGTERM) == 0
    assert "Traceback" not in launcher.output

    found = [row["name"] for row in await other.fetch("SELECT name FROM categories")]
    assert set(acknowledged) <= set(found)


async def test_a_pause_of_the_process_does_not_use_up_the_delay(own_database: str) -> None:
    with launched("run", "--port=0", DATABASE_URL=own_database, SHUTDOWN_DELAY="1") as launcher:
        url, service = launcher.url, launcher.process.pid
        os.kill(service, signal.SIGTERM)
        await not_ready(url)
        os.kill(service, signal.SIGSTOP)
        await asyncio.sleep(1.2)
        os.kill(service, signal.SIGCONT)
        await asyncio.sleep(0.2)

        await not_ready(url)
        assert await asyncio.to_thread(launcher.ended) == 0


def names(service: Launcher) -> list[str]:
    """Read the names of all categories."""
    found: list[str] = []
    following = f"{API}/categories?limit=100"
    with httpx.Client(base_url=service.url, headers=service.headers, trust_env=False) as client:
        while following:
            page = client.get(following).json()
            found += [category["name"] for category in page["items"]]
            following = page["next"]
    return found


async def test_sigterm_to_all_processes_counts_once_and_another_skips_the_delay(
    own_database: str,
) -> None:
    arguments = "run", "--workers=2", "--port=0"
    with launched(*arguments, DATABASE_URL=own_database, SHUTDOWN_DELAY=FOREVER) as launcher:
        url = launcher.url
        launcher.read_on()

        os.killpg(launcher.process.pid, signal.SIGTERM)  # as systemd does
        await until_workers_have_the_signal(launcher)

        await not_ready(url)
        assert await asyncio.to_thread(launcher.stop, signal.SIGTERM) == 0

    assert "Traceback" not in launcher.output


async def until_workers_have_the_signal(launcher: Launcher) -> None:
    """Return when the launcher has passed the signal on, and the workers had time to act on it."""
    async with asyncio.timeout(30):
        while launcher.output.count("Terminated child process") < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)


async def not_ready(url: str) -> None:
    """Return when the readiness check answers 503."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client, asyncio.timeout(30):
        while (await client.get("/health/ready")).status_code != 503:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
