"""Changes of one athlete at the same time, on a database of their own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from app.conftest import API, Json, lock_waiters, not_found, problem


@pytest.fixture
def client(pooled_client: httpx.AsyncClient) -> httpx.AsyncClient:
    return pooled_client


@pytest.fixture
async def boxes(client: httpx.AsyncClient) -> list[str]:
    """Create three centres."""
    created = [
        await client.post(f"{API}/centres", json={"name": f"Box {number}"}) for number in range(3)
    ]
    return [response.json()["id"] for response in created]


@pytest.fixture
async def mara(client: httpx.AsyncClient, boxes: list[str]) -> Json:
    """Create an athlete who trains at the first centre."""
    rx = (await client.post(f"{API}/categories", json={"name": "Rx"})).json()
    payload = {"name": "Mara", "category_id": rx["id"], "centre_ids": boxes[:1]}
    athlete: Json = (await client.post(f"{API}/athletes", json=payload)).json()
    return athlete


async def behind_a_lock(
    other: asyncpg.Connection,
    lock: str,
    row_id: str,
    *requests: Callable[[], Awaitable[httpx.Response]],
) -> list[httpx.Response]:
    """Send requests one after the other while a row is locked, and then release the lock."""
    async with other.transaction():
        await other.execute(lock, row_id)
        sent = []
        for number, request in enumerate(requests, 1):
            sent.append(asyncio.ensure_future(request()))
            await lock_waiters(other, number)
    return await asyncio.gather(*sent)


LOCK_ATHLETE = "SELECT FROM athletes WHERE id = $1 FOR NO KEY UPDATE"


async def test_a_change_that_waited_for_a_lock_returns_the_current_athlete(
    client: httpx.AsyncClient, other: asyncpg.Connection, mara: Json, boxes: list[str]
) -> None:
    url = f"{API}/athletes/{mara['id']}"

    enrolled, renamed = await behind_a_lock(
        other,
        LOCK_ATHLETE,
        mara["id"],
        lambda: client.put(f"{url}/centres/{boxes[1]}"),
        lambda: client.patch(url, json={"name": "Mara L."}),
    )

    assert enrolled.status_code == 204
    assert renamed.json() == (await client.get(url)).json()
    assert [centre["id"] for centre in renamed.json()["centres"]] == boxes[:2]
    assert renamed.json()["version"] == 3


async def test_a_change_that_waited_for_a_category_change_returns_the_new_category(
    client: httpx.AsyncClient, other: asyncpg.Connection, mara: Json
) -> None:
    url = f"{API}/athletes/{mara['id']}"
    async with other.transaction():
        await other.execute(LOCK_ATHLETE, mara["id"])
        changed = asyncio.ensure_future(client.patch(url, json={"weight_kg": 70}))
        await lock_waiters(other)
        await other.execute(
            """
            WITH made AS (
                INSERT INTO categories (id, name, name_key)
                VALUES (gen_random_uuid(), 'New', 'new') RETURNING id
            )
            UPDATE athletes SET version = version + 1, category_id = (SELECT id FROM made)
            WHERE id = $1
            """,
            mara["id"],
        )
    response = await changed

    assert response.status_code == 200
    assert response.json() == (await client.get(url)).json()
    assert response.json()["category"]["name"] == "New"
    assert (response.json()["version"], response.json()["weight_kg"]) == (3, 70)


async def test_a_withdrawal_and_a_replacement_run_one_after_the_other(
    client: httpx.AsyncClient, other: asyncpg.Connection, mara: Json, boxes: list[str]
) -> None:
    url = f"{API}/athletes/{mara['id']}"

    withdrawn, replaced = await behind_a_lock(
        other,
        LOCK_ATHLETE,
        mara["id"],
        lambda: client.delete(f"{url}/centres/{boxes[0]}"),
        lambda: client.patch(url, json={"centre_ids": boxes[1:]}),
    )

    assert withdrawn.status_code == 204
    assert replaced.json() == (await client.get(url)).json()
    assert [centre["id"] for centre in replaced.json()["centres"]] == boxes[1:]


async def test_concurrent_changes_of_every_kind_do_not_fail_or_mix(
    client: httpx.AsyncClient, mara: Json, boxes: list[str]
) -> None:
    url = f"{API}/athletes/{mara['id']}"
    for _ in range(10):
        answers = await asyncio.gather(
            *(client.patch(url, json={"centre_ids": boxes[:2]}) for _ in range(3)),
            *(client.patch(url, json={"name": f"Mara {number}"}) for number in range(3)),
            *(client.put(f"{url}/centres/{boxes[2]}") for _ in range(3)),
            *(client.delete(f"{url}/centres/{boxes[2]}") for _ in range(3)),
        )
        statuses = [answer.status_code for answer in answers]
        assert statuses[:6] == [200] * 6
        assert statuses[6:9] == [204] * 3
        assert set(statuses[9:]) <= {204, 404}
    assert {centre["id"] for centre in (await client.get(url)).json()["centres"]} >= set(boxes[:2])


async def test_concurrent_enrolments_of_one_pair_make_one_row(
    client: httpx.AsyncClient, other: asyncpg.Connection, mara: Json, boxes: list[str]
) -> None:
    url = f"{API}/athletes/{mara['id']}"

    answers = await asyncio.gather(*(client.put(f"{url}/centres/{boxes[1]}") for _ in range(100)))

    assert {answer.status_code for answer in answers} == {204}
    assert await other.fetchval("SELECT count(*) FROM enrolments") == 2
    assert (await client.get(url)).json()["version"] == 2


async def test_enrolling_at_a_centre_that_is_being_deleted_is_not_found(
    client: httpx.AsyncClient, other: asyncpg.Connection, mara: Json, boxes: list[str]
) -> None:
    (response,) = await behind_a_lock(
        other,
        "DELETE FROM centres WHERE id = $1",
        boxes[2],
        lambda: client.put(f"{API}/athletes/{mara['id']}/centres/{boxes[2]}"),
    )

    assert not_found(response)
    assert response.json()["detail"] == "There is no such centre."


async def test_an_athlete_cannot_get_a_category_that_is_being_deleted(
    client: httpx.AsyncClient, other: asyncpg.Connection, mara: Json
) -> None:
    scaled = (await client.post(f"{API}/categories", json={"name": "Scaled"})).json()
    payload: dict[str, Any] = {"name": "Ana", "category_id": scaled["id"]}

    created, moved = await behind_a_lock(
        other,
        "DELETE FROM categories WHERE id = $1",
        scaled["id"],
        lambda: client.post(f"{API}/athletes", json=payload),
        lambda: client.patch(f"{API}/athletes/{mara['id']}", json={"category_id": scaled["id"]}),
    )

    for response in (created, moved):
        assert problem(response) == (
            409,
            "/problems/reference-missing",
            [("/category_id", "missing")],
        )


async def test_a_category_that_is_being_given_to_an_athlete_is_not_deleted(
    client: httpx.AsyncClient, other: asyncpg.Connection, mara: Json
) -> None:
    scaled = (await client.post(f"{API}/categories", json={"name": "Scaled"})).json()

    (response,) = await behind_a_lock(
        other,
        "UPDATE athletes SET category_id = $1",
        scaled["id"],
        lambda: client.delete(f"{API}/categories/{scaled['id']}"),
    )

    assert problem(response) == (409, "/problems/still-in-use", [])


@pytest.mark.parametrize(
    ("collection", "twins"),
    [
        ("categories", {"name": ["Scaled", "scaled ", "SCÁLED"]}),
        ("centres", {"name": ["North", "north", "NÓRTH"]}),
        ("athletes", {"reference": ["M-1042"]}),
        ("athletes", {"email": ["ana@example.com", "ANA@example.com"]}),
        ("athletes", {"national_id": ["X1"]}),
    ],
)
async def test_one_of_50_concurrent_creates_with_one_unique_value_succeeds(
    client: httpx.AsyncClient, mara: Json, collection: str, twins: dict[str, list[str]]
) -> None:
    ((field, values),) = twins.items()
    person = {"name": "Ana", "category_id": mara["category"]["id"]}
    base = person if collection == "athletes" else {}
    spellings = [values[number % len(values)] for number in range(50)]

    answers = await asyncio.gather(
        *(client.post(f"{API}/{collection}", json=base | {field: one}) for one in spellings)
    )

    statuses = [answer.status_code for answer in answers]
    assert statuses.count(201) == 1
    refused = [problem(answer) for answer in answers if answer.status_code != 201]
    assert refused == [(409, "/problems/already-taken", [(f"/{field}", "taken")])] * 49


async def test_deleting_a_category_while_athletes_get_it_leaves_no_orphan(
    client: httpx.AsyncClient, other: asyncpg.Connection, mara: Json
) -> None:
    for number in range(15):
        scaled = (await client.post(f"{API}/categories", json={"name": f"Scaled {number}"})).json()
        ana = {"name": "Ana", "category_id": scaled["id"]}
        category = f"{API}/categories/{scaled['id']}"
        created, deleted, moved = await asyncio.gather(
            client.post(f"{API}/athletes", json=ana),
            client.delete(category),
            client.patch(f"{API}/athletes/{mara['id']}", json={"category_id": scaled["id"]}),
        )

        put = {created.status_code, moved.status_code} & {200, 201}
        assert (deleted.status_code, bool(put)) in {(204, False), (409, True)}
        assert (await client.get(category)).status_code == (200 if put else 404)

    orphans = (
        "SELECT count(*) FROM athletes WHERE NOT EXISTS"
        " (SELECT FROM categories WHERE categories.id = athletes.category_id)"
    )
    assert await other.fetchval(orphans) == 0
