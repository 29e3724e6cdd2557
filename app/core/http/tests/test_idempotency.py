"""Idempotency keys: a retry gets the stored response and changes nothing."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import asyncpg
import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response

from app.conftest import API, Json, client_of, conflict, lock_waiters, patient, problem, served
from app.core.http.idempotency import SEARCHED_EVERY
from app.identity.tests.callers import ADMIN, MEMBER

URL = f"{API}/categories"
KEY = {"Idempotency-Key": "first-try"}
TAKE_NAME = "INSERT INTO categories (id, name, name_key) VALUES (gen_random_uuid(), 'Rx', 'rx')"
TAKE_KEY = """
    INSERT INTO idempotency_keys (owner, key, request)
    SELECT id, 'first-try', '' FROM accounts WHERE is_admin
"""
REUSED = (422, "/problems/idempotency-key-reused", [("Idempotency-Key", "reused")])


async def count(connection: asyncpg.Connection, table: str = "categories") -> int:
    number: int = await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - ours
    return number


async def expire(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "UPDATE idempotency_keys SET created_at = created_at - interval '24 hours 1 second'"
    )


class TestOwners:
    async def test_a_key_belongs_to_the_account_that_sent_it(
        self, app: FastAPI, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        await connection.execute("UPDATE accounts SET is_admin = true")

        async with client_of(app, caller=MEMBER) as other, client_of(app, caller=None) as stranger:
            first = await client.post(URL, json={"name": "Rx"}, headers=KEY)
            second = await other.post(URL, json={"name": "Scaled"}, headers=KEY)
            anonymous = await stranger.post(URL, json={"name": "Rx"}, headers=KEY)
            replayed = [
                await caller.post(URL, json={"name": name}, headers=KEY)
                for caller, name in ((client, "Rx"), (other, "Scaled"))
            ]

        assert (first.status_code, second.status_code) == (201, 201)
        assert problem(anonymous) == (401, "/problems/unauthenticated", [])
        assert [answer.json() for answer in replayed] == [first.json(), second.json()]
        assert await count(connection) == 2


class TestReplay:
    @pytest.mark.parametrize("collection", ["categories", "centres", "athletes"])
    async def test_a_retry_gets_the_same_response_and_changes_nothing(
        self, client: AsyncClient, connection: asyncpg.Connection, collection: str
    ) -> None:
        payload: Json = {"name": "Áda"}
        if collection == "athletes":
            rx = (await client.post(URL, json={"name": "Rx"})).json()
            north = (await client.post(f"{API}/centres", json={"name": "North"})).json()
            payload |= {"category_id": rx["id"], "centre_ids": [north["id"]]}

        first, again = [
            await client.post(f"{API}/{collection}", json=payload, headers=KEY) for _ in range(2)
        ]

        assert first.status_code == again.status_code == 201
        assert again.content == first.content
        assert "Idempotency-Replayed" not in first.headers
        assert again.headers["Idempotency-Replayed"] == "true"
        for header in ("Location", "ETag", "Content-Type", "Content-Length", "Cache-Control"):
            assert again.headers[header] == first.headers[header]
        assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
        assert await count(connection, collection) == 1

    async def test_a_retry_gets_the_stored_response_after_a_change_and_a_delete(
        self, client: AsyncClient
    ) -> None:
        first = await client.post(URL, json={"name": "Rx"}, headers=KEY)
        await client.patch(first.headers["Location"], json={"name": "Scaled"})
        await client.delete(first.headers["Location"])

        again = await client.post(URL, json={"name": "Rx"}, headers=KEY)

        assert (again.status_code, again.content) == (201, first.content)

    async def test_without_a_key_every_request_is_executed(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        for status in (201, 409):
            response = await client.post(URL, json={"name": "Rx"})
            assert response.status_code == status
        assert await count(connection, "idempotency_keys") == 0

    async def test_other_methods_ignore_a_key(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        created = await client.post(URL, json={"name": "Rx"}, headers=KEY)
        url = created.headers["Location"]

        assert (await client.patch(url, json={"name": "Rx+"}, headers=KEY)).json()["version"] == 2
        assert (await client.get(url, headers=KEY)).json()["name"] == "Rx+"
        assert (await client.delete(url, headers=KEY)).status_code == 204


class TestReuse:
    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("categories", '{"name": "Scaled"}'),
            ("categories", '{ "name": "Rx" }'),
            ("centres", '{"name": "Rx"}'),
        ],
    )
    async def test_another_request_with_the_key_is_refused(
        self, client: AsyncClient, connection: asyncpg.Connection, path: str, body: str
    ) -> None:
        headers = KEY | {"Content-Type": "application/json"}
        await client.post(URL, content='{"name": "Rx"}', headers=headers)

        response = await client.post(f"{API}/{path}", content=body, headers=headers)

        assert problem(response) == REUSED
        assert await count(connection) == 1
        assert await count(connection, "centres") == 0

    @pytest.mark.parametrize(
        "keys",
        [[""], ["a b"], ["é"], ["x" * 256], ["\t"], ["one", "two"], ["same", "same"]],
    )
    async def test_an_invalid_key_is_refused(
        self, client: AsyncClient, connection: asyncpg.Connection, keys: list[str]
    ) -> None:
        headers = [(b"Idempotency-Key", key.encode("latin-1")) for key in keys]
        response = await client.post(URL, json={"name": "Rx"}, headers=headers)

        assert problem(response) == (
            422,
            "/problems/invalid",
            [("Idempotency-Key", "bad_key")],
        )
        assert await count(connection) == 0

    @pytest.mark.parametrize("key", ["!", "~" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
    async def test_any_visible_ascii_is_a_valid_key(self, client: AsyncClient, key: str) -> None:
        for replayed in (None, "true"):
            response = await client.post(URL, json={"name": "Rx"}, headers={"Idempotency-Key": key})
            assert response.status_code == 201
            assert response.headers.get("Idempotency-Replayed") == replayed


class TestRefusal:
    @pytest.mark.parametrize(
        ("body", "status"), [({"name": ""}, 422), ({"name": " RX"}, 409), ({"nam": "a"}, 422)]
    )
    async def test_a_refused_request_leaves_no_key(
        self, client: AsyncClient, connection: asyncpg.Connection, body: Json, status: int
    ) -> None:
        await client.post(URL, json={"name": "Rx"})

        for _ in range(2):
            response = await client.post(URL, json=body, headers=KEY)
            assert response.status_code == status

        assert await count(connection, "idempotency_keys") == 0
        corrected = await client.post(URL, json={"name": "Scaled"}, headers=KEY)
        assert corrected.status_code == 201

    async def test_a_missing_reference_leaves_no_key(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        rx = (await client.post(URL, json={"name": "Rx"})).json()
        await client.delete(f"{URL}/{rx['id']}")
        mara = {"name": "Mara", "category_id": rx["id"]}

        response = await client.post(f"{API}/athletes", json=mara, headers=KEY)

        assert conflict(response) == ("/problems/reference-missing", "/category_id")
        assert await count(connection, "idempotency_keys") == 0


class TestExpiry:
    async def test_an_expired_key_can_be_used_again(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        await client.post(URL, json={"name": "Rx"}, headers=KEY)
        await expire(connection)

        response = await client.post(URL, json={"name": "Scaled"}, headers=KEY)

        assert response.json()["name"] == "Scaled"
        assert "Idempotency-Replayed" not in response.headers
        assert await count(connection, "idempotency_keys") == 1

    async def test_a_new_key_removes_some_expired_ones(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        for number in range(15):
            key = {"Idempotency-Key": f"old-{number}"}
            await client.post(URL, json={"name": f"Level {number}"}, headers=key)
        await expire(connection)

        for left in (6, 2, 3):
            key = {"Idempotency-Key": f"new-{left}"}
            await client.post(URL, json={"name": f"New {left}"}, headers=key)
            assert await count(connection, "idempotency_keys") == left

    async def test_an_expired_key_that_was_passed_over_is_removed_later(
        self,
        client: AsyncClient,
        connection: asyncpg.Connection,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A worker continues after the keys that it has deleted, and at times begins again."""
        await client.post(URL, json={"name": "Rx"}, headers=KEY)
        await expire(connection)
        await client.post(URL, json={"name": "Scaled"}, headers={"Idempotency-Key": "second"})
        await connection.execute(
            "INSERT INTO idempotency_keys (owner, key, request, created_at)"
            " VALUES ($1, 'passed-over', '', statement_timestamp() - interval '2 days')",
            ADMIN.id,
        )

        left = []
        for later in (0, SEARCHED_EVERY):
            now = monotonic() + later
            monkeypatch.setattr("app.core.http.idempotency.monotonic", lambda now=now: now)
            key = {"Idempotency-Key": f"after {later} s".replace(" ", "-")}
            await client.post(URL, json={"name": f"After {later} s"}, headers=key)
            left.append(
                await connection.fetchval(
                    "SELECT count(*) FROM idempotency_keys WHERE key = 'passed-over'"
                )
            )

        assert left == [1, 0]

    async def test_a_key_is_kept_for_a_day(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        await client.post(URL, json={"name": "Rx"}, headers=KEY)
        await connection.execute(
            "UPDATE idempotency_keys SET created_at = created_at - interval '23 hours 59 minutes'"
        )

        response = await client.post(URL, json={"name": "Rx"}, headers=KEY)

        assert response.headers["Idempotency-Replayed"] == "true"


class TestRaces:
    @pytest.fixture
    def client(self, pooled_client: AsyncClient) -> AsyncClient:
        return pooled_client

    @pytest.fixture
    async def impatient(self, own_database: str) -> AsyncIterator[AsyncClient]:
        """Provide a client of an app with a short lock timeout."""
        settings = patient(own_database).model_copy(update={"db_lock_timeout": 0.2})
        async with served(settings, 4) as client:
            yield client

    async def test_50_concurrent_equal_requests_make_one_row(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        rx = (await client.post(URL, json={"name": "Rx"})).json()
        mara = {"name": "Mara", "category_id": rx["id"]}

        answers = await asyncio.gather(
            *(client.post(f"{API}/athletes", json=mara, headers=KEY) for _ in range(50))
        )

        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        replayed = [answer.headers.get("Idempotency-Replayed") for answer in answers]
        assert (replayed.count(None), replayed.count("true")) == (1, 49)
        assert await count(other, "athletes") == 1

    async def test_concurrent_requests_with_an_expired_key_make_one_row(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        await client.post(URL, json={"name": "Rx"}, headers=KEY)
        await expire(other)

        answers = await asyncio.gather(
            *(client.post(URL, json={"name": "Scaled"}, headers=KEY) for _ in range(20))
        )

        assert {answer.status_code for answer in answers} == {201}
        assert {answer.json()["name"] for answer in answers} == {"Scaled"}
        replayed = [answer.headers.get("Idempotency-Replayed") for answer in answers]
        assert (replayed.count(None), replayed.count("true")) == (1, 19)

    async def test_a_concurrent_retry_waits_for_the_response_of_the_first_request(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        first, second = await self.both_while_the_name_is_taken(client, other, commit=False)

        assert first.status_code == second.status_code == 201
        assert first.content == second.content

    async def test_a_concurrent_retry_is_executed_if_the_first_request_is_refused(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        for answer in await self.both_while_the_name_is_taken(client, other, commit=True):
            assert conflict(answer) == ("/problems/already-taken", "/name")
        assert await count(other, "idempotency_keys") == 0

    async def test_a_retry_that_waits_too_long_gets_409_with_retry_after(
        self, impatient: AsyncClient, other: asyncpg.Connection
    ) -> None:
        async with other.transaction():
            await other.execute(TAKE_KEY)
            response = await impatient.post(URL, json={"name": "Rx"}, headers=KEY)

        assert problem(response) == (409, "/problems/idempotency-key-in-flight", [])
        assert response.headers["Retry-After"] == "1"
        assert await count(other) == 0

    async def both_while_the_name_is_taken(
        self, client: AsyncClient, other: asyncpg.Connection, *, commit: bool
    ) -> list[Response]:
        """Send a request twice while another transaction holds its name, then end that one."""
        transaction = other.transaction()
        await transaction.start()
        await other.execute(TAKE_NAME)
        sent = [
            asyncio.ensure_future(client.post(URL, json={"name": "Rx"}, headers=KEY))
            for _ in range(2)
        ]
        await lock_waiters(other, 2)
        await (transaction.commit() if commit else transaction.rollback())
        return await asyncio.gather(*sent)


async def test_a_request_with_a_key_is_retried_after_a_deadlock(
    own_database: str, administrator: asyncpg.Connection
) -> None:
    """The request holds its key and waits for the name; ``administrator`` does the opposite."""
    async with served(patient(own_database), 2) as client:
        # So that the request gets the error.
        await administrator.execute("SET deadlock_timeout = '60s'")
        transaction = administrator.transaction()
        await transaction.start()
        await administrator.execute(TAKE_NAME)
        sent = asyncio.ensure_future(client.post(URL, json={"name": "Rx"}, headers=KEY))
        await lock_waiters(administrator)
        await administrator.execute(TAKE_KEY)
        await transaction.rollback()
        response = await sent

    assert response.status_code == 201
    assert "Idempotency-Replayed" not in response.headers
