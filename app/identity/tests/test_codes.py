"""Invitations, password resets, and the passwords that they set."""

import json
import re
from datetime import UTC, datetime, timedelta
from unicodedata import normalize

import asyncpg
import pytest
from httpx import AsyncClient, Response
from pydantic import SecretStr

from app.conftest import API, Create, Json, conflict, not_found, problem
from app.identity.accounts.models import PasswordChange
from app.identity.login.codes import NewReset
from app.identity.login.models import Acceptance
from app.identity.models import SCOPES
from app.identity.tests.callers import ADMIN, MEMBER, PASSWORD
from app.identity.tokens.credentials import new_credential
from app.identity.tokens.models import Login

INVITATIONS, RESETS = f"{API}/invitations", f"{API}/resets"
NEW_PASSWORD = "a brand new password"  # noqa: S105 - of the accounts in tests
LEA = "lea@example.com"
TOKEN = re.compile("cfs_[0-9a-f]{32}_[A-Za-z0-9_-]{43}")
UNKNOWN = f"cfs_{'0' * 32}_{'A' * 43}"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def invite(client: AsyncClient, **fields: object) -> Json:
    """Invite Lea, and return the response with the code."""
    response = await client.post(INVITATIONS, json={"email": LEA, **fields})
    assert response.status_code == 201, response.text
    invitation: Json = response.json()
    return invitation


async def reset(client: AsyncClient) -> str:
    """Make a code to reset the password of the member."""
    response = await client.post(f"{API}/accounts/{MEMBER.id}/reset")
    assert response.status_code == 200, response.text
    code: str = response.json()["code"]
    return code


async def accept(
    client: AsyncClient, collection: str, code: str, password: str = NEW_PASSWORD
) -> Response:
    """Accept a code, as somebody without a token."""
    return await client.post(
        f"{collection}/accept",
        json={"code": code, "password": password},
        headers={"Authorization": ""},
    )


async def log_in(client: AsyncClient, password: str, email: str = MEMBER.email) -> Response:
    return await client.post(f"{API}/sessions", json={"email": email, "password": password})


def is_not_valid(response: Response) -> bool:
    """Return whether a code was refused, without a reason that tells something about it."""
    return (
        problem(response) == (422, "/problems/invalid", [("/code", "not_valid")])
        and response.json()["detail"]
        == "This code is unknown, used, expired or revoked: ask for a new one."
    )


@pytest.fixture
async def centre(create: Create) -> Json:
    return await create("centres", {"name": "North", "address": "Main Street 1"})


@pytest.fixture
async def athlete(create: Create) -> Json:
    category = await create("categories", {"name": "Scaled"})
    return await create(
        "athletes",
        {
            "name": "Lea Roth",
            "email": "lea.roth@example.com",
            "birth_date": "1990-12-31",
            "sex": "female",
            "category_id": category["id"],
        },
    )


