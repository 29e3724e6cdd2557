"""Names over HTTP: which are one name, which are two, and what finds them."""

import asyncpg
import pytest
from httpx import AsyncClient

from app.conftest import API, Create, Json, conflict
from app.core.resources.tests.test_text import ONE_NAME, TWO_NAMES
from app.core.resources.text import name_key

UNIQUE = pytest.mark.parametrize("collection", ["categories", "centres"])


async def names_found(client: AsyncClient, collection: str, **filters: str) -> list[str]:
    response = await client.get(f"{API}/{collection}", params={**filters, "limit": "100"})
    assert response.status_code == 200, response.text
    return [item["name"] for item in response.json()["items"]]


@pytest.fixture
async def rx(create: Create) -> str:
    category_id: str = (await create("categories", {"name": "Rx"}))["id"]
    return category_id


class TestUniqueNames:
    @UNIQUE
    async def test_different_names_are_all_created_and_stored_with_their_keys(
        self, client: AsyncClient, create: Create, connection: asyncpg.Connection, collection: str
    ) -> None:
        names = [
            f"{number} {name}" for number, group in enumerate(TWO_NAMES.values()) for name in group
        ]
        for name in names:
            await create(collection, {"name": name})

        stored = await connection.fetch(f"SELECT name_key FROM {collection}")  # noqa: S608
        assert {row["name_key"] for row in stored} == set(map(name_key, names))

    @UNIQUE
    async def test_another_spelling_of_a_taken_name_is_refused(
        self, client: AsyncClient, create: Create, collection: str
    ) -> None:
        for number, (first, *others) in enumerate(ONE_NAME.values()):
            await create(collection, {"name": f"{number} {first}"})
            for other in others:
                response = await client.post(
                    f"{API}/{collection}", json={"name": f"{number} {other}"}
                )
                assert conflict(response) == ("/problems/already-taken", "/name"), other

    @UNIQUE
    async def test_a_name_cannot_change_to_a_spelling_of_another_but_to_one_of_its_own(
        self, client: AsyncClient, create: Create, collection: str
    ) -> None:
        await create(collection, {"name": "バーク"})
        row = await create(collection, {"name": "O’Connor"})
        url = f"{API}/{collection}/{row['id']}"

        taken = await client.patch(url, json={"name": "ハ\u3099ーク"})
        own = await client.patch(url, json={"name": "o'connor"})
        different = await client.patch(url, json={"name": "パーク"})

        assert conflict(taken) == ("/problems/already-taken", "/name")
        assert [(one.status_code, one.json()["name"]) for one in (own, different)] == [
            (200, "o'connor"),
            (200, "パーク"),
        ]

    async def test_athletes_may_share_a_name(
        self, client: AsyncClient, create: Create, rx: str
    ) -> None:
        for name in ("Łukasz", "lukasz", "Łukasz"):
            await create("athletes", {"name": name, "category_id": rx})

        assert sorted(await names_found(client, "athletes", name="ŁUKASZ")) == [
            "lukasz",
            "Łukasz",
            "Łukasz",
        ]


class TestSearch:
    async def test_a_name_is_found_by_each_of_its_spellings(
        self, client: AsyncClient, create: Create, rx: str
    ) -> None:
        for number, (first, *others) in enumerate(ONE_NAME.values()):
            stored: Json = await create(
                "athletes", {"name": f"{number} {first}", "category_id": rx}
            )
            for other in others:
                for field in ("name", "name_prefix"):
                    found = await names_found(client, "athletes", **{field: f"{number} {other}"})
                    assert found == [stored["name"]], (field, other)

    @pytest.mark.parametrize(
        ("typed", "name"),
        [
            ("lukasz", "Łukasz Wiśniewski"),
            ("soren", "Søren Kierkegård"),
            ("dang", "Đặng Thị Ánh"),
            ("isil", "Işıl Yıldız"),
            ("IŞIL YILDIZ", "Işıl Yıldız"),
            ("o'connor", "O’Connor"),
            ("jean-luc", "Jean‑Luc"),
            ("thor", "Þórunn"),
            ("aegir", "Ægir"),
            ("\uff8a\uff9f\uff70", "パーク"),
            ("мо\u0301й", "мой клуб"),
            ("하", "한국"),
            ("ג'ור", "ג׳ורג׳"),
            ("אחמד", "אַחְמַד"),
            ("محمد", "مُحَمَّد"),
        ],
    )
    @pytest.mark.parametrize("collection", ["athletes", "categories", "centres"])
    async def test_a_name_is_found_by_what_people_type(
        self, client: AsyncClient, create: Create, rx: str, collection: str, typed: str, name: str
    ) -> None:
        await create(
            collection, {"name": name} | ({"category_id": rx} if collection == "athletes" else {})
        )

        for field in ("name", "name_prefix"):
            assert await names_found(client, collection, **{field: typed}) == [name]

    @pytest.mark.parametrize(
        "words",
        [
            ("バーク", "パーク", "ハーク"),
            ("мой", "мои"),
            ("ลูก", "ลุก"),
            ("все", "всё"),
            ("ке", "ќе"),
            ("أن", "ان"),
        ],
    )
    async def test_a_search_does_not_find_another_word(
        self, client: AsyncClient, create: Create, words: tuple[str, ...]
    ) -> None:
        for word in words:
            await create("centres", {"name": word})

        for word in words:
            for end in range(1, len(word) + 1):
                beginning = word[:end]
                expected = sorted(one for one in words if one.startswith(beginning))
                for field in ("name", "name_prefix"):
                    found = await names_found(client, "centres", **{field: beginning})
                    assert sorted(found) == expected, (field, beginning)

    @pytest.mark.parametrize("typed", ["%", "_", "\\", "100%", "fit_n", "`s"])
    async def test_characters_with_a_meaning_in_sql_stand_for_themselves(
        self, client: AsyncClient, create: Create, typed: str
    ) -> None:
        name = "100% Fit_ness Joe's \\"
        for other in (name, "1000 Fitness Joes", "ł"):
            await create("centres", {"name": other})

        assert await names_found(client, "centres", name=typed) == [name]
        prefixed = await names_found(client, "centres", name_prefix=typed)
        assert prefixed == ([name] if name.startswith(typed) else [])

    async def test_names_are_sorted_by_their_letters(
        self, client: AsyncClient, create: Create
    ) -> None:
        names = [
            "lukasz",
            "Łukasz B",
            "Lukasz C",
            "мои",
            "мой",
            "моль",
            "ハーク",
            "バーク",
            "パーク",
        ]
        for name in reversed(names):
            await create("centres", {"name": name})

        assert await names_found(client, "centres") == names
