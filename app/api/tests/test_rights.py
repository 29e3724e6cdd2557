"""Rights: each operation, by each role, for own, shared and foreign rows."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from asyncpg import Connection
from fastapi import FastAPI
from httpx import AsyncClient

from app.api.tests.gym import IDS, ROLES, add_gym
from app.api.tests.operations import operations
from app.api.tests.rights_table import CASES, Case
from app.application import create_app
from app.conftest import API, client_of, conflict, not_found, problem
from app.core.http.conflict_limit import MOST
from app.core.http.tests.document import Document
from app.core.settings import Settings


@pytest.fixture
async def gym(connection: Connection) -> None:
    """Fill the database."""
    await add_gym(connection)


def filled(template: Any, row: str) -> Any:
    """Replace placeholders: ``<athlete foreign>``, or ``<athlete>`` for the row of a case."""
    if isinstance(template, dict):
        return {name: filled(value, row) for name, value in template.items()}
    if isinstance(template, list):
        return [filled(value, row) for value in template]
    if not isinstance(template, str):
        return template
    return re.sub(r"<(\w+) ?(\w*)>", lambda found: str(IDS[found[1]][found[2] or row]), template)


async def code_of(client: AsyncClient, case: Case, row: str, connection: Connection) -> int:
    """Send the request of a case for a row; undo what it does; return the status code."""
    method, path = filled(case.request, row).split(" ")
    body: dict[str, Any] = {}
    if isinstance(case.body, str):
        body = {"content": case.body, "headers": {"Content-Type": "text/csv"}}
    elif case.body is not None:
        body = {"json": filled(case.body, row)}
    undone = connection.transaction()
    await undone.start()
    response = await client.request(method, f"{API}{path}", **body)
    await undone.rollback()
    return response.status_code


def test_every_operation_has_a_line_in_the_table(document: Document) -> None:
    needing = {one.id for one in operations(document.content) if not one.is_public}

    assert {case.operation for case in CASES} == needing


@pytest.mark.parametrize("role", ROLES)
async def test_the_status_codes_of_a_role_are_those_of_the_table(
    app: FastAPI,
    client: AsyncClient,
    document: Document,
    connection: Connection,
    gym: None,
    role: str,
) -> None:
    wrong = []

    async with client_of(app, document, caller=ROLES[role]) as caller:
        for case in CASES:
            for number, row in enumerate(case.rows.split()):
                code = await code_of(caller, case, row, connection)
                if code != case.code(role, number):
                    wrong.append(f"{case.request} {case.body} {row}: {code}")

    assert wrong == []


async def names(client: AsyncClient, path: str) -> list[str]:
    """Return the names in a list that may have a total, which must be their number."""
    page = (await client.get(f"{API}{path}{'&' if '?' in path else '?'}total=true")).json()
    assert page["total"] == len(page["items"])
    return [item["name"] for item in page["items"]]


@pytest.fixture
async def callers(
    app: FastAPI, client: AsyncClient, document: Document, gym: None
) -> AsyncIterator[dict[str, AsyncClient]]:
    """Provide a client of each role."""
    async with AsyncExitStack() as stack:
        yield {
            role: await stack.enter_async_context(client_of(app, document, caller=known))
            for role, known in ROLES.items()
        }


class TestViews:
    async def test_a_coach_sees_an_athlete_without_personal_data_and_other_centres(
        self, callers: dict[str, AsyncClient]
    ) -> None:
        shared = f"{API}/athletes/{IDS['athlete']['shared']}"
        own = {"id": str(IDS["centre"]["own"]), "name": "Northside"}
        foreign = {"id": str(IDS["centre"]["foreign"]), "name": "Harbour"}
        training = {
            "id": str(IDS["athlete"]["shared"]),
            "name": "Sana",
            "reference": "M-2",
            "sex": "female",
            "category": {"id": str(IDS["category"]["used"]), "name": "Rx"},
            "height_cm": 171,
            "weight_kg": None,
            "centres": [own],
        }

        read = {role: (await callers[role].get(shared)).json() for role in ("admin", "coach")}
        changed = await callers["coach"].patch(
            shared, json={"category_id": str(IDS["category"]["unused"])}
        )
        centres = await names(callers["coach"], shared.removeprefix(API) + "/centres")

        assert read["coach"] == training
        assert read["admin"]["email"] == "sana@gym.example"
        assert read["admin"]["centres"] == [foreign, own]
        category = {"id": str(IDS["category"]["unused"]), "name": "Scaled"}
        assert changed.json() == {**training, "category": category}
        assert centres == ["Northside"]

    async def test_lists_show_the_centres_that_the_caller_sees(
        self, callers: dict[str, AsyncClient]
    ) -> None:
        for role, centres in (("owner", ["Harbour", "Northside"]), ("coach", ["Northside"])):
            page = (await callers[role].get(f"{API}/athletes?name=sana")).json()
            assert [centre["name"] for centre in page["items"][0]["centres"]] == centres

    async def test_an_enrolment_that_a_coach_does_not_see_is_no_filter(
        self, callers: dict[str, AsyncClient]
    ) -> None:
        foreign = IDS["centre"]["foreign"]
        paths = f"/athletes?centre_id={foreign}", f"/centres/{foreign}/athletes"

        for path in paths:
            assert await names(callers["coach"], path) == []
            assert await names(callers["owner"], path) == ["Sana"]
            assert await names(callers["admin"], path) == ["Finn", "Sana"]


class TestLists:
    async def test_each_role_lists_what_it_sees(self, callers: dict[str, AsyncClient]) -> None:
        everyone = ["Finn", "Mara", "Mel", "Sana"]
        here = ["Mara", "Mel", "Sana"]
        seen = {"admin": everyone, "owner": here, "desk": here, "coach": here, "member": ["Mel"]}

        listed = {role: await names(callers[role], "/athletes") for role in seen}

        assert listed == seen
        assert await names(callers["nobody"], "/athletes") == []
        assert await names(callers["nobody"], "/categories") == []
        assert await names(callers["device"], "/centres") == ["Northside"]
        assert len(await names(callers["device"], "/trainings")) == 2
        assert len(await names(callers["admin"], "/trainings")) == 3

    async def test_a_cursor_is_for_callers_who_see_the_same_rows(
        self, callers: dict[str, AsyncClient]
    ) -> None:
        following = (await callers["coach"].get(f"{API}/athletes?limit=1")).json()["next"]

        assert (await callers["coach"].get(following)).status_code == 200
        for role in ("admin", "member"):
            response = await callers[role].get(following)
            assert problem(response) == (422, "/problems/invalid", [("?cursor", "bad_cursor")])


class TestWrites:
    async def test_an_owner_who_replaces_centres_keeps_those_of_others(
        self, callers: dict[str, AsyncClient]
    ) -> None:
        shared = f"{API}/athletes/{IDS['athlete']['shared']}"

        replaced = await callers["owner"].patch(shared, json={"centre_ids": []})

        assert [centre["name"] for centre in replaced.json()["centres"]] == ["Harbour"]
        assert not_found(await callers["owner"].get(shared))

    async def test_a_seat_elsewhere_is_not_named(self, callers: dict[str, AsyncClient]) -> None:
        booking = {"athlete_id": str(IDS["athlete"]["shared"])}
        bookings = f"{API}/trainings/{IDS['training']['own']}/bookings"

        unseen = await callers["desk"].post(bookings, json=booking)
        seen = await callers["admin"].post(bookings, json=booking)

        busy = 409, "/problems/athlete-busy", [("/athlete_id", "busy")]
        assert problem(unseen) == problem(seen) == busy
        assert str(IDS["training"]["foreign"]) in seen.json()["detail"]
        assert unseen.json()["detail"] == (
            "This athlete has a seat in another training, which overlaps."
        )

    async def test_taken_values_are_refused_with_few_answers(
        self, callers: dict[str, AsyncClient]
    ) -> None:
        athlete = f"{API}/athletes/{IDS['athlete']['own']}"
        taken = {"email": "finn@gym.example"}

        for _ in range(MOST):
            response = await callers["owner"].patch(athlete, json=taken)
            assert conflict(response) == ("/problems/already-taken", "/email")
        refused = await callers["owner"].patch(athlete, json={"name": "Mara"})
        by_admin = await callers["admin"].patch(athlete, json=taken)

        assert problem(refused) == (429, "/problems/too-many-conflicts", [])
        assert refused.headers["Retry-After"] == "60"
        assert by_admin.status_code == 409


class TestPublicRead:
    async def test_the_timetable_is_open_without_its_bookings(
        self, app: FastAPI, client: AsyncClient, gym: None, document: Document
    ) -> None:
        app_of_gym = create_app(Settings(_env_file=None, public_read=("timetable",)))
        app_of_gym.state.database = app.state.database
        centre, training = IDS["centre"]["own"], IDS["training"]["own"]
        public = {
            "id": str(centre),
            "name": "Northside",
            "address": None,
            "time_zone": "UTC",
        }
        needs_token = (
            f"/trainings/{training}/bookings",
            f"/centres/{centre}/occupancy",
            f"/centres/{centre}/athletes",
            "/athletes",
        )

        async with client_of(app_of_gym, document, caller=None) as stranger:
            assert (await stranger.get(f"{API}/centres/{centre}")).json() == public
            assert public in (await stranger.get(f"{API}/centres")).json()["items"]
            assert await names(stranger, "/categories") == ["Rx", "Scaled"]
            assert len(await names(stranger, "/trainings")) == 3
            read = (await stranger.get(f"{API}/trainings/{training}")).json()
            for path in needs_token:
                assert problem(await stranger.get(f"{API}{path}"))[0] == 401
            wrong = {"Authorization": "Bearer cfs_x"}
            assert problem(await stranger.get(f"{API}/centres", headers=wrong))[0] == 401
        async with client_of(app_of_gym, document, caller=ROLES["member"]) as member:
            foreign = f"{API}/trainings/{IDS['training']['foreign']}"
            assert (await member.get(foreign)).status_code == 200
            full = await member.get(f"{API}/centres/{centre}")
        assert full.json()["owner"] == "Ana Torres"
        assert read["centre"] == {"id": str(centre), "name": "Northside"}

    async def test_nothing_is_open_by_default(
        self, app: FastAPI, client: AsyncClient, document: Document
    ) -> None:
        async with client_of(app, document, caller=None) as stranger:
            for path in ("/centres", "/categories", "/trainings"):
                assert problem(await stranger.get(f"{API}{path}"))[0] == 401
