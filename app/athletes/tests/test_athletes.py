"""Athletes, over HTTP and the real database."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from httpx import AsyncClient

from app.conftest import API, Create, Json, conflict, not_found, problem
from app.core.resources.fields import new_id

URL = f"{API}/athletes"
PERSON = {
    "name": "Mara Lindqvist",
    "reference": "M-1042",
    "email": "Mara@example.com",
    "national_id": "X1234567",
    "birth_date": "1994-05-17",
    "sex": "female",
    "height_cm": 168.5,
    "weight_kg": 64.25,
}
NO_VALUES: Json = dict.fromkeys(PERSON)


@pytest.fixture
async def rx(create: Create) -> Json:
    return await create("categories", {"name": "Rx"})


@pytest.fixture
async def north(create: Create) -> Json:
    return await create("centres", {"name": "north"})


@pytest.fixture
async def garage(create: Create) -> Json:
    return await create("centres", {"name": "Garage"})


@pytest.fixture
async def mara(create: Create, rx: Json, north: Json) -> Json:
    return await create(
        "athletes", {**PERSON, "category_id": rx["id"], "centre_ids": [north["id"]]}
    )


def reference_to(resource: Json) -> Json:
    return {"id": resource["id"], "name": resource["name"]}


class TestCreate:
    async def test_a_created_athlete_includes_the_names_of_category_and_centres(
        self, client: AsyncClient, rx: Json, north: Json, garage: Json
    ) -> None:
        payload = {**PERSON, "category_id": rx["id"], "centre_ids": [north["id"], garage["id"]]}

        response = await client.post(URL, json=payload)

        athlete = response.json()
        assert response.status_code == 201
        assert response.headers["Location"] == f"{URL}/{athlete['id']}"
        assert athlete == {
            "id": athlete["id"],
            "version": 1,
            "created_at": athlete["created_at"],
            "updated_at": athlete["created_at"],
            **PERSON,
            "category": reference_to(rx),
            "centres": [reference_to(garage), reference_to(north)],
        }
        assert (await client.get(f"{URL}/{athlete['id']}")).json() == athlete

    async def test_only_name_and_category_are_required(self, create: Create, rx: Json) -> None:
        athlete = await create("athletes", {"name": "Mara", "category_id": rx["id"]})

        assert {field: athlete[field] for field in PERSON} == {**NO_VALUES, "name": "Mara"}
        assert athlete["centres"] == []

    async def test_a_centre_given_twice_makes_one_enrolment(
        self, create: Create, rx: Json, north: Json
    ) -> None:
        payload = {
            "name": "Mara",
            "category_id": rx["id"],
            "centre_ids": [north["id"], north["id"].upper()],
        }

        assert (await create("athletes", payload))["centres"] == [reference_to(north)]

    async def test_two_athletes_may_have_the_same_name(self, create: Create, rx: Json) -> None:
        payload = {"name": "Mara", "category_id": rx["id"]}

        assert (await create("athletes", payload))["id"] != (await create("athletes", payload))[
            "id"
        ]

    @pytest.mark.parametrize(
        ("field", "value", "detail"),
        [
            ("reference", " M-1042 ", "This reference is already taken."),
            ("email", " mara@EXAMPLE.com", "This email is already taken."),
            ("national_id", "X1234567", "This national id is already taken."),
        ],
    )
    async def test_a_unique_value_of_another_athlete_is_refused(
        self, client: AsyncClient, rx: Json, mara: Json, field: str, value: str, detail: str
    ) -> None:
        response = await client.post(
            URL, json={"name": "Twin", "category_id": rx["id"], field: value}
        )

        assert conflict(response) == ("/problems/already-taken", f"/{field}")
        assert response.json()["detail"] == response.json()["errors"][0]["detail"] == detail
        assert value.strip() not in response.text

    async def test_an_unknown_category_is_a_conflict(self, client: AsyncClient) -> None:
        response = await client.post(URL, json={"name": "Mara", "category_id": str(new_id())})

        assert conflict(response) == ("/problems/reference-missing", "/category_id")

    async def test_an_unknown_centre_is_a_conflict_and_creates_no_athlete(
        self, client: AsyncClient, rx: Json, north: Json, connection: asyncpg.Connection
    ) -> None:
        payload = {
            "name": "Mara",
            "category_id": rx["id"],
            "centre_ids": [north["id"], str(new_id())],
        }

        response = await client.post(URL, json=payload)

        assert conflict(response) == ("/problems/reference-missing", "/centre_ids")
        assert await connection.fetchval("SELECT count(*) FROM athletes") == 0

    @pytest.mark.parametrize(
        ("field", "value", "code"),
        [
            ("name", "x" * 101, "text_too_long"),
            ("reference", "x" * 65, "text_too_long"),
            ("reference", "", "text_empty"),
            ("email", "mara", "email"),
            ("email", "Mara <mara@example.com>", "email"),
            ("email", f"{'x' * 250}@example.com", "email"),
            ("national_id", "x" * 21, "text_too_long"),
            ("birth_date", "1899-12-31", "date_out_of_range"),
            ("birth_date", str(datetime.now(UTC).date() + timedelta(1)), "date_out_of_range"),
            ("birth_date", "1999-02-30", "no_such_day"),
            ("birth_date", "1999-02-03T00:00:00Z", "date_type"),
            ("birth_date", 0, "date_type"),
            ("sex", "f", "literal_error"),
            ("height_cm", 49.9, "greater_than_equal"),
            ("height_cm", 300.1, "less_than_equal"),
            ("height_cm", 168.55, "decimal_max_places"),
            ("height_cm", "168.5", "number_type"),
            ("weight_kg", 19.99, "greater_than_equal"),
            ("weight_kg", 650.01, "less_than_equal"),
            ("weight_kg", 64.255, "decimal_max_places"),
            ("category_id", "rx", "uuid"),
            ("category_id", None, "uuid"),
            ("centre_ids", [str(new_id())] * 51, "too_long"),
            ("centre_ids", None, "list_type"),
            ("category", {}, "extra_forbidden"),
        ],
    )
    async def test_an_invalid_field_is_refused(
        self, client: AsyncClient, rx: Json, field: str, value: object, code: str
    ) -> None:
        response = await client.post(URL, json={**PERSON, "category_id": rx["id"], field: value})

        assert problem(response) == (422, "/problems/invalid", [(f"/{field}", code)])

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("birth_date", "1900-01-01"),
            ("birth_date", str(datetime.now(UTC).date())),
            ("height_cm", 50),
            ("height_cm", 300),
            ("weight_kg", 20),
            ("weight_kg", 650),
            ("sex", "other"),
            ("name", "ﷺ" * 100),
        ],
    )
    async def test_values_at_the_limits_are_accepted(
        self, create: Create, rx: Json, field: str, value: object
    ) -> None:
        payload = {"name": "Mara", "category_id": rx["id"], field: value}

        assert (await create("athletes", payload))[field] == value


class TestRead:
    async def test_an_unknown_athlete_is_not_found(self, client: AsyncClient) -> None:
        assert not_found(await client.get(f"{URL}/{new_id()}"))

    async def test_an_athlete_shows_a_renamed_category_without_a_new_version(
        self, client: AsyncClient, mara: Json, rx: Json
    ) -> None:
        await client.patch(f"{API}/categories/{rx['id']}", json={"name": "As prescribed"})

        after = (await client.get(f"{URL}/{mara['id']}")).json()
        assert after == {**mara, "category": {"id": rx["id"], "name": "As prescribed"}}


class TestUpdate:
    async def test_only_the_given_fields_change(self, client: AsyncClient, mara: Json) -> None:
        response = await client.patch(
            f"{URL}/{mara['id']}", json={"weight_kg": 63.5, "email": None}
        )

        after = response.json()
        assert after == {
            **mara,
            "weight_kg": 63.5,
            "email": None,
            "version": 2,
            "updated_at": after["updated_at"],
        }
        assert (await client.get(f"{URL}/{mara['id']}")).json() == after

    async def test_a_cleared_email_can_be_given_to_another_athlete(
        self, client: AsyncClient, create: Create, mara: Json, rx: Json
    ) -> None:
        await client.patch(f"{URL}/{mara['id']}", json={"email": None})

        payload = {"name": "Twin", "category_id": rx["id"], "email": PERSON["email"]}
        assert (await create("athletes", payload))["email"] == PERSON["email"]

    async def test_the_category_can_be_changed(
        self, client: AsyncClient, create: Create, mara: Json
    ) -> None:
        scaled = await create("categories", {"name": "Scaled"})

        response = await client.patch(f"{URL}/{mara['id']}", json={"category_id": scaled["id"]})

        assert (response.json()["category"], response.json()["version"]) == (
            reference_to(scaled),
            2,
        )

    async def test_given_centres_replace_the_previous_ones(
        self, client: AsyncClient, mara: Json, garage: Json
    ) -> None:
        response = await client.patch(
            f"{URL}/{mara['id']}", json={"centre_ids": [garage["id"]], "name": "Mara"}
        )

        after = response.json()
        assert after == {
            **mara,
            "name": "Mara",
            "centres": [reference_to(garage)],
            "version": 2,
            "updated_at": after["updated_at"],
        }
        assert (await client.get(f"{URL}/{mara['id']}")).json() == after

    async def test_an_empty_list_of_centres_removes_all_enrolments(
        self, client: AsyncClient, mara: Json
    ) -> None:
        response = await client.patch(f"{URL}/{mara['id']}", json={"centre_ids": []})

        assert (response.json()["centres"], response.json()["version"]) == ([], 2)

    async def test_an_update_without_changes_keeps_the_version(
        self, client: AsyncClient, mara: Json, rx: Json, north: Json
    ) -> None:
        same = {**PERSON, "category_id": rx["id"], "centre_ids": [north["id"]]}

        for payload in ({}, {"centre_ids": same["centre_ids"]}, PERSON, same):
            response = await client.patch(f"{URL}/{mara['id']}", json=payload)
            assert response.json() == mara

    async def test_an_unknown_centre_is_a_conflict_and_changes_nothing(
        self, client: AsyncClient, mara: Json
    ) -> None:
        response = await client.patch(
            f"{URL}/{mara['id']}", json={"name": "Else", "centre_ids": [str(new_id())]}
        )

        assert conflict(response) == ("/problems/reference-missing", "/centre_ids")
        assert (await client.get(f"{URL}/{mara['id']}")).json() == mara

    async def test_the_reference_of_another_athlete_is_refused(
        self, client: AsyncClient, create: Create, mara: Json, rx: Json
    ) -> None:
        twin = await create("athletes", {"name": "Twin", "category_id": rx["id"]})

        response = await client.patch(f"{URL}/{twin['id']}", json={"reference": "M-1042"})

        assert conflict(response) == ("/problems/already-taken", "/reference")

    @pytest.mark.parametrize("field", ["name", "category_id", "centre_ids"])
    async def test_null_is_refused_for_a_required_field(
        self, client: AsyncClient, mara: Json, field: str
    ) -> None:
        response = await client.patch(f"{URL}/{mara['id']}", json={field: None})

        status, _, ((pointer, _),) = problem(response)
        assert (status, pointer) == (422, f"/{field}")

    @pytest.mark.parametrize("payload", [{}, {"name": "Mara"}, {"centre_ids": []}])
    async def test_an_unknown_athlete_is_not_found(
        self, client: AsyncClient, payload: Json
    ) -> None:
        assert not_found(await client.patch(f"{URL}/{new_id()}", json=payload))


class TestDelete:
    async def test_deleting_an_athlete_also_deletes_the_enrolments(
        self, client: AsyncClient, mara: Json, north: Json
    ) -> None:
        response = await client.delete(f"{URL}/{mara['id']}")

        assert (response.status_code, response.content) == (204, b"")
        assert not_found(await client.get(f"{URL}/{mara['id']}"))
        assert not_found(await client.delete(f"{URL}/{mara['id']}"))
        assert (await client.delete(f"{API}/centres/{north['id']}")).status_code == 204


class TestLookup:
    @pytest.mark.parametrize(
        "lookup",
        [
            {"reference": "M-1042"},
            {"email": "MARA@example.COM"},
            {"national_id": " X1234567"},
        ],
    )
    async def test_a_unique_value_finds_its_athlete(
        self, client: AsyncClient, mara: Json, lookup: Json
    ) -> None:
        response = await client.post(f"{URL}/lookup", json=lookup)

        assert (response.status_code, response.json()) == (200, mara)

    async def test_an_unknown_value_is_not_found(self, client: AsyncClient) -> None:
        assert not_found(await client.post(f"{URL}/lookup", json={"reference": "M-1"}))

    @pytest.mark.parametrize(
        ("lookup", "errors"),
        [
            ({}, [("", "exactly_one")]),
            ({"reference": "M-1042", "email": "mara@example.com"}, [("", "exactly_one")]),
            ({"reference": None}, [("/reference", "string_type")]),
            ({"name": "Mara"}, [("/name", "extra_forbidden")]),
        ],
    )
    async def test_a_lookup_without_exactly_one_unique_value_is_refused(
        self, client: AsyncClient, lookup: Json, errors: list[tuple[str, str]]
    ) -> None:
        response = await client.post(f"{URL}/lookup", json=lookup)

        assert problem(response) == (422, "/problems/invalid", errors)


class TestList:
    async def test_a_list_shows_only_the_summary_fields(
        self, client: AsyncClient, mara: Json
    ) -> None:
        response = await client.get(URL)

        assert response.json() == {
            "items": [
                {
                    field: mara[field]
                    for field in ("id", "name", "reference", "sex", "category", "centres")
                }
            ],
            "next": None,
            "total": None,
        }

    async def test_filters_work_alone_and_combined(
        self, client: AsyncClient, create: Create, mara: Json, rx: Json, north: Json
    ) -> None:
        scaled = await create("categories", {"name": "Scaled"})
        await create("athletes", {"name": "José", "category_id": scaled["id"], "sex": "male"})
        every = {
            "name": "LINDQ",
            "reference": "M-1042",
            "sex": "female",
            "category_id": rx["id"],
            "centre_id": north["id"],
        }

        for filters in (*({name: value} for name, value in every.items()), every):
            response = await client.get(URL, params={**filters, "total": "true"})
            assert [item["id"] for item in response.json()["items"]] == [mara["id"]], filters
            assert response.json()["total"] == 1
        nobody = await client.get(URL, params={**every, "sex": "other", "total": "true"})
        assert nobody.json() == {"items": [], "next": None, "total": 0}

    async def test_null_is_text_in_a_text_filter_and_refused_in_an_id_filter(
        self, client: AsyncClient
    ) -> None:
        assert (await client.get(URL, params={"reference": "null"})).json()["items"] == []
        assert problem(await client.get(URL, params={"centre_id": "null"})) == (
            422,
            "/problems/invalid",
            [("?centre_id", "uuid")],
        )

    async def test_a_category_lists_its_athletes(
        self, client: AsyncClient, create: Create, mara: Json, rx: Json
    ) -> None:
        scaled = await create("categories", {"name": "Scaled"})

        of_rx = await client.get(f"{API}/categories/{rx['id']}/athletes?total=true")
        of_scaled = await client.get(f"{API}/categories/{scaled['id']}/athletes")

        assert [athlete["id"] for athlete in of_rx.json()["items"]] == [mara["id"]]
        assert of_rx.json()["total"] == 1
        assert of_scaled.json() == {"items": [], "next": None, "total": None}
        assert not_found(await client.get(f"{API}/categories/{new_id()}/athletes"))

    async def test_a_centre_lists_its_athletes(
        self, client: AsyncClient, mara: Json, north: Json, garage: Json
    ) -> None:
        at_north = await client.get(f"{API}/centres/{north['id']}/athletes?sex=female")
        at_garage = await client.get(f"{API}/centres/{garage['id']}/athletes")

        assert [athlete["id"] for athlete in at_north.json()["items"]] == [mara["id"]]
        assert at_garage.json() == {"items": [], "next": None, "total": None}
        assert not_found(await client.get(f"{API}/centres/{new_id()}/athletes"))

    async def test_the_category_in_the_path_is_refused_as_a_filter(
        self, client: AsyncClient, rx: Json
    ) -> None:
        response = await client.get(
            f"{API}/categories/{rx['id']}/athletes", params={"category_id": rx["id"]}
        )

        assert problem(response) == (
            422,
            "/problems/invalid",
            [("?category_id", "extra_forbidden")],
        )
