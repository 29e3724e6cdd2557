"""Accounts, codes and rights that change at the same time, on a database of their own."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from httpx import ASGITransport, AsyncClient, Response
from pydantic import SecretStr

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
from app.core.db import transactions
from app.identity.models import SCOPES
from app.identity.passwords import Passwords
from app.identity.tests.callers import ADD_ONE, ADMIN, HASH, MEMBER, PASSWORD, Known, add_device
from app.identity.tokens import callers

pytestmark = pytest.mark.slow

SECOND_ADMIN = Known("eve", UUID(int=0xAE))
OTHERS = [f"another good password {number}" for number in range(10)]


@pytest.fixture(autouse=True)
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer a deadlock with 503: the lock order must prevent deadlocks."""
    monkeypatch.setattr(transactions, "RETRIES", 0)


@pytest.fixture
def client(pooled_client: AsyncClient) -> AsyncClient:
    return pooled_client


@pytest.fixture
async def second_admin(other: asyncpg.Connection) -> Known:
    """Add a second administrator, with a session."""
    known = SECOND_ADMIN
    await other.execute(
        "INSERT INTO accounts (id, email, email_key, is_admin, password_hash)"
        " VALUES ($1, $2::text, $2::text, true, $3)",
        known.id,
        known.email,
        HASH,
    )
    await other.execute(
        ADD_ONE, known.id, "session", known.secret_hash, known.id, None, list(SCOPES)
    )
    return known


async def together(*requests: Awaitable[Response]) -> list[Response]:
    """Send requests at once; return the responses in the same order."""
    return list(await asyncio.gather(*requests))


def statuses(responses: list[Response]) -> Counter[int]:
    return Counter(int(response.status_code) for response in responses)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def log_in(client: AsyncClient, password: str, email: str = MEMBER.email) -> Response:
    return await client.post(f"{API}/sessions", json={"email": email, "password": password})


async def accept(client: AsyncClient, collection: str, code: str, password: str) -> Response:
    payload = {"code": code, "password": password}
    return await client.post(f"{API}/{collection}/accept", json=payload)


async def change(client: AsyncClient, known: Known, caller: Known, fields: Json) -> Response:
    """Change an account."""
    return await client.patch(f"{API}/accounts/{known.id}", json=fields, headers=caller.headers)


async def write(client: AsyncClient, caller: Known, name: str, **headers: str) -> Response:
    """Write a row."""
    payload = {"name": name}
    return await client.post(
        f"{API}/categories", json=payload, headers={**caller.headers, **headers}
    )


async def reset(client: AsyncClient) -> str:
    """Make a code to reset the password of the member."""
    response = await client.post(f"{API}/accounts/{MEMBER.id}/reset")
    code: str = response.json()["code"]
    return code


async def live_sessions(other: asyncpg.Connection) -> list[str]:
    """Return the ids of the live sessions of the member."""
    rows = await other.fetch(
        "SELECT id FROM tokens WHERE account_id = $1 AND revoked_at IS NULL", MEMBER.id
    )
    return [str(row["id"]) for row in rows]


def forget_callers(client: AsyncClient) -> None:
    """Let the app forget the callers that it found a moment ago."""
    transport = client._transport
    assert isinstance(transport, ASGITransport)
    app: Any = transport.app
    app.state.callers = callers.Callers(app.state.issuer)


def from_elsewhere(client: AsyncClient) -> AsyncClient:
    """Return a client of the same app in another network."""
    transport = client._transport
    assert isinstance(transport, ASGITransport)
    app: Any = transport.app
    return client_of(app, address="192.0.2.9")


