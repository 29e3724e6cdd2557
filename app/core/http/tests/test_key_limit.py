"""The limit of idempotency keys: a client beyond it gets 429, and stores nothing."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from time import monotonic
from uuid import UUID

import asyncpg
import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response

from app.application import create_app
from app.conftest import API, OneConnection, client_of, patient, problem
from app.core.db.pool import connected
from app.core.db.transactions import Database
from app.core.http.clients import client_address
from app.core.http.key_limit import REMEMBERED, KeyLimit
from app.core.settings import Settings, get_settings
from app.identity.tests.callers import ADMIN, MEMBER

URL = f"{API}/categories"
MOST = 3
REFUSED = 429, "/problems/too-many-idempotency-keys"


def limited_app(connection: asyncpg.Connection) -> FastAPI:
    fast_path = get_settings().fast_path
    app = create_app(Settings.model_construct(fast_path=fast_path, max_keys_per_account=MOST))
    app.state.database = Database(OneConnection(connection))
    return app


@pytest.fixture
def app(connection: asyncpg.Connection) -> FastAPI:
    """Build an app with a small limit."""
    return limited_app(connection)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[AsyncClient]:
    async with client_of(app) as client:
        yield client


async def post(client: AsyncClient, name: str) -> Response:
    """Create a category; its name is the key."""
    return await client.post(URL, json={"name": name}, headers={"Idempotency-Key": name})


async def statuses(client: AsyncClient, *names: str) -> list[int]:
    return [(await post(client, name)).status_code for name in names]


async def count(connection: asyncpg.Connection, table: str) -> int:
    number: int = await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - ours
    return number


class TestRefusal:
    async def test_a_new_key_beyond_the_limit_is_refused_and_stores_nothing(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        assert await statuses(client, "a", "b", "c") == [201, 201, 201]

        for _ in range(2):  # the second one is refused without a count
            response = await post(client, "d")

            assert problem(response) == (*REFUSED, [])
            assert response.json() == {
                "type": "/problems/too-many-idempotency-keys",
                "title": "Too many idempotency keys",
                "status": 429,
                "detail": "Too many idempotency keys of the last 24 hours are stored for this"
                " account. Nothing was written; try again later.",
                "instance": URL,
                "request_id": response.headers["X-Request-ID"],
                "errors": [],
            }
            assert dict(response.headers) == {
                "cache-control": "no-store",
                "content-length": str(len(response.content)),
                "content-type": "application/problem+json",
                "retry-after": "10",
                "x-content-type-options": "nosniff",
                "x-request-id": response.headers["X-Request-ID"],
            }
        assert await count(connection, "categories") == MOST
        assert await count(connection, "idempotency_keys") == MOST

    async def test_beyond_the_limit_stored_responses_are_replayed(
        self, client: AsyncClient
    ) -> None:
        first = await post(client, "a")
        assert await statuses(client, "b", "c", "d") == [201, 201, 429]

        again = await post(client, "a")
        other = await client.post(URL, json={"name": "e"}, headers={"Idempotency-Key": "a"})

        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert problem(other)[:2] == (422, "/problems/idempotency-key-reused")

    async def test_beyond_the_limit_requests_without_a_key_are_handled(
        self, client: AsyncClient
    ) -> None:
        await statuses(client, "a", "b", "c", "d")

        assert (await client.post(URL, json={"name": "d"})).status_code == 201

    async def test_a_refused_write_takes_no_place(self, client: AsyncClient) -> None:
        await client.post(URL, json={"name": "taken"})
        for number in range(2 * MOST):
            key = {"Idempotency-Key": str(number)}
            assert (await client.post(URL, json={"name": "taken"}, headers=key)).is_client_error

        assert await statuses(client, "a", "b", "c", "d") == [201, 201, 201, 429]

    async def test_an_expired_key_frees_its_place(
        self,
        client: AsyncClient,
        connection: asyncpg.Connection,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        await statuses(client, "a", "b", "c", "d")
        await connection.execute(
            "UPDATE idempotency_keys SET created_at = created_at - interval '24 hours 1 second'"
            " WHERE key IN ('a', 'b')"
        )
        assert await statuses(client, "d") == [429]

        later = monotonic() + 10
        monkeypatch.setattr("app.core.http.key_limit.monotonic", lambda: later)

        assert await statuses(client, "d", "e", "f") == [201, 201, 429]


class TestCallers:
    async def test_only_the_account_beyond_the_limit_is_refused(
        self, app: FastAPI, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        await connection.execute("UPDATE accounts SET is_admin = true")
        assert await statuses(client, "a", "b", "c", "d") == [201, 201, 201, 429]
        async with client_of(app, address="192.0.2.2") as elsewhere:
            assert await statuses(elsewhere, "d") == [429]
        async with client_of(app, caller=MEMBER) as other:
            assert await statuses(other, "d", "e", "f", "g") == [201, 201, 201, 429]

        owners = await connection.fetch("SELECT owner FROM idempotency_keys ORDER BY created_at")
        assert [owner for (owner,) in owners] == [ADMIN.id] * MOST + [MEMBER.id] * MOST

    @pytest.mark.parametrize(
        "client", [None, ("", 0), ("unknown", 0), ("192.0.2.1.example", 80), ("x" * 1000, 0)]
    )
    def test_clients_without_an_address_are_one(self, client: tuple[str, int] | None) -> None:
        assert client_address({"client": client}) == ""


class TestWorkers:
    async def test_two_workers_keep_a_small_limit_together(
        self, app: FastAPI, connection: asyncpg.Connection
    ) -> None:
        other_app = limited_app(connection)
        async with client_of(app) as client, client_of(other_app) as other:
            answered = [*await statuses(client, "a", "b"), *await statuses(other, "c", "d")]

            assert answered == [201, 201, 201, 429]
            assert await statuses(client, "d") == [429]

    async def test_concurrent_requests_do_not_exceed_the_limit(
        self, own_database: str, other: asyncpg.Connection
    ) -> None:
        settings = patient(own_database).model_copy(update={"max_keys_per_account": MOST})
        app = create_app(settings)
        async with connected(settings, 8) as app.state.database, client_of(app) as client:
            answers = await asyncio.gather(*(post(client, f"at-once-{n}") for n in range(40)))
            assert {answer.status_code for answer in answers} <= {201, 429}
            assert 1 <= await count(other, "idempotency_keys") <= MOST

            await statuses(client, "a", "b", "c", "d")

        assert await count(other, "idempotency_keys") == await count(other, "categories") == MOST


class TestCounts:
    async def test_a_worker_counts_after_each_hundredth_of_the_limit(self) -> None:
        limit, counted = KeyLimit(1000), []

        async def live(most: int) -> int:
            counted.append(most)
            return 1

        for _ in range(100):
            with limit.claim(UUID(int=1)) as claim:
                await claim.admit(live)

        assert counted == [1001] * 10

    async def test_the_memory_for_callers_is_bounded(self) -> None:
        limit = KeyLimit(1000)

        async def live(most: int) -> int:
            return 1

        async def memory_after_claims_of_callers(first: int, last: int) -> int:
            for number in range(first, last):
                with limit.claim(UUID(int=number)) as claim:
                    await claim.admit(live)
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            full = await memory_after_claims_of_callers(0, REMEMBERED)
            assert full < 5_000_000
            assert await memory_after_claims_of_callers(REMEMBERED, 2 * REMEMBERED) < 1.5 * full
        finally:
            tracemalloc.stop()
