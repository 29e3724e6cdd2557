"""Times in a query, where a ``+`` that is not escaped means a space."""

from urllib.parse import quote
from uuid import UUID

import pytest
from httpx import AsyncClient

from app.conftest import API, problem
from app.trainings.tests.conftest import Gym

HINT = " In a URL, + means a space: write it as %2B."
SOME_ID = UUID(int=1)
LISTS = [
    f"{API}/trainings?from=",
    f"{API}/trainings?to=",
    f"{API}/athletes/{SOME_ID}/bookings?from=",
    f"{API}/athletes/{SOME_ID}/bookings?to=",
    f"{API}/centres/{SOME_ID}/occupancy?at=",
]


async def detail(client: AsyncClient, url: str) -> str:
    """Return the detail of the one error in the query."""
    response = await client.get(url)
    assert problem(response)[:2] == (422, "/problems/invalid")
    (error,) = response.json()["errors"]
    return str(error["detail"])


@pytest.mark.parametrize("url", LISTS)
@pytest.mark.parametrize(
    "time",
    [
        "2026-12-01T18:00:00+01:00",
        "2026-12-01T18:00:00.123456789+01:00",
        "2026-12-01t18:00:00+0100",
        "2026-12-01T18:00:00%2001:00",
    ],
)
async def test_a_plus_that_became_a_space_is_explained(
    client: AsyncClient, url: str, time: str
) -> None:
    assert (await detail(client, url + time)).endswith(HINT)


@pytest.mark.parametrize(
    "time",
    ["2026-12-01+18:00", "2026-12-01+18:00:00", "2026-12-01T18:00:00", "+", "18:00+01:00", "x+y"],
)
async def test_another_space_is_not_explained(client: AsyncClient, time: str) -> None:
    assert HINT not in await detail(client, LISTS[0] + time)


@pytest.mark.parametrize("time", ["2026-12-01T18:00:00%2B01:00", "2026-12-01T18:00:00-01:00"])
async def test_an_escaped_plus_and_a_minus_are_accepted(client: AsyncClient, time: str) -> None:
    assert (await client.get(LISTS[0] + time)).status_code == 200


async def test_a_space_in_a_body_is_not_explained(client: AsyncClient, gym: Gym) -> None:
    plan = gym.plan() | {"starts_at": "2026-12-01T18:00:00 01:00"}

    response = await client.post(f"{API}/trainings", json=plan)

    assert problem(response)[0] == 422
    assert "%2B" not in response.text


async def test_several_plusses_are_each_explained(client: AsyncClient) -> None:
    time = "2026-12-01T18:00:00+01:00"

    response = await client.get(f"{API}/trainings?from={time}&to={time}&limit={quote('x y')}")

    hinted = [error["pointer"] for error in response.json()["errors"] if HINT in error["detail"]]
    assert hinted == ["?from", "?to"]
