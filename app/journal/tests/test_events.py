"""The lists of events, and how old ones are deleted."""

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from httpx import AsyncClient

from app.conftest import API, Create, not_found, patient, problem
from app.core.access import OWNER, Caller
from app.core.db.pool import connected
from app.core.db.transactions import Database
from app.core.errors import Unavailable
from app.core.resources.paging import PageOfJSON
from app.identity.tests.callers import ADMIN, MEMBER
from app.journal.crud import EventsCRUD
from app.journal.models import EventsQuery
from app.journal.retention import delete_old_events, retention

EVENTS = f"{API}/events"
ADD = """
    INSERT INTO events (id, occurred_at, actor, type, resource_id, version, centre_ids, changed)
    SELECT rpad(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
        || lpad(to_hex(n), 4, '0'), 32, '0')::uuid,
        at, 'command', $1, gen_random_uuid(), 1, $2, '{}'
    FROM generate_series(1, $3::int) n, LATERAL (
        SELECT statement_timestamp() - $4 * interval '1 day' AS at
    ) AS times
"""


async def add(
    connection: Any, kind: str, number: int, days_ago: float = 0, centres: list[UUID] | None = None
) -> None:
    """Add some events, written some days ago."""
    await connection.execute(ADD, kind, centres or [], number, days_ago)


async def kinds(client: AsyncClient, path: str = EVENTS, **query: Any) -> list[str]:
    """Return the types of the events that a list has."""
    response = await client.get(path, params=query)
    assert response.status_code == 200, response.text
    return [event["type"] for event in response.json()["items"]]


async def test_an_event_has_these_fields(client: AsyncClient, create: Create) -> None:
    category = await create("categories", {"name": "Rx"})

    response = await client.get(EVENTS)

    (event,) = response.json()["items"]
    assert event == {
        "id": event["id"],
        "occurred_at": category["created_at"],
        "actor": str(ADMIN.id),
        "request_id": event["request_id"],
        "type": "category.created",
        "resource_id": category["id"],
        "version": 1,
        "centre_ids": [],
        "athlete_id": None,
        "changed": [],
    }
    made = datetime.fromtimestamp((UUID(event["id"]).int >> 80) / 1000, UTC)
    assert abs(made - datetime.fromisoformat(event["occurred_at"])) < timedelta(seconds=5)
    assert UUID(event["id"]).version == 7


async def test_events_are_filtered_and_the_newest_first(
    client: AsyncClient, create: Create
) -> None:
    category = await create("categories", {"name": "Rx"})
    athlete = await create("athletes", {"name": "Lea", "category_id": category["id"]})
    await client.patch(f"{API}/categories/{category['id']}", json={"name": "Scaled"})

    everything = ["category.updated", "athlete.created", "category.created"]
    assert await kinds(client) == everything
    assert await kinds(client, sort="occurred_at") == everything[::-1]
    assert await kinds(client, resource_id=category["id"]) == everything[::2]
    assert await kinds(client, athlete_id=athlete["id"]) == ["athlete.created"]
    assert await kinds(client, type="category.created") == ["category.created"]
    assert await kinds(client, actor=str(ADMIN.id)) == everything
    assert await kinds(client, actor=str(MEMBER.id)) == []
    assert await kinds(client, to=athlete["created_at"]) == ["category.created"]
    assert await kinds(client, **{"from": athlete["created_at"]}) == everything[:2]
    assert await kinds(client, f"{API}/athletes/{athlete['id']}/events") == ["athlete.created"]
    nowhere = await client.get(f"{API}/athletes/{category['id']}/events")
    assert not_found(nowhere)


