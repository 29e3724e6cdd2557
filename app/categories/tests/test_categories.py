"""Categories, over HTTP and the real database."""

import asyncpg
import pytest
from httpx import AsyncClient

from app.conftest import API, Create, Json, conflict, not_found, problem
from app.core.resources.fields import new_id

URL = f"{API}/categories"


class TestCreate:
    async def test_a_created_category_is_returned_with_its_location(
        self, client: AsyncClient
    ) -> None:
        response = await client.post(URL, json={"name": "Scaled", "description": "Lighter"})

        category = response.json()
        assert response.status_code == 201
        assert response.headers["Location"] == f"{URL}/{category['id']}"
        assert category == {
            "id": category["id"],
            "version": 1,
            "created_at": category["created_at"],
            "updated_at": category["created_at"],
            "name": "Scaled",
            "description": "Lighter",
        }
        assert (await client.get(response.headers["Location"])).json() == category

    async def test_a_category_is_stored_with_its_name_key(
        self, client: AsyncClient, create: Create, connection: asyncpg.Connection
    ) -> None:
        category = await create("categories", {"name": "  Scáled   Pro "})

        row = await connection.fetchrow("SELECT * FROM categories WHERE id = $1", category["id"])
        assert row is not None
        assert (row["name"], row["name_key"]) == ("Scáled Pro", "scaled pro")
        assert (row["version"], row["description"]) == (1, None)

    @pytest.mark.parametrize("twin", ["Scaled", "scaled ", "SCÁLED", "\uff33caled", "Sca\u00adled"])
    async def test_another_spelling_of_a_taken_name_is_refused(
        self, client: AsyncClient, create: Create, twin: str
    ) -> None:
        await create("categories", {"name": "Scaled"})

        response = await client.post(URL, json={"name": twin})

        assert conflict(response) == ("/problems/already-taken", "/name")

    @pytest.mark.parametrize(
        ("payload", "errors"),
        [
            ({}, [("/name", "missing")]),
            ({"name": None}, [("/name", "string_type")]),
            ({"name": 3}, [("/name", "string_type")]),
            ({"name": " "}, [("/name", "text_empty")]),
            ({"name": "\u200d"}, [("/name", "text_empty")]),
            ({"name": "x" * 51}, [("/name", "text_too_long")]),
            ({"name": "x", "description": "x" * 256}, [("/description", "text_too_long")]),
            ({"name": "x", "id": str(new_id())}, [("/id", "extra_forbidden")]),
            ({"name": "a\0b"}, [("/name", "unusable_character")]),
            ([], [("", "model_attributes_type")]),
        ],
    )
    async def test_an_invalid_category_is_refused(
        self, client: AsyncClient, payload: object, errors: list[tuple[str, str]]
    ) -> None:
        response = await client.post(URL, json=payload)

        assert problem(response) == (422, "/problems/invalid", errors)


class TestRead:
    async def test_an_unknown_category_is_not_found(self, client: AsyncClient) -> None:
        assert not_found(await client.get(f"{URL}/{new_id()}"))

    async def test_an_id_that_is_not_a_uuid_is_refused(self, client: AsyncClient) -> None:
        response = await client.get(f"{URL}/1")

        assert problem(response) == (
            422,
            "/problems/invalid",
            [("{category_id}", "uuid")],
        )


