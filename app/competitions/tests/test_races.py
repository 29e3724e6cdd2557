"""Competitions, events and entries that change at the same time, on a database of their own."""

import asyncio
from collections import Counter

import asyncpg
import pytest
from httpx import AsyncClient

from app.competitions.tests.throwdown import (
    LOCK_BOARD,
    LOCK_COMPETITION,
    LOCK_WORKOUT,
    Throwdown,
    in_order,
    kind,
    together,
)
from app.conftest import API
from app.core.db import transactions

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer a deadlock with 503: the lock order must prevent deadlocks."""
    monkeypatch.setattr(transactions, "RETRIES", 0)


@pytest.fixture
def client(pooled_client: AsyncClient) -> AsyncClient:
    return pooled_client


async def entries_of(other: asyncpg.Connection, throwdown: Throwdown) -> tuple[int | None, int]:
    """Return how many entries a board counts, if it is there, and how many there are."""
    row = await other.fetchrow(
        "SELECT sum(entries), (SELECT count(*) FROM entries WHERE competition_id = $1)"
        " FROM boards WHERE competition_id = $1",
        throwdown.id,
    )
    assert row is not None
    return row[0], row[1]


async def test_an_athlete_who_enters_many_times_at_once_has_one_entry(
    client: AsyncClient, other: asyncpg.Connection
) -> None:
    throwdown = await Throwdown.opened_by(client, 0)
    person = {"name": "Ana", "category_id": throwdown.category_id}
    athlete_id = (await client.post(f"{API}/athletes", json=person)).json()["id"]

    answers = await together(*(throwdown.enter(athlete_id) for _ in range(20)))

    assert answers == {"201": 1, "409 already-taken": 19}
    assert await entries_of(other, throwdown) == (1, 1)


async def test_an_entry_that_is_deleted_many_times_at_once_is_not_found_afterwards(
    client: AsyncClient, other: asyncpg.Connection
) -> None:
    throwdown = await Throwdown.opened_by(client, 1)
    (entry_id,) = throwdown.entry_ids

    requests = [throwdown.leave(entry_id) for _ in range(5)]
    answers = await in_order(other, LOCK_BOARD, throwdown.id, requests)

    assert Counter(map(kind, answers)) == {"204": 1, "404 not-found": 4}
    assert await entries_of(other, throwdown) == (None, 0)  # an empty board is deleted


async def test_entries_that_come_and_go_at_once_are_counted(
    client: AsyncClient, other: asyncpg.Connection
) -> None:
    throwdown = await Throwdown.opened_by(client, 20)
    going, staying = throwdown.entry_ids[:10], throwdown.entry_ids[10:]
    people = [{"name": f"B{n}", "category_id": throwdown.category_id} for n in range(10)]
    coming = [(await client.post(f"{API}/athletes", json=person)).json()["id"] for person in people]

    answers = await together(
        *(throwdown.leave(entry_id) for entry_id in going),
        *(throwdown.enter(athlete_id) for athlete_id in coming),
        *(throwdown.put(entry_id, "6:21") for entry_id in staying),
    )

    assert answers == {"204": 10, "201": 10, "200": 10}
    assert await entries_of(other, throwdown) == (20, 20)
    board = await throwdown.board()
    assert board["revision"] == 50
    assert [item["rank"] for item in board["items"]] == [1] * 10 + [11] * 10


async def test_a_withdrawal_or_a_result_in_that_event_succeeds_but_not_both(
    client: AsyncClient, other: asyncpg.Connection
) -> None:
    for first in ("withdrawal", "result"):
        throwdown = await Throwdown.opened_by(client, 1, first)
        (entry_id,) = throwdown.entry_ids
        requests = [throwdown.withdraw(entry_id), throwdown.put(entry_id, "6:21")]

        ordered = requests if first == "withdrawal" else reversed(requests)
        answers = await in_order(other, LOCK_BOARD, throwdown.id, ordered)

        assert [kind(answer) for answer in answers] == ["200", "409 wrong-state"]


async def test_a_deletion_of_an_entry_or_a_result_succeeds_but_not_both(
    client: AsyncClient, other: asyncpg.Connection
) -> None:
    for first in ("deletion", "result"):
        throwdown = await Throwdown.opened_by(client, 1, first)
        (entry_id,) = throwdown.entry_ids
        requests = [throwdown.leave(entry_id), throwdown.put(entry_id, "6:21")]

        ordered = requests if first == "deletion" else reversed(requests)
        answers = await in_order(other, LOCK_BOARD, throwdown.id, ordered)

        assert [kind(answer) for answer in answers] == (
            ["204", "404 not-found"] if first == "deletion" else ["200", "409 still-in-use"]
        )


async def test_a_result_is_scored_by_the_workout_that_its_event_has(
    client: AsyncClient, other: asyncpg.Connection
) -> None:
    for first in ("change", "result"):
        throwdown = await Throwdown.opened_by(client, 1, first, total_reps=90, time_cap_ms=600_000)
        (entry_id,) = throwdown.entry_ids
        another = await client.post(
            f"{API}/workouts",
            json={
                "name": "Longer",
                "score_type": "time",
                "total_reps": 100,
                "time_cap_ms": 600_000,
            },
        )
        requests = [
            throwdown.change_event(workout_id=another.json()["id"]),
            throwdown.put(entry_id, "CAP+12"),
        ]

        ordered = requests if first == "change" else reversed(requests)
        answers = await in_order(other, LOCK_COMPETITION, throwdown.id, ordered)

        if first == "change":
            assert [kind(answer) for answer in answers] == ["200", "200"]
            assert answers[1].json()["reps"] == 88
        else:
            assert [kind(answer) for answer in answers] == ["200", "409 frozen"]
            assert answers[0].json()["reps"] == 78


async def test_a_result_is_scored_as_its_workout_is_now(
    client: AsyncClient, other: asyncpg.Connection
) -> None:
    for first in ("change", "result"):
        throwdown = await Throwdown.opened_by(client, 1, first, total_reps=90, time_cap_ms=600_000)
        (entry_id,) = throwdown.entry_ids
        requests = [throwdown.change_workout(total_reps=100), throwdown.put(entry_id, "CAP+12")]

        ordered = requests if first == "change" else reversed(requests)
        answers = await in_order(other, LOCK_WORKOUT, throwdown.workout_id, ordered)

        if first == "change":
            assert [kind(answer) for answer in answers] == ["200", "200"]
            assert answers[1].json()["reps"] == 88
        else:
            assert [kind(answer) for answer in answers] == ["200", "409 frozen"]
            assert answers[0].json()["reps"] == 78


async def test_events_that_are_added_at_once_get_ordinals_one_after_the_other(
    client: AsyncClient,
) -> None:
    throwdown = await Throwdown.opened_by(client, 0)

    await asyncio.gather(*(throwdown.add_event() for _ in range(10)))

    page = await client.get(f"{API}/competitions/{throwdown.id}/events?limit=100")
    assert [event["ordinal"] for event in page.json()["items"]] == list(range(1, 12))


async def test_writes_that_waited_until_the_competition_was_final_are_refused(
    client: AsyncClient, other: asyncpg.Connection
) -> None:
    throwdown = await Throwdown.opened_by(client, 3)
    first, second, third = throwdown.entry_ids
    person = {"name": "Ana", "category_id": throwdown.category_id}
    athlete = (await client.post(f"{API}/athletes", json=person)).json()

    answers = await in_order(
        other,
        LOCK_COMPETITION,
        throwdown.id,
        [
            throwdown.move("finalise"),
            throwdown.put(first, "6:21"),
            throwdown.withdraw(second),
            throwdown.leave(third),
            throwdown.enter(athlete["id"]),
            throwdown.change(name="Other"),
            throwdown.change_event(opens_at=None),
        ],
    )

    assert [kind(answer) for answer in answers] == ["200", *["409 wrong-state"] * 6]


async def test_a_competition_is_closed_as_the_request_before_has_left_it(
    client: AsyncClient, other: asyncpg.Connection
) -> None:
    throwdown = await Throwdown.opened_by(client, 0)
    await throwdown.move("finalise")

    reopening, closing = await in_order(
        other,
        LOCK_COMPETITION,
        throwdown.id,
        [throwdown.move("reopen", reason="A mistake."), throwdown.move("close")],
    )

    assert (kind(reopening), kind(closing)) == ("200", "200")
    assert closing.json()["status"] == "closed"


async def test_a_result_at_a_centre_is_scored_as_its_workout_is_now(
    client: AsyncClient, other: asyncpg.Connection
) -> None:
    for first in ("change", "result"):
        throwdown = await Throwdown.opened_by(client, 0, first, total_reps=90, time_cap_ms=600_000)
        centre = (await client.post(f"{API}/centres", json={"name": first})).json()
        person = {"name": "Ana", "category_id": throwdown.category_id}
        athlete = (await client.post(f"{API}/athletes", json=person)).json()
        result = {
            "athlete_id": athlete["id"],
            "workout_id": throwdown.workout_id,
            "centre_id": centre["id"],
            "score": "CAP+12",
        }
        requests = [
            throwdown.change_workout(total_reps=100),
            client.post(f"{API}/results", json=result),
        ]

        ordered = requests if first == "change" else reversed(requests)
        answers = await in_order(other, LOCK_WORKOUT, throwdown.workout_id, ordered)

        if first == "change":
            assert [kind(answer) for answer in answers] == ["200", "201"]
            assert answers[1].json()["reps"] == 88
        else:
            assert [kind(answer) for answer in answers] == ["201", "409 frozen"]
            assert answers[0].json()["reps"] == 78
