"""Timeouts and size limits: bodies, locks, the pool's queue, statements and streams."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from httpx import AsyncClient, Response

from app.conftest import (
    API,
    Json,
    client_of,
    lock_waiters,
    patient,
    problem,
    served,
    unavailable,
)
from app.core.db.pool import connected
from app.core.db.statements import Statement
from app.core.db.transactions import Database, Transaction
from app.core.errors import Unavailable
from app.core.limits import FairLimit, Limit, PacedLimit
from app.core.settings import Settings
from app.identity.tests.callers import RAW_HEADERS

JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}
BUSY = "The service is busy; try again."
SLEEP = Statement(sa.text("SELECT pg_sleep(:seconds)"))


async def half() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.sleep(60)


async def drops() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.01)


class TestBody:
    LONGEST = 64 * 1024

    def body(self, length: int) -> bytes:
        return b'{"name": "Rx"' + b" " * (length - 14) + b"}"

    @pytest.mark.parametrize("declared", [True, False])
    async def test_the_longest_body_is_accepted_and_one_byte_more_is_refused(
        self, client: AsyncClient, declared: bool
    ) -> None:
        for length, status in ((self.LONGEST + 1, 413), (self.LONGEST, 201)):
            body = self.body(length)
            response = await client.post(
                f"{API}/categories",
                content=body if declared else in_pieces(body),
                headers=JSON,
            )

            assert response.status_code == status
            if status == 413:
                assert problem(response) == (413, "/problems/content-too-large", [])

    async def test_a_declared_length_over_the_limit_is_refused_without_reading(
        self, client: AsyncClient
    ) -> None:
        async def never() -> AsyncIterator[bytes]:
            raise AssertionError("the body was read")
            yield b""

        headers = JSON | {"Content-Length": "20000000"}
        response = await client.post(f"{API}/categories", content=never(), headers=headers)

        assert problem(response) == (413, "/problems/content-too-large", [])

    async def test_a_streamed_body_is_read_only_up_to_the_limit(self, client: AsyncClient) -> None:
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            while True:
                sent += 1000
                yield b" " * 1000

        response = await client.post(f"{API}/categories", content=endless(), headers=JSON)

        assert problem(response) == (413, "/problems/content-too-large", [])
        assert sent <= self.LONGEST + 1000

    @pytest.mark.parametrize(("path", "headers"), [("categories", JSON), ("athletes/import", CSV)])
    @pytest.mark.parametrize("body", [half, drops], ids=["half", "in drops"])
    async def test_a_body_that_is_incomplete_at_the_timeout_gets_408(
        self,
        app: FastAPI,
        client: AsyncClient,
        monkeypatch: pytest.MonkeyPatch,
        body: Callable[[], AsyncIterator[bytes]],
        path: str,
        headers: dict[str, str],
    ) -> None:
        monkeypatch.setattr(app.state.settings, "body_timeout", 0.2)

        response = await client.post(f"{API}/{path}", content=body(), headers=headers)

        assert problem(response) == (408, "/problems/body-timeout", [])


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for begin in range(0, len(body), 10_000):
        yield body[begin : begin + 10_000]


Limited = Callable[..., Settings]


@pytest.fixture
def limited(own_database: str) -> Limited:
    """Provide settings with the given limits, and other timeouts long enough for any machine."""
    return lambda **limits: patient(own_database).model_copy(update=limits)

    async def test_bodies_that_arrive_at_once_have_a_limit_together(self, limited: Limited) -> None:
        go_on = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b'{"name": "Rx"' + b" " * 5000
            await go_on.wait()
            yield b"}"

        async with served(limited(max_body_space=4 * 6000), 2) as client:
            url = f"{API}/categories"
            first = asyncio.ensure_future(client.post(url, content=slow(), headers=JSON))
            await asyncio.sleep(0.05)
            refused = await client.post(url, content=b" " * 5000 + b"{}", headers=JSON)
            small = await client.post(url, json={"name": "small"})
            go_on.set()

            assert unavailable(refused) == BUSY
            assert small.status_code == 201
            assert (await first).status_code == 201
            again = await client.post(url, content=b" " * 5000 + b'{"name": "y"}', headers=JSON)
            assert again.status_code == 201


class TestWaiting:
    async def rename(self, client: AsyncClient, category: Json, name: str) -> Response:
        return await client.patch(f"{API}/categories/{category['id']}", json={"name": name})

    async def test_a_request_that_waits_for_a_lock_gets_503_at_the_lock_timeout(
        self, limited: Limited, other: asyncpg.Connection
    ) -> None:
        async with served(limited(db_lock_timeout=0.1), 1) as client:
            rx = (await client.post(f"{API}/categories", json={"name": "Rx"})).json()
            async with other.transaction():
                await other.execute("SELECT FROM categories FOR UPDATE")
                response = await self.rename(client, rx, "Scaled")
            assert (
                unavailable(response)
                == "Another transaction holds a lock that this request needs; try again."
            )
            assert (await self.rename(client, rx, "Scaled")).status_code == 200

    async def test_requests_beyond_the_pool_size_wait_in_the_queue(
        self, limited: Limited, other: asyncpg.Connection
    ) -> None:
        async with served(limited(), 2) as client:
            rx = (await client.post(f"{API}/categories", json={"name": "Rx"})).json()
            async with other.transaction():
                await other.execute("SELECT FROM categories FOR UPDATE")
                sent = [
                    asyncio.ensure_future(self.rename(client, rx, f"Rx {n}")) for n in range(20)
                ]
                await lock_waiters(other, 2)
            answers = await asyncio.gather(*sent)

        assert [answer.status_code for answer in answers] == [200] * 20
        assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 22))

    async def test_a_request_in_the_queue_gets_503_after_the_pool_wait(
        self, limited: Limited, other: asyncpg.Connection
    ) -> None:
        async with served(limited(db_pool_wait=0.2), 1) as client:
            rx = (await client.post(f"{API}/categories", json={"name": "Rx"})).json()
            async with other.transaction():
                await other.execute("SELECT FROM categories FOR UPDATE")
                first = asyncio.ensure_future(self.rename(client, rx, "Scaled"))
                await lock_waiters(other)
                waiting = await client.get(f"{API}/categories")
                live = await client.get("/health/live")
            assert unavailable(waiting) == BUSY
            assert live.status_code == 200
            assert (await first).status_code == 200
            assert (await client.get(f"{API}/categories")).status_code == 200

    async def test_reads_are_served_while_many_requests_wait_for_one_lock(
        self, limited: Limited, other: asyncpg.Connection
    ) -> None:
        async with served(limited(), 6) as client:
            rx = (await client.post(f"{API}/categories", json={"name": "Rx"})).json()
            async with other.transaction():
                await other.execute("SELECT FROM categories FOR UPDATE")
                sent = [
                    asyncio.ensure_future(self.rename(client, rx, f"Rx {n}")) for n in range(20)
                ]
                await lock_waiters(other, 5)
                read = await client.get(f"{API}/categories/{rx['id']}")
                listed = await client.get(f"{API}/categories")
                waiting = await other.fetchval(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
            answers = await asyncio.gather(*sent)

        assert (read.json(), listed.json()["items"], waiting) == (rx, [rx], 5)
        assert [answer.status_code for answer in answers] == [200] * 20

    @pytest.mark.parametrize("limit", ["db_statement_timeout", "db_command_timeout"])
    async def test_a_statement_is_ended_at_its_timeout(
        self, limited: Limited, limit: str, other: asyncpg.Connection
    ) -> None:
        async with connected(limited(**{limit: 0.1}), 1) as database:
            for run in (self.sleep_alone, self.sleep_in_a_transaction):
                with pytest.raises(Unavailable):
                    await run(database)
                assert await database.row(SLEEP, {"seconds": 0.0}) is not None

    async def sleep_alone(self, database: Database) -> None:
        await database.row(SLEEP, {"seconds": 30.0})

    async def sleep_in_a_transaction(self, database: Database) -> None:
        async def work(transaction: Transaction) -> None:
            await transaction.row(SLEEP, {"seconds": 30.0})

        await database.transaction(work)

    async def test_a_transaction_is_ended_at_the_idle_timeout(self, limited: Limited) -> None:
        async with connected(limited(db_idle_timeout=0.1), 1) as database:

            async def work(transaction: Transaction) -> None:
                await transaction.row(SLEEP, {"seconds": 0.0})
                await asyncio.sleep(0.5)
                await transaction.row(SLEEP, {"seconds": 0.0})

            with pytest.raises(Unavailable, match="does not answer"):
                await database.transaction(work)
            assert await database.row(SLEEP, {"seconds": 0.0}) is not None


class TestLimit:
    async def test_the_queue_is_first_in_first_out(self) -> None:
        limit = Limit(1, wait=60)
        done = []

        async def work(number: int) -> None:
            async with limit.place():
                await asyncio.sleep(0)
                done.append(number)

        await asyncio.gather(*(work(number) for number in range(10)))

        assert done == list(range(10))

    async def test_a_place_is_released_after_an_error_or_a_cancellation(self) -> None:
        limit = Limit(1, wait=0.01)
        for error in (RuntimeError, asyncio.CancelledError):
            with pytest.raises(error):
                async with limit.place():
                    raise error
        async with limit.place():
            with pytest.raises(Unavailable):
                async with limit.place():
                    pass
        async with limit.place():
            pass

    async def test_a_client_gets_at_most_half_of_the_places(self) -> None:
        limit = FairLimit(2, wait=0.05)
        async with limit.place("192.0.2.7"):
            with pytest.raises(Unavailable):
                async with limit.place("192.0.2.7"):
                    pass
            async with limit.place("192.0.2.8"):
                pass
        async with limit.place("192.0.2.7"):
            pass

    async def test_a_paced_place_rests_for_longer_than_its_work(self) -> None:
        limit = PacedLimit(1, wait=60)
        now = asyncio.get_running_loop().time
        async with limit.place():
            await asyncio.sleep(0.03)
        ended = now()
        async with limit.place():
            assert 0.08 < now() - ended < 1


@contextmanager
def no_free_file_descriptor() -> Iterator[None]:
    """Let this process open no file during the context."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class TestFileDescriptors:
    async def test_without_a_free_one_a_large_import_is_refused_and_the_log_says_why(
        self, client: AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        file = b"name,category\n" + b"Mara,Rx\n" * 2**17  # too large to stay in memory
        with no_free_file_descriptor():
            refused = await client.post(f"{API}/athletes/import", content=file, headers=CSV)
        accepted = await client.post(f"{API}/athletes/import", content=file[:100], headers=CSV)

        assert unavailable(refused) == (
            "The service has run out of files, disk space or memory; try again."
        )
        assert caplog.messages == ["a resource of this machine is used up: Too many open files"]
        assert accepted.status_code == 200


class TestFiles:
    URL = f"{API}/athletes/import"
    EXPORT = f"{API}/athletes/export"
    HEADER = b"reference,name,category\n"
    ROW = b"M-%d,Mara,Rx\n"

    def slow(self, number: int, go_on: asyncio.Event) -> AsyncIterator[bytes]:
        async def pieces() -> AsyncIterator[bytes]:
            yield self.HEADER
            await go_on.wait()
            yield self.ROW % number

        return pieces()

    async def upload(self, client: AsyncClient, content: Any) -> Response:
        return await client.post(self.URL, content=content, headers=CSV)

    async def test_slow_uploads_hold_only_a_share_of_the_uploads(self, limited: Limited) -> None:
        settings = limited(max_transfers=8, max_imports=1, max_exports=1)
        go_on = asyncio.Event()
        async with (
            served(settings, 2) as client,
            client_of(app_of(client), None, "192.0.2.7") as another,
        ):
            slow = [
                asyncio.ensure_future(self.upload(client, self.slow(number, go_on)))
                for number in range(2)
            ]
            await asyncio.sleep(0.05)
            third = await self.upload(client, self.HEADER)
            others = await self.upload(another, self.HEADER + self.ROW % 7)
            export = await client.get(self.EXPORT)
            go_on.set()

            assert unavailable(third) == BUSY
            assert others.json()["created"] == 1
            assert export.text.count("Mara") == 1
            assert [(await answer).json()["created"] for answer in slow] == [1, 1]
            assert (await self.upload(client, self.HEADER)).status_code == 200

    async def test_an_upload_has_a_total_timeout(self, limited: Limited) -> None:
        settings = limited(body_timeout=5, upload_timeout=0.2)
        async with served(settings, 2) as client:
            refused = await self.upload(client, drops())

        assert problem(refused) == (408, "/problems/body-timeout", [])

    async def test_received_files_have_a_limit_in_bytes_together(self, limited: Limited) -> None:
        settings = limited(max_upload_space=400)
        go_on = asyncio.Event()
        async with (
            served(settings, 2) as client,
            client_of(app_of(client), None, "192.0.2.7") as another,
        ):
            first = asyncio.ensure_future(self.upload(client, self.slow(1, go_on)))
            await asyncio.sleep(0.05)
            too_long = await self.upload(client, self.HEADER + self.ROW * 5)
            of_another = await self.upload(another, self.HEADER + self.ROW % 3)
            go_on.set()

            assert unavailable(too_long) == BUSY
            assert of_another.json()["created"] == 1
            assert (await first).json()["created"] == 1
            short = await self.upload(client, self.HEADER + self.ROW % 2)
            assert short.json()["created"] == 1

    async def test_imports_beyond_the_limit_wait_until_a_timeout(
        self, limited: Limited, other: asyncpg.Connection
    ) -> None:
        settings = limited(max_imports=1, import_wait=0.2, db_lock_timeout=60)
        async with served(settings, 2) as client:
            async with other.transaction():
                await other.execute("LOCK TABLE athletes")
                first = asyncio.ensure_future(self.upload(client, self.HEADER + self.ROW % 1))
                await lock_waiters(other)
                second = await self.upload(client, self.HEADER + self.ROW % 2)

            assert unavailable(second) == BUSY
            assert (await first).json()["created"] == 1

    async def test_a_client_that_reads_slowly_does_not_hold_up_other_exports(
        self, limited: Limited
    ) -> None:
        settings = limited(max_exports=1, db_pool_wait=0.2, body_timeout=1)
        async with served(settings, 2) as client:
            app = app_of(client)
            slow = asyncio.ensure_future(export_to_a_client_that_does_not_read(app))
            await asyncio.sleep(0.1)
            export = await client.get(self.EXPORT)

            assert not slow.done()
            assert export.status_code == 200
            await slow

    async def test_a_place_is_released_if_the_file_is_refused_or_not_read(
        self, limited: Limited, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings = limited(max_transfers=4, db_pool_wait=0.2, body_timeout=0.1)
        async with served(settings, 2) as client:
            app = app_of(client)
            for _ in range(3):
                refused = await client.post(self.URL, content=b"a", headers=JSON)
                assert refused.status_code == 415
                await export_to_a_client_that_does_not_read(app)
            assert (await client.get(self.EXPORT)).status_code == 200
            assert (await self.upload(client, self.HEADER)).status_code == 200

        messages = [record.getMessage() for record in caplog.records]
        assert messages == ["response cut off: the client does not read"] * 3


class TestSearches:
    @pytest.mark.parametrize("query", ["name=a", "total=true", "offset=1001"])
    async def test_costly_lists_leave_connections_free(
        self, limited: Limited, query: str, other: asyncpg.Connection
    ) -> None:
        settings = limited(max_searches=1, db_pool_wait=0.3, db_lock_timeout=60)
        async with served(settings, 2) as client:
            async with other.transaction():
                await other.execute("LOCK TABLE athletes")
                slow = asyncio.ensure_future(client.get(f"{API}/athletes?{query}"))
                await lock_waiters(other)
                second = await client.get(f"{API}/centres?{query}")
                others = await client.get(f"{API}/centres?name_prefix=a&offset=1000")

            assert unavailable(second) == BUSY
            assert others.status_code == 200
            assert (await slow).status_code == 200

    async def test_the_limit_is_below_the_size_of_the_pool(
        self, limited: Limited, other: asyncpg.Connection
    ) -> None:
        async with served(limited(max_searches=10, db_lock_timeout=60), 2) as client:
            async with other.transaction():
                await other.execute("LOCK TABLE athletes")
                slow = [
                    asyncio.ensure_future(client.get(f"{API}/athletes?name=a")) for _ in range(5)
                ]
                await lock_waiters(other)
                free = await client.get(f"{API}/centres")

            assert free.status_code == 200
            assert {(await answer).status_code for answer in slow} == {200}


def app_of(client: AsyncClient) -> Any:
    return client._transport.app  # type: ignore[attr-defined]


async def export_to_a_client_that_does_not_read(app: Any) -> None:
    async def receive() -> Json:
        await asyncio.sleep(60)
        raise AssertionError

    async def send(message: Json) -> None:
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": "GET",
        "path": f"{API}/athletes/export",
        "query_string": b"",
        "headers": RAW_HEADERS,
    }
    await app(scope, receive, send)
