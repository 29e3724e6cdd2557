"""Logging in and out, sessions, and the own account."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from asyncpg import Connection
from fastapi import FastAPI

from app.conftest import API, client_of, problem
from app.core.http.tests.document import Document
from app.identity import passwords
from app.identity.models import SCOPES
from app.identity.passwords import OF_NOBODY, Passwords
from app.identity.tests.callers import ADMIN, MEMBER, PASSWORD
from app.identity.tokens.queries import MOST_SESSIONS

LOGIN = {"email": MEMBER.email, "password": PASSWORD}
WRONG = {**LOGIN, "password": "another long password"}


async def log_in(client: httpx.AsyncClient, **headers: str) -> dict[str, str]:
    """Log in, and return the header with the new token."""
    made = await client.post(f"{API}/sessions", json=LOGIN, headers=headers)
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['token']}"}


class TestLogin:
    async def test_a_login_begins_a_session_of_thirty_days(
        self, app: FastAPI, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        async with client_of(app, caller=None) as stranger:
            response = await stranger.post(
                f"{API}/sessions", json={**LOGIN, "email": "BEN@Example.com"}
            )

        made = response.json()
        token = made.pop("token")
        assert response.status_code == 201
        assert response.headers["Location"] == f"{API}/sessions/{made['id']}"
        assert response.headers["Cache-Control"] == "no-store"
        assert made == {
            "id": made["id"],
            "version": 1,
            "created_at": made["created_at"],
            "updated_at": made["created_at"],
            "expires_at": made["expires_at"],
            "last_used_at": None,
            "account": {"id": str(MEMBER.id), "email": MEMBER.email, "is_admin": False},
        }
        days = "SELECT extract(days FROM expires_at - created_at) FROM tokens WHERE id = $1"
        assert await connection.fetchval(days, made["id"]) in (29, 30)
        me = await client.get(f"{API}/me", headers={"Authorization": f"Bearer {token}"})
        assert me.json() == {
            "account": {"id": str(MEMBER.id), "email": MEMBER.email, "is_admin": False},
            "athlete": None,
            "centre": None,
            "roles": [],
            "scopes": list(SCOPES),
            "token": {"id": made["id"], "kind": "session", "expires_at": made["expires_at"]},
        }

    async def test_all_failures_have_one_answer_and_compute_one_hash(
        self, client: httpx.AsyncClient, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hashed: list[str] = []
        verify = passwords.Passwords._verify

        def counting(self: Passwords, stored: str | None, password: str) -> bool:
            hashed.append(password)
            return verify(self, stored, password)

        monkeypatch.setattr(passwords.Passwords, "_verify", counting)

        async def failed(login: dict[str, str]) -> tuple[Any, str]:
            response = await client.post(f"{API}/sessions", json=login)
            assert response.headers["WWW-Authenticate"] == "Bearer"
            return problem(response), response.json()["detail"]

        answers = [
            await failed(WRONG),
            await failed({**LOGIN, "email": "nobody@example.com"}),
        ]
        await connection.execute("UPDATE accounts SET disabled_at = now() WHERE NOT is_admin")
        answers.append(await failed(LOGIN))
        passwordless = "UPDATE accounts SET disabled_at = NULL, password_hash = NULL"
        await connection.execute(f"{passwordless} WHERE NOT is_admin")
        answers.append(await failed(LOGIN))

        detail = "No enabled account has this email address and password."
        assert answers == [((401, "/problems/wrong-credentials", []), detail)] * 4
        assert len(hashed) == 4

    def test_the_hash_of_nobody_takes_as_long_as_the_others(self) -> None:
        assert not Passwords().is_outdated(OF_NOBODY)

    async def test_a_login_renews_a_hash_with_other_parameters(
        self, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        other = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        old = other.hash(PASSWORD)
        await connection.execute("UPDATE accounts SET password_hash = $1 WHERE NOT is_admin", old)

        await log_in(client)

        stored = await connection.fetchval("SELECT password_hash FROM accounts WHERE NOT is_admin")
        assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        await log_in(client)

    async def test_a_login_deletes_sessions_that_ended_and_those_beyond_the_limit(
        self, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        add = """
            INSERT INTO tokens (id, kind, secret_hash, account_id, scopes, expires_at)
            SELECT gen_random_uuid(), 'session', ''::bytea, $1, '{}', now() + $2
            FROM generate_series(1, $3::int)
        """
        await connection.execute(add, MEMBER.id, timedelta(days=-1), 5)
        await connection.execute(add, MEMBER.id, timedelta(days=1), MOST_SESSIONS + 5)

        await log_in(client)

        counted = "SELECT count(*) FROM tokens WHERE account_id = $1"
        assert await connection.fetchval(counted, MEMBER.id) == MOST_SESSIONS + 1


class TestSession:
    async def test_a_session_ends_after_seven_days_without_a_request(
        self, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        used = "UPDATE tokens SET last_used_at = now() - $1::interval WHERE id = $2"
        await connection.execute(used, timedelta(days=7, minutes=-1), MEMBER.id)
        alive = await client.post(f"{API}/sessions/current/jwt", headers=MEMBER.headers)
        noted = await connection.fetchval(
            "SELECT last_used_at > now() - interval '1 minute' FROM tokens WHERE id = $1", MEMBER.id
        )
        await connection.execute(used, timedelta(days=7, minutes=1), MEMBER.id)
        ended = await client.delete(f"{API}/sessions/current", headers=MEMBER.headers)

        assert alive.status_code == 200
        assert noted
        assert problem(ended) == (401, "/problems/invalid-token", [])

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE tokens SET expires_at = now()",
            "UPDATE tokens SET revoked_at = now()",
            "UPDATE accounts SET disabled_at = now()",
            "DELETE FROM accounts",
        ],
        ids=["expired", "revoked", "disabled", "deleted"],
    )
    async def test_a_token_that_has_ended_is_refused(
        self, client: httpx.AsyncClient, connection: Connection, change: str
    ) -> None:
        await connection.execute(change)

        response = await client.delete(f"{API}/sessions/current", headers=MEMBER.headers)

        assert problem(response) == (401, "/problems/invalid-token", [])

    async def test_the_use_of_a_token_is_written_once_an_hour(
        self, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        used = "SELECT last_used_at FROM tokens WHERE id = $1"
        before = await connection.fetchval(used, MEMBER.id)

        await client.post(f"{API}/sessions/current/jwt", headers=MEMBER.headers)
        soon = await connection.fetchval(used, MEMBER.id)
        await connection.execute(
            "UPDATE tokens SET last_used_at = now() - interval '61 minutes' WHERE id = $1",
            MEMBER.id,
        )
        await client.post(f"{API}/sessions/current/jwt", headers=MEMBER.headers)

        assert soon == before
        assert await connection.fetchval(used, MEMBER.id) > before

    async def test_sessions_are_listed_newest_first_and_ended_one_by_one(
        self, client: httpx.AsyncClient
    ) -> None:
        first, second = await log_in(client), await log_in(client)

        listed = await client.get(f"{API}/sessions", headers=first)
        items = listed.json()["items"]
        gone = await client.delete(f"{API}/sessions/{items[0]['id']}", headers=first)
        again = await client.delete(f"{API}/sessions/{items[0]['id']}", headers=first)
        left = await client.get(f"{API}/sessions", headers=first)

        assert [item["account"]["email"] for item in items] == [MEMBER.email] * 3
        assert [item["id"] for item in items][2] == str(MEMBER.id)
        assert gone.status_code == 204
        assert problem(again) == (404, "/problems/not-found", [])
        assert left.json()["items"] == items[1:]
        ended = await client.delete(f"{API}/sessions/current", headers=second)
        assert problem(ended) == (401, "/problems/invalid-token", [])

    async def test_a_session_of_another_account_is_not_found(
        self, client: httpx.AsyncClient
    ) -> None:
        response = await client.delete(f"{API}/sessions/{MEMBER.id}")

        assert problem(response) == (404, "/problems/not-found", [])

    async def test_logging_out_ends_the_session(self, client: httpx.AsyncClient) -> None:
        session = await log_in(client)

        out = await client.delete(f"{API}/sessions/current", headers=session)
        again = await client.delete(f"{API}/sessions/current", headers=session)

        assert out.status_code == 204
        assert problem(again) == (401, "/problems/invalid-token", [])

    async def test_a_personal_token_is_no_current_session(self, client: httpx.AsyncClient) -> None:
        response = await client.delete(f"{API}/sessions/current")

        assert problem(response) == (404, "/problems/not-found", [])


class TestPassword:
    async def test_a_change_ends_the_other_sessions_and_no_personal_token(
        self, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        await connection.execute(
            "UPDATE tokens SET kind = 'personal', name = 'x' WHERE id = $1", MEMBER.id
        )
        mine, other = await log_in(client), await log_in(client)
        change = {"current": PASSWORD, "new": "a new password, long"}

        changed = await client.put(f"{API}/me/password", json=change, headers=mine)

        assert changed.status_code == 204
        current = f"{API}/sessions/current/jwt"
        assert (await client.post(current, headers=mine)).status_code == 200
        ended = await client.post(current, headers=other)
        assert problem(ended) == (401, "/problems/invalid-token", [])
        personal = await client.post(current, headers=MEMBER.headers)
        assert problem(personal) == (404, "/problems/not-found", [])
        old = await client.post(f"{API}/sessions", json=LOGIN)
        assert problem(old) == (401, "/problems/wrong-credentials", [])

    async def test_a_wrong_current_password_changes_nothing(
        self, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        hashes = "SELECT array_agg(password_hash) FROM accounts"
        before = await connection.fetchval(hashes)
        change = {"current": "a wrong password, long", "new": "a new password, long"}

        response = await client.put(f"{API}/me/password", json=change)

        assert problem(response) == (401, "/problems/wrong-credentials", [])
        assert await connection.fetchval(hashes) == before


class TestSecrets:
    async def test_a_secret_is_in_no_row_and_no_list(
        self, client: httpx.AsyncClient, connection: Connection, document: Document
    ) -> None:
        session = await log_in(client)
        secret = session["Authorization"][-43:]

        listed = await client.get(f"{API}/sessions", headers=session)
        stored = await connection.fetch("SELECT tokens::text FROM tokens")

        assert secret not in listed.text
        assert secret not in str(stored)

    async def test_logs_have_the_account_and_the_token_but_no_secret(
        self, client: httpx.AsyncClient, capfd: pytest.CaptureFixture[str]
    ) -> None:
        await client.post(f"{API}/sessions", json=WRONG)
        await client.get(f"{API}/me", headers=ADMIN.headers)

        logged = capfd.readouterr().err
        assert f'"account":"{ADMIN.id}","token":"{ADMIN.id}"' in logged
        assert ADMIN.token[-43:] not in logged
        assert WRONG["password"] not in logged
        assert MEMBER.email not in logged