class TestInvitation:
    async def test_an_accepted_invitation_makes_an_account_with_its_athlete_and_role(
        self, client: AsyncClient, centre: Json, athlete: Json
    ) -> None:
        invitation = await invite(
            client, athlete_id=athlete["id"], centre_id=centre["id"], role="coach"
        )
        listed = await client.get(INVITATIONS)
        accepted = await accept(client, INVITATIONS, invitation["code"])

        code, shown = invitation["code"], dict(invitation)
        del shown["code"]
        expires_at = datetime.fromisoformat(invitation["expires_at"])
        assert TOKEN.fullmatch(code)
        assert abs(expires_at - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=1)
        assert shown == {
            "id": invitation["id"],
            "version": 1,
            "created_at": invitation["created_at"],
            "updated_at": invitation["created_at"],
            "email": LEA,
            "athlete": {"id": athlete["id"], "name": "Lea Roth"},
            "centre": {"id": centre["id"], "name": "North"},
            "role": "coach",
            "expires_at": invitation["expires_at"],
        }
        assert listed.json()["items"] == [shown]

        session = accepted.json()
        account = {"id": session["account"]["id"], "email": LEA, "is_admin": False}
        assert accepted.status_code == 201
        assert accepted.headers["Location"] == f"{API}/sessions/{session['id']}"
        assert accepted.headers["Cache-Control"] == "no-store"
        assert session == {
            "id": session["id"],
            "version": 1,
            "created_at": session["created_at"],
            "updated_at": session["created_at"],
            "expires_at": session["expires_at"],
            "last_used_at": None,
            "account": account,
            "token": session["token"],
        }
        me = await client.get(f"{API}/me", headers=bearer(session["token"]))
        assert me.json() == {
            "account": account,
            "athlete": {"id": athlete["id"], "name": "Lea Roth"},
            "centre": None,
            "roles": [{"centre": {"id": centre["id"], "name": "North"}, "role": "coach"}],
            "scopes": list(SCOPES),
            "token": {
                "id": session["id"],
                "kind": "session",
                "expires_at": session["expires_at"],
            },
        }
        assert (await log_in(client, NEW_PASSWORD, LEA)).status_code == 201
        assert (await client.get(INVITATIONS)).json()["items"] == []
        assert is_not_valid(await accept(client, INVITATIONS, code))

    async def test_a_later_invitation_replaces_that_to_the_same_centre_only(
        self, client: AsyncClient, create: Create, centre: Json
    ) -> None:
        south = await create("centres", {"name": "South", "address": "Main Street 2"})
        to_none = await invite(client)
        to_north = await invite(client, centre_id=centre["id"], role="desk")
        to_south = await invite(client, centre_id=south["id"], role="coach")

        later = await client.post(
            INVITATIONS,
            json={"email": "LEA@example.com", "centre_id": centre["id"], "role": "owner"},
        )

        open_ids = [one["id"] for one in (await client.get(INVITATIONS)).json()["items"]]
        assert open_ids == [later.json()["id"], to_south["id"], to_none["id"]]
        assert is_not_valid(await accept(client, INVITATIONS, to_north["code"]))
        accepted = await accept(client, INVITATIONS, later.json()["code"])
        me = await client.get(f"{API}/me", headers=bearer(accepted.json()["token"]))
        assert [one["role"] for one in me.json()["roles"]] == ["owner"]

    async def test_a_revoked_invitation_is_refused(self, client: AsyncClient) -> None:
        invitation = await invite(client)

        revoked = await client.delete(f"{INVITATIONS}/{invitation['id']}")

        assert revoked.status_code == 204
        assert is_not_valid(await accept(client, INVITATIONS, invitation["code"]))
        assert not_found(await client.delete(f"{INVITATIONS}/{invitation['id']}"))

    async def test_an_expired_invitation_is_refused(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        invitation = await invite(client)
        await expire(connection)

        assert is_not_valid(await accept(client, INVITATIONS, invitation["code"]))
        assert (await client.get(INVITATIONS)).json()["items"] == []
        assert not_found(await client.delete(f"{INVITATIONS}/{invitation['id']}"))

    async def test_an_address_that_got_an_account_meanwhile_leaves_the_code_open(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        invitation = await invite(client)
        lea = await client.patch(f"{API}/accounts/{MEMBER.id}", json={"email": "LEA@example.com"})
        assert lea.status_code == 200

        taken = await accept(client, INVITATIONS, invitation["code"])

        assert problem(taken) == (409, "/problems/already-taken", [])
        assert taken.json()["detail"] == "This person has an account already."
        await client.patch(f"{API}/accounts/{MEMBER.id}", json={"email": MEMBER.email})
        assert (await accept(client, INVITATIONS, invitation["code"])).status_code == 201
        assert await connection.fetchval("SELECT count(*) FROM accounts") == 3

    async def test_an_athlete_who_got_an_account_meanwhile_leaves_the_code_open(
        self, client: AsyncClient, athlete: Json
    ) -> None:
        invitation = await invite(client, athlete_id=athlete["id"])
        account = f"{API}/accounts/{MEMBER.id}"
        linked = await client.patch(account, json={"athlete_id": athlete["id"]})
        assert linked.status_code == 200

        taken = await accept(client, INVITATIONS, invitation["code"])

        assert problem(taken) == (409, "/problems/already-taken", [])
        await client.patch(account, json={"athlete_id": None})
        assert (await accept(client, INVITATIONS, invitation["code"])).status_code == 201

    async def test_a_person_with_an_account_is_not_invited(
        self, client: AsyncClient, athlete: Json
    ) -> None:
        await client.patch(f"{API}/accounts/{MEMBER.id}", json={"athlete_id": athlete["id"]})

        email = await client.post(INVITATIONS, json={"email": "Ben@Example.com"})
        person = await client.post(INVITATIONS, json={"email": LEA, "athlete_id": athlete["id"]})

        assert conflict(email) == ("/problems/already-taken", "/email")
        assert conflict(person) == ("/problems/already-taken", "/athlete_id")

    @pytest.mark.parametrize("field", ["centre_id", "athlete_id"])
    async def test_an_invitation_to_nothing_is_refused(
        self, client: AsyncClient, field: str
    ) -> None:
        payload = {"email": LEA, field: "019aa8a5-3f0c-7c4e-9d0f-6f2d1c7a5b10"}
        role = {"role": "coach"} if field == "centre_id" else {}

        response = await client.post(INVITATIONS, json={**payload, **role})

        assert conflict(response) == ("/problems/reference-missing", f"/{field}")

    async def test_an_invitation_ends_with_its_centre(
        self, client: AsyncClient, centre: Json
    ) -> None:
        invitation = await invite(client, centre_id=centre["id"], role="coach")

        assert (await client.delete(f"{API}/centres/{centre['id']}")).status_code == 204

        assert is_not_valid(await accept(client, INVITATIONS, invitation["code"]))

    async def test_only_an_administrator_invites(self, client: AsyncClient) -> None:
        response = await client.post(INVITATIONS, json={"email": LEA}, headers=MEMBER.headers)

        assert problem(response) == (403, "/problems/forbidden", [])


class TestReset:
    async def test_a_reset_sets_the_password_and_ends_the_sessions_but_no_personal_token(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        personal = new_credential()
        await connection.execute(
            "INSERT INTO tokens (id, kind, secret_hash, account_id, scopes, expires_at, name)"
            " VALUES ($1, 'personal', $2, $3, '{access:read}', now() + interval '1 day', 'x')",
            personal.id,
            personal.secret_hash,
            MEMBER.id,
        )
        other = (await log_in(client, PASSWORD)).json()["token"]
        made = await client.post(f"{API}/accounts/{MEMBER.id}/reset")
        assert (await log_in(client, PASSWORD)).status_code == 201

        accepted = await accept(client, RESETS, made.json()["code"])

        session = accepted.json()
        expires_at = datetime.fromisoformat(made.json()["expires_at"])
        assert set(made.json()) == {"code", "expires_at"}
        assert made.headers["Cache-Control"] == "no-store"
        assert abs(expires_at - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1)
        assert accepted.status_code == 201
        assert session["account"] == {
            "id": str(MEMBER.id),
            "email": MEMBER.email,
            "is_admin": False,
        }
        sessions = await client.get(f"{API}/sessions", headers=bearer(session["token"]))
        assert [one["id"] for one in sessions.json()["items"]] == [session["id"]]
        for token in (MEMBER.token, other):
            ended = await client.delete(f"{API}/sessions/current", headers=bearer(token))
            assert problem(ended) == (401, "/problems/invalid-token", [])
        me = await client.get(f"{API}/me", headers=bearer(personal.text))
        assert me.json()["token"]["kind"] == "personal"
        wrong = await log_in(client, PASSWORD)
        assert problem(wrong) == (401, "/problems/wrong-credentials", [])
        assert (await log_in(client, NEW_PASSWORD)).status_code == 201
        assert is_not_valid(await accept(client, RESETS, made.json()["code"]))

    async def test_a_later_reset_closes_the_earlier_one(self, client: AsyncClient) -> None:
        earlier = await reset(client)
        later = await reset(client)

        assert is_not_valid(await accept(client, RESETS, earlier))
        assert (await accept(client, RESETS, later)).status_code == 201

    async def test_an_expired_reset_is_refused(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        code = await reset(client)
        await expire(connection)

        assert is_not_valid(await accept(client, RESETS, code))
        assert (await log_in(client, PASSWORD)).status_code == 201

    async def test_an_account_that_is_disabled_loses_its_reset(self, client: AsyncClient) -> None:
        code = await reset(client)
        account = f"{API}/accounts/{MEMBER.id}"

        await client.patch(account, json={"disabled": True})
        refused = await client.post(f"{account}/reset")

        assert problem(refused) == (409, "/problems/account-disabled", [])
        assert is_not_valid(await accept(client, RESETS, code))
        await client.patch(account, json={"disabled": False})
        assert is_not_valid(await accept(client, RESETS, code))

    async def test_an_unknown_account_is_not_found(self, client: AsyncClient) -> None:
        assert not_found(
            await client.post(f"{API}/accounts/019aa8a5-3f0c-7c4e-9d0f-6f2d1c7a5b10/reset")
        )

    async def test_only_an_administrator_makes_a_reset(self, client: AsyncClient) -> None:
        response = await client.post(f"{API}/accounts/{MEMBER.id}/reset", headers=MEMBER.headers)

        assert not_found(response)


class TestForgeries:
    async def test_a_code_with_another_secret_is_refused_like_an_unknown_one(
        self, client: AsyncClient
    ) -> None:
        invitation, of_reset = (await invite(client))["code"], await reset(client)

        for code in (UNKNOWN, "cfs_", "a", " " + invitation, invitation.upper(), "\N{BOMB}"):
            assert is_not_valid(await accept(client, INVITATIONS, code))
            assert is_not_valid(await accept(client, RESETS, code))
        mixed = invitation[:37] + of_reset[37:]
        assert is_not_valid(await accept(client, INVITATIONS, mixed))
        assert is_not_valid(await accept(client, RESETS, mixed))
        assert (await accept(client, INVITATIONS, invitation)).status_code == 201

    async def test_a_code_of_one_kind_is_none_of_the_other(self, client: AsyncClient) -> None:
        invitation, of_reset = (await invite(client))["code"], await reset(client)

        assert is_not_valid(await accept(client, RESETS, invitation))
        assert is_not_valid(await accept(client, INVITATIONS, of_reset))
        assert (await accept(client, INVITATIONS, invitation)).status_code == 201
        assert (await accept(client, RESETS, of_reset)).status_code == 201

    async def test_a_code_is_no_token(self, client: AsyncClient) -> None:
        for code in ((await invite(client))["code"], await reset(client)):
            response = await client.get(f"{API}/me", headers=bearer(code))

            assert problem(response) == (401, "/problems/invalid-token", [])

    async def test_a_token_is_no_code(self, client: AsyncClient) -> None:
        for collection in (INVITATIONS, RESETS):
            for token in (ADMIN.token, MEMBER.token):
                assert is_not_valid(await accept(client, collection, token))

    async def test_a_reset_is_no_invitation_to_delete(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        code = await reset(client)
        code_id = await connection.fetchval("SELECT id FROM codes")

        assert not_found(await client.delete(f"{INVITATIONS}/{code_id}"))
        assert (await accept(client, RESETS, code)).status_code == 201


class TestPasswords:
    @pytest.mark.parametrize(
        ("password", "code"),
        [
            ("", "secret_length"),
            ("x" * 7 + "y" * 7, "secret_length"),
            ("fourteen long!", "secret_length"),
            ("b" + "x y" * 42 + "yz", "secret_length"),
            ("123456789987654321", "common_password"),
            ("Qwerty123456789", "common_password"),
            ("passwordpassword", "common_password"),
            ("dragonDRAGONdragon", "common_password"),
            ("\u00e9" * 16, "common_password"),
            ("e\u0301" * 16, "common_password"),
            ("a\u0301b\u0301c\u0301d\u0301e\u0301f", "secret_length"),
            (None, "string_type"),
            (123456789012345678, "string_type"),
            ("a brand new \ud800 password", "surrogate"),
        ],
    )
    async def test_a_weak_password_is_refused_before_the_code_is_looked_at(
        self, client: AsyncClient, password: object, code: str
    ) -> None:
        for collection in (INVITATIONS, RESETS):
            response = await client.post(
                f"{collection}/accept",
                content=json.dumps({"code": UNKNOWN, "password": password}),
                headers={"Content-Type": "application/json"},
            )

            assert problem(response) == (422, "/problems/invalid", [("/password", code)])

    @pytest.mark.parametrize(
        "password",
        ["fifteen is right", "x y" * 42 + "yz", "\N{BOMB}\0 \t\n" * 3, "é à ü ñ ç ö" * 4],
        ids=["words", "128", "symbols", "accents"],
    )
    async def test_any_other_password_is_accepted(self, client: AsyncClient, password: str) -> None:
        assert (await accept(client, RESETS, await reset(client), password)).status_code == 201

        assert (await log_in(client, password)).status_code == 201

    @pytest.mark.parametrize(
        "password", ["un gar\u00e7on \u00e9l\u00e8ve \u1eaf", "\u1eaf\u00e7" * 63 + "ab"]
    )
    async def test_a_composed_and_a_decomposed_password_are_one(
        self, client: AsyncClient, password: str
    ) -> None:
        composed, decomposed = normalize("NFC", password), normalize("NFD", password)
        assert len(composed) <= 128
        assert (await accept(client, RESETS, await reset(client), decomposed)).status_code == 201

        assert (await log_in(client, composed)).status_code == 201
        assert (await log_in(client, decomposed)).status_code == 201
        change = {"current": composed, "new": NEW_PASSWORD}
        session = (await log_in(client, decomposed)).json()
        changed = await client.put(
            f"{API}/me/password", json=change, headers=bearer(session["token"])
        )
        assert changed.status_code == 204

    async def test_white_space_and_case_of_a_password_matter(self, client: AsyncClient) -> None:
        for password in (f" {PASSWORD}", f"{PASSWORD} ", PASSWORD.upper(), PASSWORD[:-1]):
            response = await log_in(client, password)

            assert problem(response) == (401, "/problems/wrong-credentials", [])


class TestSecrets:
    async def test_no_list_and_no_log_line_shows_a_secret(
        self,
        client: AsyncClient,
        centre: Json,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level("DEBUG")
        invitation = (await invite(client))["code"]
        device = await client.post(f"{API}/centres/{centre['id']}/devices", json={"name": "x"})
        personal = await client.post(
            f"{API}/tokens", json={"name": "x", "scopes": ["checkin"], "expires_in_days": 1}
        )
        session = await log_in(client, PASSWORD, ADMIN.email)
        of_reset = await reset(client)
        jwt = await client.post(
            f"{API}/sessions/current/jwt", headers=bearer(session.json()["token"])
        )
        listed = [
            (await client.get(f"{API}/{path}", headers=ADMIN.headers)).text
            for path in (
                "invitations",
                "tokens",
                "sessions",
                "accounts",
                "me",
                f"accounts/{MEMBER.id}",
                f"centres/{centre['id']}/devices",
                f"centres/{centre['id']}/staff",
            )
        ]
        await accept(client, INVITATIONS, UNKNOWN, "passwordpassword")
        await accept(client, INVITATIONS, invitation, NEW_PASSWORD)
        await accept(client, RESETS, of_reset, NEW_PASSWORD)
        await log_in(client, "a wrong password")
        await client.get(f"{API}/me", headers=bearer(UNKNOWN))

        shown = "\n".join([*listed, *capfd.readouterr(), caplog.text])
        secrets = [
            invitation,
            of_reset,
            device.json()["token"],
            personal.json()["token"],
            session.json()["token"],
            ADMIN.token,
            UNKNOWN,
        ]
        assert '"event":"request"' in shown
        for secret in secrets:
            assert secret[37:] not in shown
        for password in (PASSWORD, NEW_PASSWORD, "passwordpassword", "a wrong password"):
            assert password not in shown
        assert jwt.json()["jwt"].rpartition(".")[2] not in shown
        assert "secret_hash" not in "".join(listed)
        assert "argon2id" not in shown

    async def test_an_error_shows_no_secret(self, client: AsyncClient) -> None:
        code = (await invite(client))["code"]
        for payload in (
            {"code": code, "password": "too short"},
            {"code": code + "x" * 200, "password": PASSWORD},
            {"code": code, "password": PASSWORD, "more": PASSWORD},
            {"code": [code], "password": {"a": PASSWORD}},
        ):
            response = await client.post(f"{INVITATIONS}/accept", json=payload)

            assert response.status_code == 422
            assert code[37:] not in response.text
            assert "too short" not in response.text
            assert PASSWORD not in response.text

    def test_the_text_of_an_object_shows_no_secret(self) -> None:
        secret, credential = SecretStr(PASSWORD), new_credential()
        code = SecretStr(credential.text)
        objects = (
            Login(email=LEA, password=secret),
            Acceptance(code=code, password=secret),
            PasswordChange(current=secret, new=secret),
            NewReset(credential.text, datetime.now(UTC)),
            credential,
        )
        for one in objects:
            for text in (repr(one), str(one)):
                assert PASSWORD not in text
                assert credential.text not in text
                assert str(credential.secret_hash) not in text

    async def test_a_log_line_names_the_token_of_its_own_request_only(
        self, client: AsyncClient, capfd: pytest.CaptureFixture[str]
    ) -> None:
        await client.get(f"{API}/me")
        await client.get(f"{API}/me", headers=bearer(UNKNOWN))

        known, unknown = [
            json.loads(line)
            for line in capfd.readouterr().err.splitlines()
            if '"event":"request"' in line
        ]
        assert (known["status"], known["account"]) == (200, str(ADMIN.id))
        assert known["token"] == str(ADMIN.id)
        assert unknown["status"] == 401
        assert not {"account", "token"} & set(unknown)


class TestDeletedTokens:
    async def test_a_device_that_ended_with_its_centre_is_refused(
        self, client: AsyncClient, centre: Json
    ) -> None:
        made = await client.post(f"{API}/centres/{centre['id']}/devices", json={"name": "x"})
        device = bearer(made.json()["token"])
        assert (await client.get(f"{API}/me", headers=device)).status_code == 200

        assert (await client.delete(f"{API}/centres/{centre['id']}")).status_code == 204

        response = await client.get(f"{API}/me", headers=device)
        assert problem(response) == (401, "/problems/invalid-token", [])

    async def test_a_session_that_a_login_tidied_away_is_refused(self, client: AsyncClient) -> None:
        assert (await client.get(f"{API}/me", headers=MEMBER.headers)).status_code == 200
        await client.delete(f"{API}/sessions/current", headers=MEMBER.headers)
        assert (await log_in(client, PASSWORD)).status_code == 201

        response = await client.get(f"{API}/me", headers=MEMBER.headers)

        assert problem(response) == (401, "/problems/invalid-token", [])


async def expire(connection: asyncpg.Connection) -> None:
    """Let all codes expire."""
    await connection.execute("UPDATE codes SET expires_at = statement_timestamp()")
