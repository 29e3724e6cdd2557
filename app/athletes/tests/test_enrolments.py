"""Enrolments of athletes at centres, over HTTP and the real database."""

import asyncpg
import pytest
from httpx import AsyncClient

from app.conftest import API, Create, Json, not_found, problem
from app.core.resources.fields import new_id


@pytest.fixture
async def mara(create: Create) -> Json:
    category = await create("categories", {"name": "Rx"})
    return await create("athletes", {"name": "Mara", "category_id": category["id"]})


@pytest.fixture
async def north(create: Create) -> Json:
    return await create("centres", {"name": "North"})


def enrolment(athlete: Json, centre: Json) -> str:
    return f"{API}/athletes/{athlete['id']}/centres/{centre['id']}"


class TestEnrol:
    async def test_an_athlete_can_enrol_at_several_centres(
        self, client: AsyncClient, create: Create, mara: Json, north: Json
    ) -> None:
        garage = await create("centres", {"name": "Garage"})

        for centre in (north, garage):
            response = await client.put(enrolment(mara, centre))
            assert (response.status_code, response.content) == (204, b"")

        athlete = (await client.get(f"{API}/athletes/{mara['id']}")).json()
        assert [centre["name"] for centre in athlete["centres"]] == ["Garage", "North"]
        assert athlete["version"] == 3
        assert athlete["updated_at"] > mara["updated_at"]

    async def test_enrolling_again_changes_nothing(
        self,
        client: AsyncClient,
        mara: Json,
        north: Json,
        connection: asyncpg.Connection,
    ) -> None:
        await client.put(enrolment(mara, north))
        before = await connection.fetchrow("SELECT * FROM enrolments")

        assert (await client.put(enrolment(mara, north))).status_code == 204

        assert await connection.fetch("SELECT * FROM enrolments") == [before]
        assert (await client.get(f"{API}/athletes/{mara['id']}")).json()["version"] == 2

    async def test_an_athlete_enrols_at_most_at_50_centres(
        self, client: AsyncClient, create: Create, mara: Json, north: Json
    ) -> None:
        centres = [await create("centres", {"name": f"Centre {number}"}) for number in range(50)]
        await client.put(enrolment(mara, centres[0]))
        ids = [centre["id"] for centre in centres]
        await client.patch(f"{API}/athletes/{mara['id']}", json={"centre_ids": ids})

        one_more = await client.put(enrolment(mara, north))
        again = await client.put(enrolment(mara, centres[0]))
        await client.delete(enrolment(mara, centres[1]))
        instead = await client.put(enrolment(mara, north))

        assert problem(one_more) == (409, "/problems/too-many-centres", [])
        assert (again.status_code, instead.status_code) == (204, 204)
        athlete = (await client.get(f"{API}/athletes/{mara['id']}")).json()
        assert (len(athlete["centres"]), athlete["version"]) == (50, 5)

    async def test_an_unknown_athlete_or_centre_is_not_found(
        self, client: AsyncClient, mara: Json, north: Json
    ) -> None:
        stranger = {"id": str(new_id())}

        for athlete, centre, missing in (
            (stranger, north, "athlete"),
            (mara, stranger, "centre"),
            (stranger, stranger, "athlete"),
        ):
            response = await client.put(enrolment(athlete, centre))
            assert not_found(response)
            assert response.json()["detail"] == f"There is no such {missing}."


class TestWithdraw:
    async def test_withdrawing_removes_the_centre_from_the_athlete(
        self, client: AsyncClient, mara: Json, north: Json
    ) -> None:
        await client.put(enrolment(mara, north))

        response = await client.delete(enrolment(mara, north))

        assert (response.status_code, response.content) == (204, b"")
        athlete = (await client.get(f"{API}/athletes/{mara['id']}")).json()
        assert (athlete["centres"], athlete["version"]) == ([], 3)

    async def test_withdrawing_without_an_enrolment_is_not_found(
        self, client: AsyncClient, mara: Json, north: Json
    ) -> None:
        assert not_found(await client.delete(enrolment(mara, north)))
        assert not_found(await client.delete(enrolment({"id": str(new_id())}, north)))


class TestCentresOfAthlete:
    async def test_an_athletes_centres_are_listed_with_all_fields(
        self, client: AsyncClient, create: Create, mara: Json, north: Json
    ) -> None:
        garage = await create("centres", {"name": "Garage", "capacity": 12})
        await create("centres", {"name": "Elsewhere"})
        await client.put(enrolment(mara, north))
        await client.put(enrolment(mara, garage))
        url = f"{API}/athletes/{mara['id']}/centres"

        everywhere = await client.get(url, params={"total": "true"})
        named = await client.get(url, params={"name": "gar"})

        assert everywhere.json() == {"items": [garage, north], "next": None, "total": 2}
        assert named.json()["items"] == [garage]

    async def test_an_athlete_without_centres_has_an_empty_list(
        self, client: AsyncClient, mara: Json
    ) -> None:
        response = await client.get(f"{API}/athletes/{mara['id']}/centres")

        assert response.json() == {"items": [], "next": None, "total": None}

    async def test_an_unknown_athlete_is_not_found(self, client: AsyncClient) -> None:
        assert not_found(await client.get(f"{API}/athletes/{new_id()}/centres"))