async def test_the_pages_of_events_have_each_of_them_once(
    client: AsyncClient, connection: asyncpg.Connection
) -> None:
    for number in range(7):
        await add(connection, f"kind.{number}", 1, days_ago=number)

    found, url = [], f"{EVENTS}?limit=3&total=true"
    for _ in range(3):
        page = (await client.get(url)).json()
        assert page["total"] == 7
        found += [event["type"] for event in page["items"]]
        url = page["next"]

    assert found == [f"kind.{number}" for number in range(7)]
    assert url is None
    other_list = await client.get(f"{EVENTS}?cursor=AAAA")
    assert problem(other_list)[2] == [("?cursor", "bad_cursor")]


async def test_events_can_be_limited_to_some_centres(
    client: AsyncClient, connection: asyncpg.Connection
) -> None:
    north, south, other = UUID(int=1), UUID(int=2), UUID(int=3)
    await add(connection, "both", 1, 1, [north, south])
    await add(connection, "south", 1, 2, [south])
    await add(connection, "other", 1, 3, [other])
    await add(connection, "none", 1, 4)
    database = client._transport.app.state.database  # type: ignore[attr-defined]

    def events_of(*centre_ids: UUID) -> EventsCRUD:
        roles = dict.fromkeys(centre_ids, OWNER)
        return EventsCRUD(database, Caller(ADMIN.id, "session", frozenset(), ADMIN.id, roles=roles))

    async def found(*centre_ids: UUID) -> PageOfJSON:
        return await events_of(*centre_ids).find(EventsQuery(total=True))

    async def page(*centre_ids: UUID, **query: Any) -> tuple[list[str], str | None]:
        page = await events_of(*centre_ids).find(EventsQuery(**query))
        return [event["type"] for event in json.loads(page.items)], page.cursor

    await add(connection, "three", 1, 5, [other, north, south])
    assert await page(south) == (["both", "south", "three"], None)
    assert await page(north, other, sort="occurred_at") == (["three", "other", "both"], None)
    first, cursor = await page(south, limit=2)
    assert (first, await page(south, limit=2, cursor=cursor)) == (
        ["both", "south"],
        (["three"], None),
    )
    assert await page(south, type="south") == (["south"], None)
    assert await page() == ([], None)
    await connection.execute("SELECT set_config('crossfit.retention', 'on', true)")
    await connection.execute("DELETE FROM events WHERE type = 'three'")
    assert [(await found(*ids)).total for ids in ((north,), (south,), (north, other), ())] == [
        1,
        2,
        2,
        0,
    ]


async def test_old_events_are_deleted_in_batches(
    own_database: str, other: asyncpg.Connection
) -> None:
    await add(other, "old", 25, days_ago=401)
    await add(other, "young", 2, days_ago=399)

    async with connected(patient(own_database), 2) as database:
        async with other.transaction():
            await other.execute("SELECT pg_advisory_xact_lock(7209342)")
            assert await delete_old_events(database, 400, batch=10) == 0
        assert await delete_old_events(database, 400, batch=10) == 25

    left = await other.fetch("SELECT type FROM events")
    assert [kind for (kind,) in left] == ["young", "young"]


async def test_a_service_deletes_old_events_again_and_again(
    own_database: str, other: asyncpg.Connection
) -> None:
    count = "SELECT count(*) FROM events"
    async with (
        connected(patient(own_database), 2) as database,
        retention(database, 400, every=0.01),
        asyncio.timeout(10),
    ):
        for _ in range(2):
            await add(other, "old", 1, days_ago=401)
            while await other.fetchval(count):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.01)


async def test_the_retention_survives_a_database_that_is_down(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Semaphore(0)

    class Down(Database):
        async def transaction(self, work: Any) -> Any:
            tried.release()
            raise Unavailable("The database does not answer.")

    with caplog.at_level(logging.WARNING):
        async with retention(Down(None), 400, every=0.001), asyncio.timeout(10):  # type: ignore[arg-type]
            for _ in range(3):
                await tried.acquire()

    assert "old events stay for now: The database does not answer." in caplog.text
    assert {record.levelname for record in caplog.records} == {"WARNING"}
