"""Each write adds exactly one event, which names fields and never values."""

import asyncio
from collections import Counter
from uuid import UUID

import asyncpg
import pytest
from httpx import AsyncClient

from app.commands.prove.journal import unequal_to_journal
from app.conftest import API, Create, Json, lock_waiters
from app.identity.tests.callers import ADMIN, MEMBER
from app.journal.tests.life import Life

KNOWN = [ADMIN.id, MEMBER.id]
"""The accounts and tokens that were added without events."""


async def events_of(client: AsyncClient, row_id: str) -> list[Json]:
    """Return the events about a row, the first one first."""
    query = {"resource_id": row_id, "sort": "occurred_at"}
    items: list[Json] = (await client.get(f"{API}/events", params=query)).json()["items"]
    return items


async def told(client: AsyncClient, row_id: str) -> list[tuple[str, int, list[str]]]:
    """Return the types, versions and changed fields of the events about a row."""
    events = await events_of(client, row_id)
    return [(event["type"], event["version"], event["changed"]) for event in events]


async def test_every_write_of_every_kind_of_row_has_one_event_without_values(
    client: AsyncClient, connection: asyncpg.Connection
) -> None:
    life = Life(client)
    await life.run()

    assert await unequal_to_journal(connection, KNOWN) == []
    kinds = Counter(kind for (kind,) in await connection.fetch("SELECT type FROM events"))
    assert set(kinds) == {
        *(f"category.{verb}" for verb in ("created", "updated", "deleted")),
        *(f"centre.{verb}" for verb in ("created", "updated", "deleted")),
        *(f"athlete.{verb}" for verb in ("created", "updated", "deleted", "enrolled", "withdrawn")),
        *(f"training.{verb}" for verb in ("created", "updated", "cancelled", "deleted")),
        *(
            f"booking.{verb}"
            for verb in ("created", "cancelled", "checked_in", "checked_out", "promoted")
        ),
        *(f"calendar_feed.{verb}" for verb in ("created", "replaced", "deleted")),
        *(f"account.{verb}" for verb in ("created", "updated", "password_changed")),
        *(f"staff.{verb}" for verb in ("created", "updated", "deleted")),
        *(f"session.{verb}" for verb in ("created", "revoked", "deleted")),
        *(f"token.{verb}" for verb in ("created", "revoked")),
        *(f"device.{verb}" for verb in ("created", "revoked", "deleted")),
        *(f"invitation.{verb}" for verb in ("created", "revoked", "accepted", "deleted")),
        *(f"reset.{verb}" for verb in ("created", "accepted")),
    }
    assert kinds["booking.promoted"] == 2
    text = await connection.fetchval("SELECT string_agg(events::text, ' ') FROM events")
    assert len(life.values) > 30
    assert [value for value in life.values if value in text] == []


async def test_an_event_says_who_wrote_which_fields_where(
    client: AsyncClient, create: Create
) -> None:
    category = await create("categories", {"name": "Rx"})
    north, south = [(await create("centres", {"name": name}))["id"] for name in ("N", "S")]
    athlete = await create(
        "athletes", {"name": "Lea", "category_id": category["id"], "centre_ids": [north]}
    )
    path = f"{API}/athletes/{athlete['id']}"

    await client.patch(path, json={"name": "Léa", "sex": "female"})
    await client.patch(path, json={"name": "Léa", "sex": None}, headers={"X-Request-ID": "ours"})
    await client.patch(path, json={"name": "Léa"})
    await client.put(f"{path}/centres/{south}")
    await client.patch(path, json={"centre_ids": [south]})
    await client.delete(path)

    of_athlete = await events_of(client, athlete["id"])
    assert [(one["type"], one["version"], one["changed"]) for one in of_athlete] == [
        ("athlete.created", 1, []),
        ("athlete.updated", 2, ["name", "sex"]),
        ("athlete.updated", 3, ["sex"]),
        ("athlete.enrolled", 4, ["centre_ids"]),
        ("athlete.updated", 5, ["centre_ids"]),
        ("athlete.deleted", 6, []),
    ]
    places = [{north}, {north}, {north}, {north, south}, {north, south}, {south}]
    assert [set(one["centre_ids"]) for one in of_athlete] == places
    assert {one["actor"] for one in of_athlete} == {str(ADMIN.id)}
    assert {one["athlete_id"] for one in of_athlete} == {athlete["id"]}
    assert of_athlete[2]["request_id"] == "ours"
    assert [one["id"] for one in of_athlete] == sorted(one["id"] for one in of_athlete)
    assert (await client.get(f"{path}/events?sort=occurred_at")).json()["items"] == of_athlete


