"""Personal tokens and devices."""

import httpx
import pytest
from asyncpg import Connection

from app.conftest import API, problem
from app.identity.tests.callers import ADMIN, MEMBER

TOKEN = {"name": "Website", "scopes": ["categories:read", "access:write"], "expires_in_days": 90}


def bearer(response: httpx.Response) -> dict[str, str]:
    """Return the header with the token of a response."""
    assert response.status_code == 201, response.text
    return {"Authorization": f"Bearer {response.json()['token']}"}


class TestPersonalTokens:
    async def test_a_token_is_made_with_its_scopes_and_shown_once(
        self, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        made = await client.post(f"{API}/tokens", json=TOKEN)

        shown = made.json()
        assert shown == {
            "id": shown["id"],
            "version": 1,
            "created_at": shown["created_at"],
            "updated_at": shown["created_at"],
            "expires_at": shown["expires_at"],
            "last_used_at": None,
            "name": "Website",
            "scopes": ["categories:read", "access:write"],
            "token": shown["token"],
        }
        listed = (await client.get(f"{API}/tokens")).json()["items"]
        assert listed[0] == {name: value for name, value in shown.items() if name != "token"}
        assert listed[1]["id"] == str(ADMIN.id)
        days = "SELECT extract(days FROM expires_at - created_at) FROM tokens WHERE id = $1"
        assert await connection.fetchval(days, shown["id"]) in (89, 90)

    async def test_a_token_does_not_exceed_its_scopes(self, client: httpx.AsyncClient) -> None:
        token = bearer(await client.post(f"{API}/tokens", json=TOKEN))

        read = await client.get(f"{API}/categories", headers=token)
        write = await client.post(f"{API}/categories", json={"name": "Rx"}, headers=token)

        assert read.status_code == 200
        assert problem(write) == (403, "/problems/insufficient-scope", [])

    async def test_a_token_cannot_make_a_wider_one(self, client: httpx.AsyncClient) -> None:
        token = bearer(await client.post(f"{API}/tokens", json=TOKEN))
        wider = {**TOKEN, "scopes": ["categories:read", "categories:write"]}

        response = await client.post(f"{API}/tokens", json=wider, headers=token)

        assert problem(response) == (422, "/problems/invalid", [("/scopes", "exceeding")])

    async def test_a_token_cannot_make_one_that_outlives_it(
        self, client: httpx.AsyncClient
    ) -> None:
        day = bearer(await client.post(f"{API}/tokens", json={**TOKEN, "expires_in_days": 1}))

        child = await client.post(f"{API}/tokens", json=TOKEN, headers=day)

        own = (await client.get(f"{API}/me", headers=day)).json()["token"]["expires_at"]
        assert child.json()["expires_at"] <= own

    async def test_a_token_without_all_scopes_makes_no_account_stronger(
        self, client: httpx.AsyncClient
    ) -> None:
        token = bearer(await client.post(f"{API}/tokens", json=TOKEN))
        account = f"{API}/accounts/{MEMBER.id}"

        answers = [
            await client.post(f"{account}/reset", headers=token),
            await client.patch(account, json={"is_admin": True}, headers=token),
            await client.post(f"{API}/invitations", json={"email": "x@example.com"}, headers=token),
        ]

        assert [problem(answer)[:2] for answer in answers] == [
            (403, "/problems/insufficient-scope")
        ] * 3

    async def test_a_token_does_not_exceed_its_account(
        self, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        token = bearer(await client.post(f"{API}/tokens", json=TOKEN))
        await client.post(f"{API}/categories", json={"name": "Rx"})
        await connection.execute("UPDATE accounts SET is_admin = false")

        response = await client.get(f"{API}/categories", headers=token)

        assert response.json()["items"] == []

    async def test_a_token_ends_with_its_account_for_good(
        self, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        await connection.execute("UPDATE accounts SET is_admin = true")
        token = bearer(await client.post(f"{API}/tokens", json=TOKEN, headers=MEMBER.headers))
        account = f"{API}/accounts/{MEMBER.id}"

        await client.patch(account, json={"disabled": True})
        while_disabled = await client.post(f"{API}/tokens", json=TOKEN, headers=token)
        await client.patch(account, json={"disabled": False})
        afterwards = await client.post(f"{API}/tokens", json=TOKEN, headers=token)

        assert problem(while_disabled) == (401, "/problems/invalid-token", [])
        assert problem(afterwards) == (401, "/problems/invalid-token", [])

    async def test_a_revoked_token_is_gone(self, client: httpx.AsyncClient) -> None:
        made = await client.post(f"{API}/tokens", json=TOKEN)
        token = bearer(made)

        revoked = await client.delete(made.headers["Location"])
        again = await client.delete(made.headers["Location"])
        used = await client.post(f"{API}/tokens", json=TOKEN, headers=token)

        assert revoked.status_code == 204
        assert problem(again) == (404, "/problems/not-found", [])
        assert problem(used) == (401, "/problems/invalid-token", [])

    @pytest.mark.parametrize("days", [0, 366], ids=["none", "more than a year"])
    async def test_a_token_ends_within_a_year(self, client: httpx.AsyncClient, days: int) -> None:
        response = await client.post(f"{API}/tokens", json={**TOKEN, "expires_in_days": days})

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "/expires_in_days"

    async def test_a_request_for_a_secret_takes_no_key_and_stores_nothing(
        self, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        headers = {"Idempotency-Key": "one"}

        response = await client.post(f"{API}/tokens", json=TOKEN, headers=headers)

        assert problem(response) == (
            422,
            "/problems/invalid",
            [("Idempotency-Key", "unsupported")],
        )
        assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == 0


class TestDevices:
    async def test_a_device_is_made_listed_and_revoked(self, client: httpx.AsyncClient) -> None:
        centre = (await client.post(f"{API}/centres", json={"name": "North"})).json()
        devices = f"{API}/centres/{centre['id']}/devices"

        made = await client.post(devices, json={"name": "Tablet"})
        token = bearer(made)
        me = (await client.get(f"{API}/me", headers=token)).json()
        listed = (await client.get(devices)).json()["items"]
        revoked = await client.delete(made.headers["Location"])
        used = await client.post(devices, json={"name": "Tablet"}, headers=token)

        shown = made.json()
        reference = {"id": centre["id"], "name": "North"}
        assert shown == {
            "id": shown["id"],
            "version": 1,
            "created_at": shown["created_at"],
            "updated_at": shown["created_at"],
            "expires_at": shown["expires_at"],
            "last_used_at": None,
            "name": "Tablet",
            "walk_ins": False,
            "centre": reference,
            "token": shown["token"],
        }
        assert [item["id"] for item in listed] == [shown["id"]]
        assert me == {
            "account": None,
            "athlete": None,
            "centre": reference,
            "roles": [],
            "scopes": ["centres:read", "trainings:read", "results:read", "checkin"],
            "token": {"id": shown["id"], "kind": "device", "expires_at": shown["expires_at"]},
        }
        assert revoked.status_code == 204
        assert problem(used) == (401, "/problems/invalid-token", [])

    async def test_a_device_may_book_walk_ins_if_its_maker_may_book(
        self, client: httpx.AsyncClient
    ) -> None:
        centre = (await client.post(f"{API}/centres", json={"name": "North"})).json()
        devices = f"{API}/centres/{centre['id']}/devices"
        payload = {"name": "Scanner", "walk_ins": True}
        scopes = ["access:write", "centres:read", "trainings:read", "results:read", "checkin"]
        limited = {"name": "Script", "scopes": scopes, "expires_in_days": 1}

        made = await client.post(devices, json=payload)
        me = (await client.get(f"{API}/me", headers=bearer(made))).json()
        script = bearer(await client.post(f"{API}/tokens", json=limited))
        refused = await client.post(devices, json=payload, headers=script)

        assert made.json()["walk_ins"] is True
        assert me["scopes"] == [
            *("centres:read", "trainings:read", "results:read", "checkin", "trainings:write")
        ]
        assert problem(refused) == (403, "/problems/insufficient-scope", [])

    async def test_a_device_ends_with_its_centre(self, client: httpx.AsyncClient) -> None:
        centre = await client.post(f"{API}/centres", json={"name": "North"})
        home = centre.headers["Location"]
        token = bearer(await client.post(f"{home}/devices", json={"name": "Tablet"}))

        await client.delete(home)
        response = await client.get(f"{API}/me", headers=token)

        assert problem(response) == (401, "/problems/invalid-token", [])
