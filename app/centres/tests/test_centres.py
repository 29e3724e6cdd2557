"""Centres, over HTTP and the real database."""

import pytest
from httpx import AsyncClient

from app.conftest import API, Create, Json, conflict, not_found, problem
from app.core.resources.fields import new_id

URL = f"{API}/centres"
FULL = {
    "name": "CrossFit Northside",
    "address": "12 Harbour Street",
    "owner": "Ana Torres",
    "time_zone": "Europe/Lisbon",
    "capacity": 40,
    "booking_window_days": 14,
    "late_cancel_minutes": 120,
}


class TestCreate:
    async def test_a_created_centre_is_returned_with_all_its_fields(
        self, client: AsyncClient
    ) -> None:
        response = await client.post(URL, json=FULL)

        centre = response.json()
        assert response.status_code == 201
        assert response.headers["Location"] == f"{URL}/{centre['id']}"
        assert centre == {
            "id": centre["id"],
            "version": 1,
            "created_at": centre["created_at"],
            "updated_at": centre["created_at"],
            **FULL,
        }
        assert (await client.get(f"{URL}/{centre['id']}")).json() == centre

    async def test_only_the_name_is_required(self, create: Create) -> None:
        centre = await create("centres", {"name": "Garage"})

        assert {field: centre[field] for field in FULL} == {
            "name": "Garage",
            "address": None,
            "owner": None,
            "time_zone": "UTC",
            "capacity": None,
            "booking_window_days": None,
            "late_cancel_minutes": None,
        }

    async def test_a_float_without_a_fraction_is_accepted_as_an_integer(
        self, client: AsyncClient
    ) -> None:
        response = await client.post(
            URL,
            content=b'{"name": "Garage", "capacity": 12.0}',
            headers={"Content-Type": "application/json"},
        )

        assert response.json()["capacity"] == 12

    async def test_another_spelling_of_a_taken_name_is_refused(
        self, client: AsyncClient, create: Create
    ) -> None:
        await create("centres", {"name": "CrossFit Görlitz"})

        response = await client.post(URL, json={"name": "crossfit  GORLITZ"})

        assert conflict(response) == ("/problems/already-taken", "/name")

    @pytest.mark.parametrize(
        ("field", "value", "code"),
        [
            ("name", "North; South", "semicolon"),
            ("name", "x" * 101, "text_too_long"),
            ("address", "x" * 256, "text_too_long"),
            ("owner", "x" * 101, "text_too_long"),
            ("owner", "", "text_empty"),
            ("time_zone", "Mars/Olympus", "time_zone"),
            ("time_zone", "europe/lisbon", "time_zone"),
            ("time_zone", None, "string_type"),
            ("capacity", 0, "greater_than_equal"),
            ("capacity", 100_001, "less_than_equal"),
            ("capacity", 10**30, "less_than_equal"),
            ("capacity", 1.5, "int_from_float"),
            ("capacity", "12", "number_type"),
            ("capacity", True, "number_type"),
        ],
    )
    async def test_an_invalid_field_is_refused(
        self, client: AsyncClient, field: str, value: object, code: str
    ) -> None:
        response = await client.post(URL, json={**FULL, field: value})

        assert problem(response) == (422, "/problems/invalid", [(f"/{field}", code)])


class TestUpdate:
    async def test_only_the_given_fields_change(self, client: AsyncClient, create: Create) -> None:
        before = await create("centres", FULL)

        response = await client.patch(
            f"{URL}/{before['id']}", json={"capacity": None, "time_zone": "Asia/Tokyo"}
        )

        after = response.json()
        assert after == {
            **before,
            "capacity": None,
            "time_zone": "Asia/Tokyo",
            "version": 2,
            "updated_at": after["updated_at"],
        }

    @pytest.mark.parametrize("payload", [{}, {"capacity": 40}, FULL])
    async def test_an_update_without_changes_keeps_the_version(
        self, client: AsyncClient, create: Create, payload: Json
    ) -> None:
        before = await create("centres", FULL)

        assert (await client.patch(f"{URL}/{before['id']}", json=payload)).json() == before

    async def test_null_is_refused_for_a_required_field(
        self, client: AsyncClient, create: Create
    ) -> None:
        centre = await create("centres", FULL)

        response = await client.patch(f"{URL}/{centre['id']}", json={"time_zone": None})

        assert problem(response) == (422, "/problems/invalid", [("/time_zone", "string_type")])

    async def test_the_name_of_another_centre_is_refused(
        self, client: AsyncClient, create: Create
    ) -> None:
        await create("centres", {"name": "Garage"})
        centre = await create("centres", FULL)

        response = await client.patch(f"{URL}/{centre['id']}", json={"name": "GARAGE"})

        assert conflict(response) == ("/problems/already-taken", "/name")

    async def test_an_unknown_centre_is_not_found(self, client: AsyncClient) -> None:
        assert not_found(await client.patch(f"{URL}/{new_id()}", json={"owner": "Ana"}))


class TestDelete:
    async def test_a_deleted_centre_is_not_found(self, client: AsyncClient, create: Create) -> None:
        centre = await create("centres", FULL)

        response = await client.delete(f"{URL}/{centre['id']}")

        assert (response.status_code, response.content) == (204, b"")
        assert not_found(await client.get(f"{URL}/{centre['id']}"))
        assert not_found(await client.delete(f"{URL}/{centre['id']}"))

    async def test_deleting_a_centre_that_athletes_train_at_is_refused(
        self, client: AsyncClient, create: Create
    ) -> None:
        category = await create("categories", {"name": "Rx"})
        centre = await create("centres", FULL)
        await create(
            "athletes",
            {"name": "Mara", "category_id": category["id"], "centre_ids": [centre["id"]]},
        )

        response = await client.delete(f"{URL}/{centre['id']}")

        assert problem(response) == (409, "/problems/still-in-use", [])
        assert (await client.get(f"{URL}/{centre['id']}")).json() == centre


class TestList:
    async def test_centres_are_listed_with_all_fields(
        self, client: AsyncClient, create: Create
    ) -> None:
        north = await create("centres", FULL)
        garage = await create("centres", {"name": "Garage"})

        response = await client.get(URL, params={"sort": "-name", "total": "true"})

        assert response.json() == {"items": [garage, north], "next": None, "total": 2}

    async def test_the_name_filter_matches_a_part_of_the_name(
        self, client: AsyncClient, create: Create
    ) -> None:
        north = await create("centres", FULL)
        await create("centres", {"name": "Garage"})

        response = await client.get(URL, params={"name": "NÓRTH"})

        assert response.json()["items"] == [north]
