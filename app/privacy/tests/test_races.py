"""A person who is erased while others change or book them, on a database of their own."""

import asyncio
from collections import Counter

import asyncpg
import pytest
from httpx import AsyncClient

from app.conftest import API, lock_waiters, problem
from app.core.db import transactions
from app.identity.tests.callers import MEMBER, PASSWORD
from app.trainings.tests.conftest import HOUR, SOON, Gym
from app.trainings.tests.rules import broken_rules

pytestmark = pytest.mark.slow

ROUNDS = 5
LEFT = """
    SELECT (SELECT count(*) FROM bookings WHERE athlete_id = $1 AND cancelled_at IS NULL)
        + (SELECT count(*) FROM enrolments WHERE athlete_id = $1)
        + (SELECT count(*) FROM accounts WHERE athlete_id = $1)
        + (SELECT count(*) FROM codes WHERE athlete_id = $1)
        + (SELECT count(*) FROM calendar_feeds WHERE athlete_id = $1)
"""


@pytest.fixture(autouse=True)
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer a deadlock with 503: the lock order must prevent deadlocks."""
    monkeypatch.setattr(transactions, "RETRIES", 0)


@pytest.fixture
def client(pooled_client: AsyncClient) -> AsyncClient:
    return pooled_client


async def test_what_waits_for_an_erasure_is_refused(
    client: AsyncClient, gym: Gym, other: asyncpg.Connection
) -> None:
    mara, training = await gym.athlete(), await gym.training()
    athlete, person = f"{API}/athletes/{mara}", {"athlete_id": mara}
    holding = other.transaction()
    await holding.start()
    await other.execute("SELECT 1 FROM athletes WHERE id = $1 FOR UPDATE", mara)

    erasing = asyncio.create_task(client.post(f"{athlete}/erase"))
    await lock_waiters(other)
    waiting = [
        asyncio.create_task(request)
        for request in (
            gym.ask(training, mara),
            client.patch(athlete, json={"name": "Mara"}),
            client.patch(athlete, json={"centre_ids": [gym.centre_id]}),
            client.put(f"{athlete}/centres/{gym.centre_id}"),
            client.patch(f"{API}/accounts/{MEMBER.id}", json=person),
            client.post(f"{API}/invitations", json={"email": "lea@example.com", **person}),
            client.post(f"{athlete}/calendar-feed"),
        )
    ]
    await lock_waiters(other, 1 + len(waiting))
    await holding.rollback()

    assert (await erasing).status_code == 204
    refused = [problem(response)[:2] for response in await asyncio.gather(*waiting)]
    assert refused == [(409, "/problems/erased")] * len(waiting)
    assert await other.fetchval(LEFT, mara) == 0


async def test_an_erasure_during_other_requests_leaves_nothing_active(
    client: AsyncClient, gym: Gym, other: asyncpg.Connection
) -> None:
    trainings = [await gym.training(SOON + number * HOUR, capacity=1) for number in range(6)]
    for number in range(ROUNDS):
        mara, rival = await gym.athletes(2)
        invitation = {"email": f"{number}@example.com", "athlete_id": mara}
        code = (await client.post(f"{API}/invitations", json=invitation)).json()["code"]
        acceptance = {"code": code, "password": PASSWORD}
        await gym.book(trainings[0], mara)

        statuses = Counter(
            response.status_code
            for response in await asyncio.gather(
                client.post(f"{API}/invitations/accept", json=acceptance),
                *(gym.ask(training, mara) for training in trainings),
                client.post(f"{API}/athletes/{mara}/erase"),
                *(gym.ask(training, rival) for training in trainings),
                client.put(f"{API}/athletes/{mara}/centres/{gym.centre_id}"),
                client.post(f"{API}/athletes/{mara}/calendar-feed"),
            )
        )

        assert statuses.keys() <= {201, 204, 409, 422}
        assert await other.fetchval(LEFT, mara) == 0
        assert await other.fetchval("SELECT name FROM athletes WHERE id = $1", mara) == "erased"
        assert await broken_rules(other) == []
