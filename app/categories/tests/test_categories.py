"""Categories, over HTTP and the real database."""

from typing import Any

import pytest
from httpx import AsyncClient

from app.conftest import API, Create
from app.core.fields import new_id

URL = f"{API}/categories"


class TestCreate:
    async def test_a_created_category_is_answered_with_its_place(self, client: AsyncClient) -> None:
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
