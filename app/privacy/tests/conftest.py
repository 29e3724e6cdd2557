"""A gym, and a person whose data are in every place that has any."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from httpx import AsyncClient

from app.athletes.files.tests.conftest import post_csv
from app.conftest import API, Json
from app.identity.tests.callers import PASSWORD
from app.trainings.tests.conftest import HOUR, SOON, Gym, Pass, gym, let_pass

__all__ = ["gym", "let_pass"]

MARA: Json = {
    "name": "Mara Lindqvist",
    "reference": "M-1042",
    "email": "Mara@example.com",
    "national_id": "X1234567",
    "birth_date": "1994-05-17",
    "sex": "female",
    "height_cm": 168.5,
    "weight_kg": 64.25,
}
PRIVATE = "m.lindqvist@example.org"
"""The address of the account."""
TRACES = ("mara", "lindqvist", "m-1042", "x1234567", "1994-05-17", "female", "168.5", "64.25")
"""What tells of the person, in lower case."""
CREATION, BOOKING = {"Idempotency-Key": "creation"}, {"Idempotency-Key": "booking"}


@dataclass
class Person:
    """An athlete, their account, and the requests that may be sent again."""

    id: str
    created: Json
    past: Json
    """A training that has ended, where the athlete was checked in."""
    future: Json
    """A training with one seat, which the athlete has, and somebody in the waitlist."""
    account_id: str
    session: dict[str, str]
    """The header with the token of a session of the account."""


@pytest.fixture
async def mara(client: AsyncClient, gym: Gym, let_pass: Pass) -> Person:
    """Create a person over the API, and let them use the service."""
    payload = {**MARA, "category_id": gym.category_id, "centre_ids": [gym.centre_id]}
    made = await client.post(f"{API}/athletes", json=payload, headers=CREATION)
    mara = made.json()["id"]
    past = await gym.training()
    await gym.acted((await gym.book(past, mara))[0], "check-in")
    await let_pass(2 * HOUR)
    future = await gym.training(SOON + HOUR, capacity=1)
    url = f"{API}/trainings/{future['id']}/bookings"
    booked = await client.post(url, json={"athlete_id": mara}, headers=BOOKING)
    assert (made.status_code, booked.status_code) == (201, 201)
    await gym.book(future, await gym.athlete())
    busy = await gym.ask(await gym.training(SOON + HOUR), mara)
    taken = await client.post(f"{API}/athletes", json=payload)
    assert (busy.status_code, taken.status_code) == (409, 409)

    rejected = f"name,reference,category,height\nMara Lindqvist,M-1042,{payload['sex']},1\n"
    assert (await post_csv(client, rejected)).json()["rejected"] == 1

    code = await _issued(client, "invitations", email=PRIVATE, athlete_id=mara)
    accepted = {"code": code["code"], "password": PASSWORD}
    account = await _issued(client, "invitations/accept", **accepted)
    account_id, session = account["account"]["id"], _bearer(account["token"])
    await client.patch(f"{API}/accounts/{account_id}", json={"is_admin": True})
    await client.put(f"{API}/centres/{gym.centre_id}/staff/{account_id}", json={"role": "coach"})
    await _issued(client, f"accounts/{account_id}/reset")
    await _issued(client, "invitations", email=MARA["email"])
    token = {"name": "Phone of Mara", "scopes": ["athletes:read"], "expires_in_days": 1}
    await client.post(f"{API}/tokens", json=token, headers=session)
    await client.post(f"{API}/categories", json={"name": "Hers"}, headers={**session, **CREATION})
    for password in (PASSWORD, f"not {PASSWORD}"):
        for address in (PRIVATE, MARA["email"]):
            await client.post(f"{API}/sessions", json={"email": address, "password": password})
    return Person(mara, payload, past, future, account_id, session)


async def _issued(client: AsyncClient, path: str, **fields: Any) -> Json:
    response = await client.post(f"{API}/{path}", json=fields)
    assert response.is_success, response.text
    made: Json = response.json()
    return made


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def dump(connection: asyncpg.Connection) -> str:
    """Return every row of every table as text."""
    tables = await connection.fetch(
        "SELECT quote_ident(relname) FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace ORDER BY 1"
    )
    lines = []
    for (table,) in tables:
        rows = await connection.fetch(f"SELECT {table}::text FROM {table}")  # noqa: S608 - quoted
        lines += [f"{table} {row[0]}" for row in rows]
    return "\n".join(lines)


def found_in(text: str) -> Iterator[str]:
    """Yield the traces of the person in a text."""
    return (trace for trace in TRACES if trace in text.lower())
