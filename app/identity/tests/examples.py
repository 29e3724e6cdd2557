"""Responses about accounts and tokens that need some state."""

from collections.abc import Mapping

from asyncpg import Connection
from httpx import AsyncClient

from app.conftest import API
from app.identity.tests.callers import ADMIN, MEMBER, PASSWORD

WRONG = "a wrong password, long enough"


async def give_answers(client: AsyncClient, ids: Mapping[str, str], connection: Connection) -> None:
    """Log in wrongly and too often, use codes, and use and end a session."""
    login = {"email": ADMIN.email, "password": PASSWORD}
    change = {"current": PASSWORD, "new": PASSWORD}
    await client.post(f"{API}/sessions", json={**login, "password": WRONG})
    await client.put(f"{API}/me/password", json={**change, "current": WRONG})
    await connection.execute("UPDATE login_limits SET next_at = next_at + interval '1 hour'")
    await client.post(f"{API}/sessions", json=login)
    await client.put(f"{API}/me/password", json=change)
    await connection.execute("DELETE FROM login_limits")

    for taken_by in ("lea@example.com", "ben@example.com"):
        invited = await client.post(f"{API}/invitations", json={"email": "new@example.com"})
        await connection.execute(
            "UPDATE codes SET email = $1, email_key = $2 WHERE id = $3",
            taken_by,
            taken_by,
            invited.json()["id"],
        )
        acceptance = {"code": invited.json()["code"], "password": PASSWORD}
        await client.post(f"{API}/invitations/accept", json=acceptance)

    for collection, body in (("invitations", {"email": "new@example.com"}), ("sessions", login)):
        made = await client.post(f"{API}/{collection}", json=body)
        await client.delete(made.headers["Location"])

    account = f"{API}/accounts/{MEMBER.id}"
    code = (await client.post(f"{account}/reset")).json()["code"]
    await client.post(f"{API}/sessions/current/jwt", headers=MEMBER.headers)
    await client.delete(f"{API}/sessions/current", headers=MEMBER.headers)
    await client.post(f"{API}/resets/accept", json={"code": code, "password": PASSWORD})
    await client.patch(f"{API}/accounts/{ADMIN.id}", json={"is_admin": False})
    await client.patch(account, json={"disabled": True})
    await client.post(f"{account}/reset")
    await client.patch(account, json={"disabled": False})
