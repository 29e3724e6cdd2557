"""Accounts and the staff of centres."""

import httpx
import pytest
from asyncpg import Connection

from app.conftest import API, conflict, problem
from app.identity.tests.callers import ADMIN, MEMBER

ACCOUNT = f"{API}/accounts/{MEMBER.id}"


class TestAccounts:
    async def test_an_account_is_read_with_its_tag(self, client: httpx.AsyncClient) -> None:
        response = await client.get(ACCOUNT)

        account = response.json()
        assert account == {
            "id": str(MEMBER.id),
            "version": 1,
            "created_at": account["created_at"],
            "updated_at": account["created_at"],
            "email": MEMBER.email,
            "is_admin": False,
            "athlete": None,
            "has_password": True,
            "disabled_at": None,
        }
        assert response.headers["ETag"].startswith('"1-')

    async def test_accounts_are_listed_by_address_and_found_by_it(
        self, client: httpx.AsyncClient
    ) -> None:
        every = await client.get(f"{API}/accounts")
        one = await client.get(f"{API}/accounts", params={"email": "BEN@example.com"})
        none = await client.get(f"{API}/accounts", params={"email": "nobody@example.com"})

        assert [item["email"] for item in every.json()["items"]] == [ADMIN.email, MEMBER.email]
        assert [item["email"] for item in one.json()["items"]] == [MEMBER.email]
        assert none.json()["items"] == []

    async def test_an_account_becomes_an_athlete_and_an_administrator(
        self, client: httpx.AsyncClient
    ) -> None:
        category = (await client.post(f"{API}/categories", json={"name": "Rx"})).json()
        person = {"name": "Ben", "category_id": category["id"]}
        athlete = (await client.post(f"{API}/athletes", json=person)).json()

        change = {"athlete_id": athlete["id"], "is_admin": True}
        changed = await client.patch(ACCOUNT, json=change)
        again = await client.patch(ACCOUNT, json=change)

        assert changed.status_code == 200
        assert changed.json()["athlete"] == {"id": athlete["id"], "name": "Ben"}
        assert changed.json()["is_admin"] is True
        assert (changed.json()["version"], again.json()["version"]) == (2, 2)
        taken = await client.patch(f"{API}/accounts/{ADMIN.id}", json=change)
        assert conflict(taken) == ("/problems/already-taken", "/athlete_id")
        await client.delete(f"{API}/athletes/{athlete['id']}")
        assert (await client.get(ACCOUNT)).json()["athlete"] is None

    async def test_an_address_that_is_taken_is_refused(self, client: httpx.AsyncClient) -> None:
        response = await client.patch(ACCOUNT, json={"email": "ANA@example.com"})

        assert conflict(response) == ("/problems/already-taken", "/email")

    async def test_disabling_ends_all_tokens_and_codes_and_keeps_its_time(
        self, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        await client.post(f"{ACCOUNT}/reset")

        first = (await client.patch(ACCOUNT, json={"disabled": True})).json()
        second = (await client.patch(ACCOUNT, json={"disabled": True})).json()

        assert first["disabled_at"] is not None
        assert second == first
        live = "SELECT count(*) FROM tokens WHERE account_id = $1 AND revoked_at IS NULL"
        assert await connection.fetchval(live, MEMBER.id) == 0
        assert await connection.fetchval("SELECT count(*) FROM codes WHERE closed_at IS NULL") == 0
        enabled = (await client.patch(ACCOUNT, json={"disabled": False})).json()
        assert enabled["disabled_at"] is None

    @pytest.mark.parametrize(
        "change", [{"is_admin": False}, {"disabled": True}], ids=["demoted", "disabled"]
    )
    async def test_the_last_administrator_stays(
        self, client: httpx.AsyncClient, change: dict[str, bool]
    ) -> None:
        last = f"{API}/accounts/{ADMIN.id}"

        refused = await client.patch(last, json=change)
        await client.patch(ACCOUNT, json={"is_admin": True})
        accepted = await client.patch(last, json=change)

        assert problem(refused) == (409, "/problems/last-admin", [])
        assert accepted.status_code == 200

    async def test_a_disabled_administrator_does_not_count(self, client: httpx.AsyncClient) -> None:
        await client.patch(ACCOUNT, json={"is_admin": True, "disabled": True})

        response = await client.patch(f"{API}/accounts/{ADMIN.id}", json={"is_admin": False})

        assert problem(response) == (409, "/problems/last-admin", [])

    async def test_a_stale_tag_changes_no_rights(self, client: httpx.AsyncClient) -> None:
        headers = {"If-Match": '"7-"'}

        stale = await client.patch(ACCOUNT, json={"is_admin": True}, headers=headers)

        assert problem(stale) == (412, "/problems/precondition-failed", [])
        assert (await client.get(ACCOUNT)).json()["is_admin"] is False


class TestStaff:
    async def test_a_role_is_given_changed_listed_and_taken_away(
        self, client: httpx.AsyncClient
    ) -> None:
        centre = (await client.post(f"{API}/centres", json={"name": "North"})).json()
        staff = f"{API}/centres/{centre['id']}/staff"

        for role in ("coach", "owner", "owner"):
            given = await client.put(f"{staff}/{MEMBER.id}", json={"role": role})
            assert given.status_code == 204
        (listed,) = (await client.get(staff)).json()["items"]
        me = (await client.get(f"{API}/me", headers=MEMBER.headers)).json()
        removed = await client.delete(f"{staff}/{MEMBER.id}")
        again = await client.delete(f"{staff}/{MEMBER.id}")

        account = {"id": str(MEMBER.id), "email": MEMBER.email, "is_admin": False}
        assert (listed["account"], listed["role"], listed["version"]) == (account, "owner", 2)
        reference = {"id": centre["id"], "name": "North"}
        assert me["roles"] == [{"centre": reference, "role": "owner"}]
        assert removed.status_code == 204
        assert problem(again) == (404, "/problems/not-found", [])

    async def test_an_unknown_account_or_centre_is_not_found(
        self, client: httpx.AsyncClient
    ) -> None:
        centre = (await client.post(f"{API}/centres", json={"name": "North"})).json()
        nobody = "00000000-0000-0000-0000-000000000000"
        role = {"role": "desk"}

        account = await client.put(f"{API}/centres/{centre['id']}/staff/{nobody}", json=role)
        other = await client.put(f"{API}/centres/{nobody}/staff/{MEMBER.id}", json=role)

        assert account.json()["detail"] == "There is no such account."
        assert other.json()["detail"] == "There is no such centre."
        assert (account.status_code, other.status_code) == (404, 404)