class TestCodes:
    async def test_an_invitation_that_is_accepted_twice_makes_one_account(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        invited = await client.post(f"{API}/invitations", json={"email": "lea@example.com"})
        code = invited.json()["code"]

        responses = await together(
            *(accept(client, "invitations", code, password) for password in OTHERS[:3])
        )

        assert statuses(responses) == {201: 1, 422: 2}
        for response in responses:
            if response.status_code == 422:
                invalid = 422, "/problems/invalid", [("/code", "not_valid")]
                assert problem(response) == invalid
        assert await other.fetchval("SELECT count(*) FROM accounts") == 3
        assert await other.fetchval("SELECT count(*) FROM tokens WHERE kind = 'session'") == 2

    async def test_two_invitations_of_a_person_that_are_accepted_at_once_make_one_account(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        payload = {"name": "North", "address": "Main Street 1"}
        centre = (await client.post(f"{API}/centres", json=payload)).json()
        codes = []
        for fields in ({}, {"centre_id": centre["id"], "role": "coach"}):
            invitation = {"email": "lea@example.com", **fields}
            response = await client.post(f"{API}/invitations", json=invitation)
            codes.append(response.json()["code"])

        responses = await together(
            *(accept(client, "invitations", code, OTHERS[0]) for code in codes)
        )

        assert statuses(responses) == {201: 1, 409: 1}
        assert await other.fetchval("SELECT count(*) FROM accounts") == 3
        assert await other.fetchval("SELECT count(*) FROM codes WHERE closed_at IS NULL") == 1

    async def test_a_reset_that_is_accepted_twice_sets_one_password(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        code = await reset(client)

        responses = await together(
            *(accept(client, "resets", code, password) for password in OTHERS[:3])
        )

        (winner,) = [place for place, one in enumerate(responses) if one.status_code == 201]
        assert statuses(responses) == {201: 1, 422: 2}
        assert await live_sessions(other) == [responses[winner].json()["id"]]
        logins = [(await log_in(client, password)).status_code for password in OTHERS[:3]]
        assert [status == 201 for status in logins] == [place == winner for place in range(3)]

    async def test_no_reset_is_made_for_an_account_that_is_just_disabled(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        async with other.transaction():
            await other.execute("SELECT FROM accounts WHERE id = $1 FOR UPDATE", MEMBER.id)
            making = asyncio.create_task(client.post(f"{API}/accounts/{MEMBER.id}/reset"))
            await lock_waiters(other)
            await other.execute("UPDATE accounts SET disabled_at = now() WHERE id = $1", MEMBER.id)

        assert problem(await making) == (409, "/problems/account-disabled", [])
        assert await other.fetchval("SELECT count(*) FROM codes") == 0

    async def test_a_reset_is_locked_after_its_account_as_by_a_request_that_disables_it(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        code = await reset(client)
        for sending in (
            accept(client, "resets", code, OTHERS[0]),
            client.post(f"{API}/accounts/{MEMBER.id}/reset"),
        ):
            async with other.transaction():
                await other.execute("SELECT FROM accounts WHERE id = $1 FOR UPDATE", MEMBER.id)
                request = asyncio.ensure_future(sending)
                await lock_waiters(other)
                await other.execute("SELECT FROM codes FOR UPDATE NOWAIT")

            assert (await request).status_code in {200, 201}


class TestAdministrators:
    @pytest.mark.parametrize(
        ("first", "second"),
        [*product([{"is_admin": False}, {"disabled": True}], repeat=2)],
        ids=["demote-demote", "demote-disable", "disable-demote", "disable-disable"],
    )
    async def test_one_remains_of_two_who_remove_each_other(
        self,
        client: AsyncClient,
        other: asyncpg.Connection,
        second_admin: Known,
        first: Json,
        second: Json,
    ) -> None:
        for _ in range(5):
            responses = await together(
                change(client, second_admin, ADMIN, first),
                change(client, ADMIN, second_admin, second),
            )

            admins = "SELECT count(*) FROM accounts WHERE is_admin AND disabled_at IS NULL"
            assert await other.fetchval(admins) == 1
            assert statuses(responses)[200] == 1
            assert set(statuses(responses)) <= {200, 401, 403, 409}
            await other.execute(
                "UPDATE accounts SET is_admin = true, disabled_at = NULL WHERE id <> $1", MEMBER.id
            )
            await other.execute("UPDATE tokens SET revoked_at = NULL")

    async def test_one_remains_of_two_who_step_down(
        self, client: AsyncClient, other: asyncpg.Connection, second_admin: Known
    ) -> None:
        for _ in range(5):
            responses = await together(
                *(
                    change(client, known, known, {"is_admin": False})
                    for known in (ADMIN, second_admin)
                )
            )

            (refused,) = [one for one in responses if one.status_code != 200]
            assert problem(refused) == (409, "/problems/last-admin", [])
            assert await other.fetchval("SELECT count(*) FROM accounts WHERE is_admin") == 1
            await other.execute("UPDATE accounts SET is_admin = true WHERE id <> $1", MEMBER.id)

    async def test_accounts_are_locked_in_the_order_of_their_ids_whoever_is_promoted(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        lock = "SELECT FROM accounts WHERE id = $1 FOR UPDATE NOWAIT"
        assert MEMBER.id < ADMIN.id
        async with other.transaction():
            await other.execute(lock, MEMBER.id)
            promotion = asyncio.create_task(change(client, MEMBER, ADMIN, {"is_admin": True}))
            await lock_waiters(other)
            await other.execute(lock, ADMIN.id)

        assert (await promotion).json()["is_admin"] is True

    async def test_no_write_is_accepted_after_the_answer_to_a_demotion(
        self, client: AsyncClient, other: asyncpg.Connection, second_admin: Known
    ) -> None:
        demoted = asyncio.Event()
        before: Counter[int] = Counter()
        after: Counter[int] = Counter()
        busy = asyncio.Event()

        async def storm(number: int) -> None:
            for attempt in range(10_000):
                counts = after if demoted.is_set() else before
                response = await write(client, second_admin, f"{number} {attempt}")
                counts[response.status_code] += 1
                if before.total() >= 20:
                    busy.set()
                if counts is after:
                    return

        storms = [asyncio.create_task(storm(number)) for number in range(6)]
        await busy.wait()
        response = await change(client, second_admin, ADMIN, {"is_admin": False})
        demoted.set()
        await asyncio.gather(*storms)

        assert response.status_code == 200
        assert after == {403: 6}
        assert set(before) <= {201, 403}
        assert await other.fetchval("SELECT count(*) FROM categories") == before[201]


class TestSessions:
    async def test_no_session_of_the_old_password_outlives_its_change(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        old = PASSWORD
        for new in OTHERS[:3]:
            payload = {"current": old, "new": new}
            changed, *logins = await together(
                client.put(f"{API}/me/password", json=payload, headers=MEMBER.headers),
                log_in(client, old),
                log_in(client, old),
            )

            assert changed.status_code == 204
            assert set(statuses(logins)) <= {201, 401}
            assert await live_sessions(other) == [str(MEMBER.id)]
            for login in logins:
                if login.status_code == 201:
                    headers = bearer(login.json()["token"])
                    ended = await client.delete(f"{API}/sessions/current", headers=headers)
                    assert problem(ended) == (401, "/problems/invalid-token", [])
            old = new

    @pytest.mark.parametrize("event", ["change", "reset", "disable"])
    async def test_a_login_that_was_verified_before_the_password_changed_is_refused(
        self, client: AsyncClient, monkeypatch: pytest.MonkeyPatch, event: str
    ) -> None:
        verified, changed, matches = asyncio.Event(), asyncio.Event(), Passwords.matches

        async def slowly(self: Passwords, stored: str | None, password: SecretStr) -> bool:
            result = await matches(self, stored, password)
            verified.set()
            await changed.wait()
            return result

        with monkeypatch.context() as patched:
            patched.setattr(Passwords, "matches", slowly)
            # One network has one place for logins.
            login = asyncio.create_task(log_in(from_elsewhere(client), PASSWORD))
            await verified.wait()
        if event == "change":
            payload = {"current": PASSWORD, "new": OTHERS[0]}
            url = f"{API}/me/password"
            done = await client.put(url, json=payload, headers=MEMBER.headers)
        elif event == "reset":
            done = await accept(client, "resets", await reset(client), OTHERS[0])
        else:
            done = await change(client, MEMBER, ADMIN, {"disabled": True})
        changed.set()

        assert done.is_success
        assert problem(await login) == (401, "/problems/wrong-credentials", [])

    async def test_no_session_outlives_the_disabling_of_its_account(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        for _ in range(3):
            code = await reset(client)
            disabled, *others = await together(
                change(client, MEMBER, ADMIN, {"disabled": True}),
                log_in(client, PASSWORD),
                accept(client, "resets", code, PASSWORD),
                client.post(f"{API}/accounts/{MEMBER.id}/reset"),
            )

            assert disabled.status_code == 200
            assert set(statuses(others)) <= {200, 201, 401, 409, 422}
            assert await live_sessions(other) == []
            assert not await other.fetchval("SELECT count(*) FROM codes WHERE closed_at IS NULL")
            enabled = await change(client, MEMBER, ADMIN, {"disabled": False})
            assert enabled.status_code == 200

    async def test_a_disabled_account_writes_no_more_and_reads_for_two_seconds_in_any_process(
        self, own_database: str, second_admin: Known, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [1000.0]
        monkeypatch.setattr(callers, "monotonic", lambda: now[0])
        async with (
            served(patient(own_database), 2) as one,
            served(patient(own_database), 2) as another,
        ):
            both = one, another

            async def reads() -> list[int]:
                url = f"{API}/categories"
                got = [await client.get(url, headers=second_admin.headers) for client in both]
                return [response.status_code for response in got]

            assert await reads() == [200, 200]
            now[0] += 1
            disabled = await change(one, second_admin, ADMIN, {"disabled": True})
            assert disabled.status_code == 200
            assert disabled.json()["disabled_at"] is not None

            for client in both:
                refused = await write(client, second_admin, "Scaled")
                assert problem(refused) == (401, "/problems/invalid-token", [])
            now[0] += 0.99
            assert await reads() == [200, 200]
            now[0] += 0.02
            assert await reads() == [401, 401]

            assert (await change(one, second_admin, ADMIN, {"disabled": False})).is_success
            assert await reads() == [401, 401]  # its tokens stay revoked

    async def test_a_write_looks_at_the_token_whatever_reads_remember(
        self, client: AsyncClient, second_admin: Known
    ) -> None:
        url = f"{API}/categories"
        assert (await client.get(url, headers=second_admin.headers)).status_code == 200
        ended = await client.delete(f"{API}/sessions/current", headers=second_admin.headers)

        refused = await write(client, second_admin, "Scaled")

        assert ended.status_code == 204
        assert problem(refused) == (401, "/problems/invalid-token", [])

    async def test_a_database_that_is_read_only_answers_reads_with_a_token_long_not_used(
        self, own_database: str, other: asyncpg.Connection
    ) -> None:
        await other.execute("UPDATE tokens SET last_used_at = now() - interval '2 hours'")
        name = await other.fetchval("SELECT quote_ident(current_database())")
        await other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

        async with served(patient(own_database), 2) as client:
            read = await client.get(f"{API}/categories")
            written = await write(client, ADMIN, "Scaled")

        assert read.status_code == 200
        assert unavailable(written) == "The database does not answer."

    async def test_the_use_of_a_token_is_written_once_an_hour(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        last_used_at = "SELECT last_used_at FROM tokens WHERE id = $1"
        used_at = await other.fetchval(last_used_at, ADMIN.id)
        await write(client, ADMIN, "Scaled")
        assert await other.fetchval(last_used_at, ADMIN.id) == used_at

        await other.execute("UPDATE tokens SET last_used_at = now() - interval '61 minutes'")
        forget_callers(client)  # a caller who was found a moment ago is not noted again
        await together(*(write(client, ADMIN, f"Category {number}") for number in range(3)))

        used_at = await other.fetchval(last_used_at, ADMIN.id)
        assert datetime.now(UTC) - used_at < timedelta(minutes=1)

    async def test_requests_that_change_an_account_do_not_deadlock(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        for _ in range(2):
            code = await reset(client)
            payload = {"current": PASSWORD, "new": PASSWORD}
            responses = await together(
                log_in(client, PASSWORD),
                change(client, MEMBER, ADMIN, {"disabled": True}),
                accept(client, "resets", code, PASSWORD),
                change(client, MEMBER, ADMIN, {"disabled": False}),
                client.put(f"{API}/me/password", json=payload, headers=MEMBER.headers),
                client.post(f"{API}/accounts/{MEMBER.id}/reset"),
                change(client, MEMBER, ADMIN, {"is_admin": True}),
                change(client, MEMBER, ADMIN, {"is_admin": False}),
                change(client, MEMBER, ADMIN, {"email": MEMBER.email}),
                log_in(client, PASSWORD),
                client.delete(f"{API}/sessions/current", headers=MEMBER.headers),
            )

            assert set(statuses(responses)) <= {200, 201, 204, 401, 404, 409, 422}
            await other.execute("UPDATE accounts SET disabled_at = NULL")
            await other.execute("UPDATE tokens SET revoked_at = NULL WHERE id = $1", MEMBER.id)


class TestIdempotencyKeys:
    @pytest.fixture
    async def training(self, client: AsyncClient) -> Json:
        """Provide the payload of a training, which two people may create alike."""
        payload = {"name": "North", "address": "Main Street 1"}
        centre = (await client.post(f"{API}/centres", json=payload)).json()
        start = datetime.now(UTC) + timedelta(days=1)
        return {
            "centre_id": centre["id"],
            "name": "WOD",
            "starts_at": start.isoformat(),
            "ends_at": (start + timedelta(hours=1)).isoformat(),
            "capacity": 10,
        }

    async def test_a_key_of_two_accounts_makes_two_rows(
        self,
        client: AsyncClient,
        other: asyncpg.Connection,
        second_admin: Known,
        training: Json,
    ) -> None:
        async def create(caller: Known) -> Response:
            headers = {**caller.headers, "Idempotency-Key": "a"}
            return await client.post(f"{API}/trainings", json=training, headers=headers)

        responses = await together(
            *(create(caller) for _ in range(5) for caller in (ADMIN, second_admin))
        )

        assert statuses(responses) == {201: 10}
        made = [{one.json()["id"] for one in responses[start::2]} for start in (0, 1)]
        assert [len(ids) for ids in made] == [1, 1]
        assert made[0] != made[1]
        for start in (0, 1):
            replayed = [one.headers.get("Idempotency-Replayed") for one in responses[start::2]]
            assert Counter(replayed) == {None: 1, "true": 4}
        assert await other.fetchval("SELECT count(*) FROM trainings") == 2
        owners = await other.fetch("SELECT owner FROM idempotency_keys")
        assert {row["owner"] for row in owners} == {ADMIN.id, second_admin.id}

    async def test_a_key_belongs_to_the_account_and_not_to_one_of_its_tokens(
        self, client: AsyncClient
    ) -> None:
        session = (await log_in(client, PASSWORD, ADMIN.email)).json()

        first = await write(client, ADMIN, "Scaled", **{"Idempotency-Key": "a"})
        again = await write(
            client, ADMIN, "Scaled", **{"Idempotency-Key": "a", **bearer(session["token"])}
        )

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()
        assert again.headers["Idempotency-Replayed"] == "true"

    async def test_a_stored_response_is_replayed_only_to_a_caller_who_may_still_write(
        self, client: AsyncClient, other: asyncpg.Connection, second_admin: Known
    ) -> None:
        key = {"Idempotency-Key": "a"}
        made = await write(client, second_admin, "Scaled", **key)
        assert made.status_code == 201
        device = await add_device(other, await centre_id(client))

        without = await client.post(
            f"{API}/categories", json={"name": "Scaled"}, headers={"Authorization": "", **key}
        )
        anonymous = await write(client, second_admin, "Scaled", **key, Authorization="Bearer x")
        by_device = await write(client, device, "Scaled", **key)
        by_member = await write(client, MEMBER, "Scaled", **key)
        await change(client, second_admin, ADMIN, {"is_admin": False})
        demoted = await write(client, second_admin, "Scaled", **key)
        await change(client, second_admin, ADMIN, {"disabled": True})
        disabled = await write(client, second_admin, "Scaled", **key)

        assert problem(without) == (401, "/problems/invalid-token", [])
        assert problem(anonymous) == (401, "/problems/invalid-token", [])
        assert problem(by_device) == (403, "/problems/insufficient-scope", [])
        assert problem(by_member) == (403, "/problems/forbidden", [])
        assert problem(demoted) == (403, "/problems/forbidden", [])
        assert problem(disabled) == (401, "/problems/invalid-token", [])
        for response in (without, anonymous, by_device, by_member, demoted, disabled):
            assert made.json()["id"] not in response.text
            assert "Idempotency-Replayed" not in response.headers

    async def test_a_replay_without_a_token_is_refused(self, own_database: str) -> None:
        key = {"Idempotency-Key": "a"}
        async with served(patient(own_database), 2) as client:
            made = await write(client, ADMIN, "Scaled", **key)
            del client.headers["Authorization"]
            response = await client.post(f"{API}/categories", json={"name": "Scaled"}, headers=key)

        assert made.status_code == 201
        assert problem(response) == (401, "/problems/unauthenticated", [])
        assert response.headers["WWW-Authenticate"] == "Bearer"


async def centre_id(client: AsyncClient) -> str:
    payload = {"name": "North", "address": "Main Street 1"}
    made: str = (await client.post(f"{API}/centres", json=payload)).json()["id"]
    return made