async def test_a_login_is_written_by_its_account_and_a_refusal_by_nobody(
    client: AsyncClient, connection: asyncpg.Connection
) -> None:
    login = {"email": MEMBER.email, "password": "correct horse battery staple"}
    session = (await client.post(f"{API}/sessions", json=login)).json()
    await client.post(f"{API}/sessions", json={**login, "password": "wrong, but long enough"})
    await client.patch(f"{API}/accounts/{ADMIN.id}", json={"is_admin": False})

    rows = await connection.fetch("SELECT type, actor, resource_id FROM events ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("session.created", str(MEMBER.id), UUID(session["id"]))
    ]


async def test_rows_that_end_with_another_have_the_actor_of_that_write(
    client: AsyncClient, create: Create
) -> None:
    centre = await create("centres", {"name": "Box"})
    device = await client.post(f"{API}/centres/{centre['id']}/devices", json={"name": "Tablet"})

    deleted = await client.delete(
        f"{API}/centres/{centre['id']}", headers={"X-Request-ID": "the-end"}
    )

    assert deleted.status_code == 204
    (_, last) = await events_of(client, device.json()["id"])
    about = {name: last[name] for name in ("type", "version", "actor", "request_id", "centre_ids")}
    assert about == {
        "type": "device.deleted",
        "version": 2,
        "actor": str(ADMIN.id),
        "request_id": "the-end",
        "centre_ids": [centre["id"]],
    }


async def test_a_training_that_moves_is_told_to_both_centres(
    client: AsyncClient, create: Create
) -> None:
    north, south = [(await create("centres", {"name": name}))["id"] for name in ("N", "S")]
    plan = {
        "name": "WOD",
        "centre_id": north,
        "capacity": 3,
        "starts_at": "2100-01-01T10:00:00Z",
        "ends_at": "2100-01-01T11:00:00Z",
    }
    training = await create("trainings", plan)

    for body in ({"centre_id": south}, {"coach": "Carl"}):
        await client.patch(f"{API}/trainings/{training['id']}", json=body)

    events = await events_of(client, training["id"])
    assert [set(event["centre_ids"]) for event in events] == [{north}, {north, south}, {south}]
    assert [event["changed"] for event in events] == [[], ["centre_id"], ["coach"]]


async def test_equal_changes_at_once_add_one_event(
    pooled_client: AsyncClient, other: asyncpg.Connection
) -> None:
    made = (await pooled_client.post(f"{API}/categories", json={"name": "Rx"})).json()
    path = f"{API}/categories/{made['id']}"
    async with other.transaction():
        await other.execute("SELECT FROM categories FOR UPDATE")
        changes = [
            asyncio.create_task(pooled_client.patch(path, json={"name": "Scaled"}))
            for _ in range(6)
        ]
        await lock_waiters(other, 6)

    answers = [(await change).json()["version"] for change in changes]

    assert answers == [2] * 6
    assert await told(pooled_client, made["id"]) == [
        ("category.created", 1, []),
        ("category.updated", 2, ["name"]),
    ]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE events SET actor = 'x'", "DELETE FROM events", "TRUNCATE events"],
)
async def test_the_journal_is_append_only(
    connection: asyncpg.Connection, create: Create, statement: str
) -> None:
    await create("categories", {"name": "Rx"})

    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        async with connection.transaction():
            await connection.execute(statement)

    assert await connection.fetchval("SELECT count(*) FROM events") == 1
