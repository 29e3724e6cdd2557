"""Lists: pages, cursors, offsets and totals, on athletes."""

from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from httpx import AsyncClient

from app.conftest import API, Create, Json, problem
from app.core.resources.fields import new_id

URL = f"{API}/athletes"
LAST = "\U0010ffff"
"""The last code point."""
SORTS = ["name", "-name", "created_at", "-created_at"]
SOME_ID = UUID("01920000-0000-7000-8000-000000000000")
"""Constant, because test IDs contain it and must be equal in every process."""


@pytest.fixture
async def rx(create: Create) -> str:
    category: str = (await create("categories", {"name": "Rx"}))["id"]
    return category


@pytest.fixture
async def athletes(create: Create, rx: str) -> list[Json]:
    """Create twelve athletes in the order of their names; some have the same name."""
    names = ["Ana", "ana", "Ána", "Bo", "Bo", "Cy", "Di", "Ed", "Éd", "Flo", "Gus", "zoë"]
    return [await create("athletes", {"name": name, "category_id": rx}) for name in names]


async def walk(client: AsyncClient, url: str) -> list[list[str]]:
    """Follow ``next`` to the last page, and return the ids on each page."""
    pages = []
    following: str | None = url
    while following is not None:
        response = await client.get(following)
        page = response.json()
        pages.append([item["id"] for item in page["items"]])
        following = page["next"]
        link = response.headers.get("Link")
        assert link == (following and f'<{following}>; rel="next"')
    return pages


