"""Versions: they grow with each change, and begin again at 1 after the largest integer."""

from typing import Any

import pytest
from httpx import AsyncClient

from app.conftest import API, Create, Json
from app.core.resources.models import LAST_VERSION


@pytest.fixture
async def centre(create: Create) -> Json:
    return await create("centres", {"name": "North"})


@pytest.fixture
async def mara(create: Create, centre: Json) -> Json:
    category = await create("categories", {"name": "Rx"})
    athlete = {"name": "Mara", "category_id": category["id"], "centre_ids": [centre["id"]]}
    return await create("athletes", athlete)


@pytest.fixture
async def training(create: Create, centre: Json) -> Json:
    times = {"starts_at": "2199-01-01T10:00:00Z", "ends_at": "2199-01-01T11:00:00Z"}
    return await create(
        "trainings", {"name": "WOD", "centre_id": centre["id"], "capacity": 1, **times}
    )


@pytest.fixture
async def booking(create: Create, mara: Json, training: Json) -> Json:
    return await create(f"trainings/{training['id']}/bookings", {"athlete_id": mara["id"]})


async def set_all_versions(connection: Any, version: int) -> None:
    for table in ("categories", "centres", "athletes", "trainings", "bookings"):
        await connection.execute(f"UPDATE {table} SET version = $1", version)  # noqa: S608


@pytest.mark.parametrize("version", [10**9, LAST_VERSION])
async def test_if_match_accepts_a_version_of_ten_digits(
    client: AsyncClient, connection: Any, centre: Json, version: int
) -> None:
    await set_all_versions(connection, version)
    url = f"{API}/centres/{centre['id']}"
    tag = (await client.get(url)).headers["ETag"]

    changed = await client.patch(url, json={"name": "South"}, headers={"If-Match": tag})
    stale = await client.patch(url, json={"name": "West"}, headers={"If-Match": tag})

    assert (changed.status_code, changed.json()["name"]) == (200, "South")
    assert stale.status_code == 412


@pytest.mark.parametrize("version", [LAST_VERSION + 1, 10**10 - 1])
async def test_a_version_that_no_row_can_have_does_not_match(
    client: AsyncClient, centre: Json, version: int
) -> None:
    url = f"{API}/centres/{centre['id']}"

    response = await client.patch(
        url, json={"name": "South"}, headers={"If-Match": f'"{version}-a"'}
    )

    assert response.status_code == 412


async def test_after_the_last_version_comes_1(
    client: AsyncClient, connection: Any, mara: Json, training: Json, booking: Json
) -> None:
    async def versions() -> list[int]:
        urls = (
            f"{API}/categories/{mara['category']['id']}",
            f"{API}/centres/{training['centre']['id']}",
            f"{API}/athletes/{mara['id']}",
            f"{API}/trainings/{training['id']}",
            f"{API}/bookings/{booking['id']}",
        )
        return [(await client.get(url)).json()["version"] for url in urls]

    def patch(collection: str, row: Json) -> Any:
        return client.patch(f"{API}/{collection}/{row['id']}", json={"name": "New"})

    await set_all_versions(connection, LAST_VERSION)
    answers = [
        await patch("categories", mara["category"]),
        await patch("centres", training["centre"]),
        await patch("athletes", mara),
        await patch("trainings", training),
        await client.post(f"{API}/bookings/{booking['id']}/cancel"),
    ]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert [answer.json()["version"] for answer in answers] == await versions() == [1] * 5


async def test_a_change_of_centres_or_by_a_file_passes_the_last_version(
    client: AsyncClient, connection: Any, mara: Json, create: Create
) -> None:
    url = f"{API}/athletes/{mara['id']}"
    south = await create("centres", {"name": "South"})
    enrolment = f"{url}/centres/{south['id']}"
    csv = f"id,name\n{mara['id']},Mara L"
    answers = []
    for method, changed, more in (
        ("PUT", enrolment, {}),
        ("DELETE", enrolment, {}),
        ("PATCH", url, {"json": {"centre_ids": []}}),
        (
            "POST",
            f"{API}/athletes/import",
            {"content": csv, "headers": {"Content-Type": "text/csv"}},
        ),
    ):
        await set_all_versions(connection, LAST_VERSION)
        answer = await client.request(method, changed, **more)
        answers.append((answer.status_code, (await client.get(url)).json()["version"]))

    assert answers == [(204, 1), (204, 1), (200, 1), (200, 1)]