class TestUpdate:
    async def test_only_the_given_field_changes(self, client: AsyncClient, create: Create) -> None:
        before = await create("categories", {"name": "Scaled", "description": "Lighter"})

        response = await client.patch(f"{URL}/{before['id']}", json={"name": "Foundations"})

        after = response.json()
        assert response.status_code == 200
        assert after == {
            **before,
            "name": "Foundations",
            "version": 2,
            "updated_at": after["updated_at"],
        }
        assert after["updated_at"] > before["updated_at"]
        assert (await client.get(f"{URL}/{before['id']}")).json() == after

    async def test_null_clears_an_optional_field(self, client: AsyncClient, create: Create) -> None:
        before = await create("categories", {"name": "Scaled", "description": "Lighter"})

        response = await client.patch(f"{URL}/{before['id']}", json={"description": None})

        after = response.json()
        assert (after["description"], after["version"]) == (None, 2)

    @pytest.mark.parametrize("payload", [{}, {"name": " Scaled "}, {"description": "Lighter"}])
    async def test_an_update_without_changes_keeps_the_version(
        self, client: AsyncClient, create: Create, payload: Json
    ) -> None:
        before = await create("categories", {"name": "Scaled", "description": "Lighter"})

        response = await client.patch(f"{URL}/{before['id']}", json=payload)

        assert response.status_code == 200
        assert response.json() == before

    async def test_a_category_can_change_the_spelling_of_its_name(
        self, client: AsyncClient, create: Create
    ) -> None:
        before = await create("categories", {"name": "Scaled"})

        response = await client.patch(f"{URL}/{before['id']}", json={"name": "SCALED"})

        assert (response.json()["name"], response.json()["version"]) == ("SCALED", 2)

    async def test_the_name_of_another_category_is_refused(
        self, client: AsyncClient, create: Create
    ) -> None:
        await create("categories", {"name": "Rx"})
        category = await create("categories", {"name": "Scaled"})

        response = await client.patch(f"{URL}/{category['id']}", json={"name": "RX"})

        assert conflict(response) == ("/problems/already-taken", "/name")
        assert (await client.get(f"{URL}/{category['id']}")).json() == category

    async def test_null_for_the_name_is_refused(self, client: AsyncClient, create: Create) -> None:
        category = await create("categories", {"name": "Scaled"})

        response = await client.patch(f"{URL}/{category['id']}", json={"name": None})

        assert problem(response) == (422, "/problems/invalid", [("/name", "string_type")])

    @pytest.mark.parametrize("payload", [{}, {"name": "Scaled"}])
    async def test_an_unknown_category_is_not_found(
        self, client: AsyncClient, payload: Json
    ) -> None:
        assert not_found(await client.patch(f"{URL}/{new_id()}", json=payload))


class TestDelete:
    async def test_a_deleted_category_is_not_found(
        self, client: AsyncClient, create: Create
    ) -> None:
        category = await create("categories", {"name": "Scaled"})

        response = await client.delete(f"{URL}/{category['id']}")

        assert (response.status_code, response.content) == (204, b"")
        assert not_found(await client.get(f"{URL}/{category['id']}"))
        assert not_found(await client.delete(f"{URL}/{category['id']}"))

    async def test_deleting_a_category_in_use_is_refused(
        self, client: AsyncClient, create: Create
    ) -> None:
        category = await create("categories", {"name": "Scaled"})
        await create("athletes", {"name": "Mara", "category_id": category["id"]})

        response = await client.delete(f"{URL}/{category['id']}")

        assert problem(response) == (409, "/problems/still-in-use", [])
        assert (await client.get(f"{URL}/{category['id']}")).json() == category


class TestList:
    async def test_categories_are_sorted_by_name_ignoring_case_and_accents(
        self, client: AsyncClient, create: Create
    ) -> None:
        rx = await create("categories", {"name": "rx"})
        elite = await create("categories", {"name": "Élite", "description": "The best"})
        scaled = await create("categories", {"name": "Scaled"})

        response = await client.get(URL)

        assert response.status_code == 200
        assert response.json() == {"items": [elite, rx, scaled], "next": None, "total": None}
        assert "Link" not in response.headers

    async def test_the_name_filter_matches_a_part_of_the_name(
        self, client: AsyncClient, create: Create
    ) -> None:
        await create("categories", {"name": "Rx"})
        elite = await create("categories", {"name": "Élite"})

        response = await client.get(URL, params={"name": "ELI", "total": "true"})

        assert response.json() == {"items": [elite], "next": None, "total": 1}