class TestCursor:
    @pytest.mark.parametrize("sort", SORTS)
    @pytest.mark.parametrize("limit", [1, 5, 12, 100])
    async def test_all_pages_together_have_each_row_once_in_order(
        self, client: AsyncClient, athletes: list[Json], sort: str, limit: int
    ) -> None:
        pages = await walk(client, f"{URL}?sort={sort}&limit={limit}")

        ids = [athlete["id"] for athlete in athletes]
        expected = ids[::-1] if sort.startswith("-") else ids
        assert pages == [expected[start : start + limit] for start in range(0, 12, limit)]

    @pytest.mark.parametrize("sort", SORTS)
    async def test_unchanged_rows_are_listed_once_while_others_change(
        self, client: AsyncClient, create: Create, rx: str, athletes: list[Json], sort: str
    ) -> None:
        gone: set[str] = set()
        met: list[str] = []
        following: str | None = f"{URL}?sort={sort}&limit=2"
        names = iter(("Aaron", "Cyril", "Zyx"))
        while following is not None:
            page = (await client.get(following)).json()
            met += [item["id"] for item in page["items"]]
            following = page["next"]
            if name := next(names, None):
                # Delete a row of a previous page, and the row at which the next page would begin.
                ahead = [row["id"] for row in athletes if row["id"] not in {*met, *gone}]
                leaving = {page["items"][0]["id"], ahead[-1 if "-" in sort else 0]}
                for athlete_id in leaving:
                    assert (await client.delete(f"{URL}/{athlete_id}")).status_code == 204
                gone |= leaving
                await create("athletes", {"name": name, "category_id": rx})

        assert len(met) == len(set(met))
        assert {athlete["id"] for athlete in athletes} - gone <= set(met)
        assert len(gone) == 6

    async def test_the_next_link_keeps_filters_and_drops_the_offset(
        self, client: AsyncClient, athletes: list[Json], rx: str
    ) -> None:
        page = (
            await client.get(URL, params={"name": "ÁN", "category_id": rx, "limit": 1, "offset": 1})
        ).json()

        assert page["next"].startswith(f"{URL}?name={quote('ÁN')}&category_id={rx}&limit=1&cursor=")
        rest = (await client.get(page["next"])).json()
        assert [item["id"] for item in page["items"] + rest["items"]] == [
            athletes[1]["id"],
            athletes[2]["id"],
        ]
        assert rest["next"] is None

    async def test_the_limit_may_change_between_pages(
        self, client: AsyncClient, athletes: list[Json]
    ) -> None:
        first = (await client.get(f"{URL}?limit=2")).json()

        rest = (await client.get(first["next"].replace("limit=2", "limit=100"))).json()

        assert [item["id"] for item in first["items"] + rest["items"]] == [
            athlete["id"] for athlete in athletes
        ]

    @pytest.mark.parametrize(
        "change",
        [
            {"sort": "-name"},
            {"sort": "created_at"},
            {"name": "bo"},
            {"name_prefix": "bo"},
            {"sex": "other"},
        ],
    )
    async def test_a_cursor_is_bound_to_its_filters_and_sort(
        self, client: AsyncClient, athletes: list[Json], change: Json
    ) -> None:
        page = (await client.get(f"{URL}?limit=2")).json()
        cursor = page["next"].partition("cursor=")[2]

        response = await client.get(URL, params={"cursor": cursor, **change})

        assert problem(response) == (422, "/problems/invalid", [("?cursor", "bad_cursor")])

    async def test_a_cursor_of_one_collection_is_refused_in_another(
        self, client: AsyncClient, create: Create
    ) -> None:
        for name in ("A", "B"):
            await create("categories", {"name": name})
        page = (await client.get(f"{API}/categories?limit=1")).json()

        response = await client.get(page["next"].replace("categories", "centres"))

        assert problem(response) == (422, "/problems/invalid", [("?cursor", "bad_cursor")])

    async def test_a_cursor_of_one_category_is_refused_in_another(
        self, client: AsyncClient, create: Create, athletes: list[Json], rx: str
    ) -> None:
        other = await create("categories", {"name": "Scaled"})
        page = (await client.get(f"{API}/categories/{rx}/athletes?limit=2")).json()

        response = await client.get(page["next"].replace(rx, other["id"]))

        assert problem(response) == (422, "/problems/invalid", [("?cursor", "bad_cursor")])

    @pytest.mark.parametrize("sort", ["name", "created_at"])
    @pytest.mark.parametrize(
        "tail",
        [
            b"",
            b"x",
            b"\xff\xfe",
            SOME_ID.hex.encode() + b"a\0b",
            SOME_ID.hex.encode() + b"\xed\xa0\x80",
            b"z" * 32 + b"2026-11-22T00:00:00+00:00",
        ],
    )
    async def test_a_forged_cursor_is_refused(
        self, client: AsyncClient, athletes: list[Json], sort: str, tail: bytes
    ) -> None:
        page = (await client.get(f"{URL}?limit=1&sort={sort}")).json()
        cursor = page["next"].partition("cursor=")[2]
        of_this_list = bytes(cursor[:16], "ascii")

        forged = of_this_list.decode() + urlsafe_b64encode(tail).decode()
        response = await client.get(URL, params={"sort": sort, "cursor": forged})

        assert problem(response) == (422, "/problems/invalid", [("?cursor", "bad_cursor")])

    @pytest.mark.parametrize(
        "key", ["", "today", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
    )
    async def test_a_forged_cursor_with_an_invalid_time_is_refused(
        self, client: AsyncClient, athletes: list[Json], key: str
    ) -> None:
        page = (await client.get(f"{URL}?limit=1&sort=created_at")).json()
        cursor = page["next"].partition("cursor=")[2]

        # The first 16 characters of a cursor encode the 12 bytes of the list's name.
        forged = cursor[:16] + urlsafe_b64encode((new_id().hex + key).encode()).decode()
        response = await client.get(URL, params={"sort": "created_at", "cursor": forged})

        assert problem(response) == (422, "/problems/invalid", [("?cursor", "bad_cursor")])


class TestOffset:
    async def test_an_offset_skips_rows(self, client: AsyncClient, athletes: list[Json]) -> None:
        response = await client.get(URL, params={"offset": 10, "limit": 5})

        page = response.json()
        assert [item["id"] for item in page["items"]] == [athletes[10]["id"], athletes[11]["id"]]
        assert page["next"] is None

    async def test_an_offset_past_the_end_is_an_empty_page(
        self, client: AsyncClient, athletes: list[Json]
    ) -> None:
        response = await client.get(URL, params={"offset": 10_000, "total": "true"})

        assert response.json() == {"items": [], "next": None, "total": 12}

    async def test_an_offset_with_a_cursor_is_refused(
        self, client: AsyncClient, athletes: list[Json]
    ) -> None:
        page = (await client.get(f"{URL}?limit=2")).json()

        response = await client.get(f"{page['next']}&offset=1")

        assert problem(response) == (422, "/problems/invalid", [("?offset", "exclusive")])


class TestNamePrefix:
    @pytest.fixture
    async def named(self, create: Create, rx: str) -> None:
        """Create athletes whose names share a prefix, contain it elsewhere, or sort next to it."""
        for name in (
            "Maran",
            "Mára Lind",
            "mara  Lopez",
            "Mar",
            "Tamara Lima",
            "Straße",
            "한국",
            f"Z{LAST}",
            f"Z{LAST * 99}",
            "Z\ud7ff",
        ):
            await create("athletes", {"name": name, "category_id": rx})

    @pytest.mark.parametrize(
        ("prefix", "names"),
        [
            ("MARÁ", ["Mára Lind", "mara Lopez", "Maran"]),
            ("mara ", ["Mára Lind", "mara Lopez", "Maran"]),
            (" mara  l", ["Mára Lind", "mara Lopez"]),
            ("mara li", ["Mára Lind"]),
            ("mar", ["Mar", "Mára Lind", "mara Lopez", "Maran"]),
            ("tamaral", []),
            ("stras", ["Straße"]),
            ("straß", ["Straße"]),
            ("하", ["한국"]),
            ("z", ["Z\ud7ff", f"Z{LAST}", f"Z{LAST * 99}"]),
            ("z\ud7ff", ["Z\ud7ff"]),
            (f"z{LAST}", [f"Z{LAST}", f"Z{LAST * 99}"]),
            (f"z{LAST * 99}", [f"Z{LAST * 99}"]),
            (LAST * 100, []),
            ("ﷺ" * 100, []),
            ("%", []),
            ("_", []),
            ("\\", []),
        ],
    )
    @pytest.mark.usefixtures("named")
    async def test_it_finds_the_names_with_the_prefix(
        self, client: AsyncClient, prefix: str, names: list[str]
    ) -> None:
        for sort in SORTS:
            query = {"name_prefix": prefix, "sort": sort, "total": "true"}
            page = (await client.get(URL, params=query)).json()

            found = [item["name"] for item in page["items"]]
            assert sorted(found) == sorted(names)
            assert page["total"] == len(names)
            if sort == "name":
                assert found == names

    @pytest.mark.parametrize("sort", SORTS)
    @pytest.mark.usefixtures("named")
    async def test_all_pages_keep_the_prefix(self, client: AsyncClient, sort: str) -> None:
        whole = (await client.get(URL, params={"name_prefix": "mar", "sort": sort})).json()

        pages = await walk(client, f"{URL}?name_prefix=mar&sort={sort}&limit=1")

        assert pages == [[item["id"]] for item in whole["items"]]
        assert len(pages) == 4

    @pytest.mark.usefixtures("named")
    async def test_it_can_be_combined_with_the_name_filter(self, client: AsyncClient) -> None:
        page = (await client.get(URL, params={"name_prefix": "mar", "name": "L"})).json()

        assert [item["name"] for item in page["items"]] == ["Mára Lind", "mara Lopez"]

    async def test_every_list_of_rows_with_a_name_supports_it(
        self, client: AsyncClient, create: Create, rx: str
    ) -> None:
        north, south = [
            await create("centres", {"name": name}) for name in ("Northside", "Southside")
        ]
        ids = [north["id"], south["id"]]
        ana = await create("athletes", {"name": "Ana", "category_id": rx, "centre_ids": ids})
        lists = {
            "categories": ("r", rx),
            "centres": ("NORTH", north["id"]),
            f"athletes/{ana['id']}/centres": ("north", north["id"]),
            f"categories/{rx}/athletes": ("án", ana["id"]),
            f"centres/{south['id']}/athletes": ("an", ana["id"]),
        }
        for path, (prefix, expected) in lists.items():
            found = (await client.get(f"{API}/{path}?name_prefix={prefix}")).json()["items"]
            missed = (await client.get(f"{API}/{path}?name_prefix=x{prefix}")).json()["items"]
            assert ([item["id"] for item in found], missed) == ([expected], [])


class TestParameters:
    async def test_the_name_filter_is_cleaned_like_a_name(
        self, client: AsyncClient, athletes: list[Json]
    ) -> None:
        page = (await client.get(URL, params={"name": "  ZOÉ\u0308 "})).json()

        assert [item["id"] for item in page["items"]] == [athletes[-1]["id"]]

    async def test_total_counts_all_matching_rows(
        self, client: AsyncClient, athletes: list[Json]
    ) -> None:
        page = (await client.get(URL, params={"name": "ana", "limit": 1, "total": "true"})).json()

        assert (len(page["items"]), page["total"]) == (1, 3)
        assert (await client.get(page["next"])).json()["total"] == 3

    async def test_the_default_limit_is_20(
        self, client: AsyncClient, create: Create, rx: str
    ) -> None:
        for number in range(21):
            await create("athletes", {"name": f"Athlete {number}", "category_id": rx})

        page = (await client.get(URL)).json()

        assert len(page["items"]) == 20
        assert page["next"] is not None

    @pytest.mark.parametrize(
        ("query", "errors"),
        [
            ("limit=0", [("?limit", "greater_than_equal")]),
            ("limit=101", [("?limit", "less_than_equal")]),
            ("limit=", [("?limit", "int_parsing")]),
            ("limit=3.0", [("?limit", "int_parsing")]),
            ("limit=%2B5", [("?limit", "int_parsing")]),
            ("offset=1_0", [("?offset", "int_parsing")]),
            ("total=1", [("?total", "bool_parsing")]),
            (f"limit={'9' * 30}", [("?limit", "less_than_equal")]),
            ("offset=-1", [("?offset", "greater_than_equal")]),
            ("offset=10001", [("?offset", "less_than_equal")]),
            ("total=perhaps", [("?total", "bool_parsing")]),
            ("sort=height", [("?sort", "literal_error")]),
            ("name=", [("?name", "text_empty")]),
            ("name=%00", [("?name", "unusable_character")]),
            (f"name={'x' * 101}", [("?name", "text_too_long")]),
            ("name_prefix=%20", [("?name_prefix", "text_empty")]),
            ("name_prefix=%CC%81", [("?name_prefix", "text_empty")]),
            ("name_prefix=%00", [("?name_prefix", "unusable_character")]),
            ("name_prefix=a&name_prefix=b", [("?name_prefix", "repeated")]),
            (f"name_prefix={'x' * 101}", [("?name_prefix", "text_too_long")]),
            ("sex=f", [("?sex", "literal_error")]),
            ("category_id=rx", [("?category_id", "uuid")]),
            (f"category_id={SOME_ID.hex}", [("?category_id", "uuid")]),
            (f"category_id={{{SOME_ID}}}", [("?category_id", "uuid")]),
            ("cursor=", [("?cursor", "string_too_short")]),
            ("cursor=é", [("?cursor", "bad_cursor")]),
            ("page=2", [("?page", "extra_forbidden")]),
            ("limit=1&limit=2", [("?limit", "repeated")]),
            ("x=1&x=2&limit=1", [("?x", "extra_forbidden")]),
        ],
    )
    async def test_an_invalid_parameter_is_refused(
        self, client: AsyncClient, query: str, errors: list[Any]
    ) -> None:
        assert problem(await client.get(f"{URL}?{query}")) == (422, "/problems/invalid", errors)
