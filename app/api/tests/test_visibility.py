"""What callers with several roles see and reach, beyond the table of rights."""

from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest
from asyncpg import Connection
from fastapi import FastAPI
from httpx import AsyncClient

from app.api.tests.gym import IDS, ROLES, add_gym
from app.conftest import API, client_of, problem
from app.core.settings import Settings
from app.identity.tests.callers import PASSWORD
from app.identity.tokens.callers import Callers

OWN, FOREIGN = IDS["centre"]["own"], IDS["centre"]["foreign"]
ATHLETE, TRAINING = IDS["athlete"], IDS["training"]


@pytest.fixture(autouse=True)
async def gym(client: AsyncClient, connection: Connection) -> None:
    """Fill the database; ``client`` connects the app to it."""
    await add_gym(connection)


@pytest.fixture
async def caller(app: FastAPI) -> AsyncIterator[AsyncClient]:
    """Provide a client of the app without a token."""
    async with client_of(app, caller=None) as caller:
        yield caller


@pytest.fixture
def timetable(app: FastAPI) -> Iterator[None]:
    """Let everybody read the timetable; ``client`` replaces the callers."""
    before = app.state.settings
    app.state.settings = Settings.model_construct(public_read=("timetable",))
    app.state.callers = Callers(app.state.issuer, app.state.settings.public_read)
    yield
    app.state.settings = before


async def add_role(connection: Connection, name: str, centre_id: UUID, role: str) -> None:
    await connection.execute(
        "INSERT INTO staff (id, account_id, centre_id, role)"
        " VALUES (gen_random_uuid(), $1, $2, $3)",
        ROLES[name].id,
        centre_id,
        role,
    )


async def test_a_coach_cannot_enrol_an_athlete_where_the_coach_would_see_them_in_full(
    caller: AsyncClient, connection: Connection
) -> None:
    await add_role(connection, "coach", FOREIGN, "owner")
    url = f"{API}/athletes/{ATHLETE['own']}/centres/{FOREIGN}"

    response = await caller.put(url, headers=ROLES["coach"].headers)

    assert problem(response) == (403, "/problems/forbidden", [])


class TestAthleteBusy:
    async def refusal(self, caller: AsyncClient, connection: Connection, name: str) -> str:
        """Book an athlete who has a seat at the foreign centre at that time."""
        url = f"{API}/trainings/{TRAINING['own']}/bookings"
        payload = {"athlete_id": str(ATHLETE["shared"])}
        response = await caller.post(url, json=payload, headers=ROLES[name].headers)
        assert problem(response) == (
            409,
            "/problems/athlete-busy",
            [("/athlete_id", "busy")],
        )
        detail: str = response.json()["detail"]
        return detail

    async def test_it_names_a_training_whose_bookings_the_caller_sees(
        self, caller: AsyncClient, connection: Connection
    ) -> None:
        await add_role(connection, "coach", FOREIGN, "desk")

        assert str(TRAINING["foreign"]) in await self.refusal(caller, connection, "coach")

    async def test_it_names_no_training_that_the_caller_sees_only_as_an_athlete(
        self, caller: AsyncClient, connection: Connection
    ) -> None:
        await add_role(connection, "member", OWN, "coach")
        await connection.execute(
            "INSERT INTO enrolments (athlete_id, centre_id) VALUES ($1, $2)",
            ATHLETE["self"],
            FOREIGN,
        )

        assert str(TRAINING["foreign"]) not in await self.refusal(caller, connection, "member")

    async def test_it_names_no_training_that_only_the_timetable_shows(
        self, caller: AsyncClient, connection: Connection, timetable: None
    ) -> None:
        assert str(TRAINING["foreign"]) not in await self.refusal(caller, connection, "coach")


async def test_a_device_lists_other_centres_as_everybody_does(
    caller: AsyncClient, timetable: None
) -> None:
    everybody = await caller.get(f"{API}/centres")

    response = await caller.get(f"{API}/centres", headers=ROLES["device"].headers)

    assert everybody.json()["items"][0].keys() == {"id", "name", "address", "time_zone"}
    assert response.json() == everybody.json()


async def test_an_invitation_of_an_athlete_replaces_none_of_another_athlete(
    caller: AsyncClient, connection: Connection
) -> None:
    await connection.execute(
        "UPDATE codes SET centre_id = NULL, role = NULL, athlete_id = $1 WHERE id = $2",
        ATHLETE["foreign"],
        IDS["invitation"]["foreign"],
    )
    payload = {"email": "b@example.com", "athlete_id": str(ATHLETE["own"])}

    response = await caller.post(f"{API}/invitations", json=payload, headers=ROLES["desk"].headers)

    assert response.status_code == 201
    assert await connection.fetch("SELECT id FROM codes WHERE closed_at IS NOT NULL") == []


LOSSES = {
    "nothing": "SELECT",
    "the role": "DELETE FROM staff",
    "another role": "UPDATE staff SET role = 'coach'",
    "the account": "UPDATE accounts SET disabled_at = now()",
    "all centres of the athlete": """
        INSERT INTO enrolments (athlete_id, centre_id)
        SELECT athletes.id, centres.id FROM athletes, centres
        WHERE athletes.name = 'Mara' AND centres.name = 'Harbour'
    """,
}


@pytest.mark.parametrize("lost", LOSSES)
async def test_an_invitation_ends_when_its_maker_may_not_make_it_any_more(
    caller: AsyncClient, connection: Connection, lost: str
) -> None:
    payload = {
        "email": "new@example.com",
        "athlete_id": str(ATHLETE["own"]),
        "centre_id": str(OWN),
        "role": "owner",
    }
    made = await caller.post(f"{API}/invitations", json=payload, headers=ROLES["owner"].headers)
    await connection.execute(LOSSES[lost])

    accepted = await caller.post(
        f"{API}/invitations/accept", json={"code": made.json()["code"], "password": PASSWORD}
    )

    if lost == "nothing":
        assert accepted.status_code == 201
    else:
        assert problem(accepted) == (422, "/problems/invalid", [("/code", "not_valid")])


@pytest.mark.parametrize("change", ["disabled_at = now()", "is_admin = false"])
async def test_a_reset_ends_when_its_maker_is_no_administrator_any_more(
    caller: AsyncClient, connection: Connection, change: str
) -> None:
    made = await caller.post(
        f"{API}/accounts/{ROLES['owner'].id}/reset", headers=ROLES["admin"].headers
    )
    await connection.execute(f"UPDATE accounts SET {change} WHERE is_admin")  # noqa: S608

    accepted = await caller.post(
        f"{API}/resets/accept", json={"code": made.json()["code"], "password": PASSWORD}
    )

    assert problem(accepted) == (422, "/problems/invalid", [("/code", "not_valid")])


async def test_a_stored_response_is_not_replayed_to_a_caller_who_has_lost_the_role(
    caller: AsyncClient, connection: Connection
) -> None:
    await add_role(connection, "desk", FOREIGN, "desk")
    payload = {
        "name": "New",
        "category_id": str(IDS["category"]["used"]),
        "centre_ids": [str(OWN)],
    }
    headers = {**ROLES["desk"].headers, "Idempotency-Key": "a"}

    made = await caller.post(f"{API}/athletes", json=payload, headers=headers)
    again = await caller.post(f"{API}/athletes", json=payload, headers=headers)
    await connection.execute("DELETE FROM staff WHERE centre_id = $1", OWN)
    without_role = await caller.post(f"{API}/athletes", json=payload, headers=headers)

    assert (made.status_code, again.status_code) == (201, 201)
    assert again.json() == made.json()
    assert problem(without_role) == (
        422,
        "/problems/idempotency-key-reused",
        [("Idempotency-Key", "reused")],
    )


async def test_an_import_needs_the_scopes_of_all_that_it_creates(
    caller: AsyncClient, connection: Connection
) -> None:
    await connection.execute(
        "UPDATE tokens SET scopes = ARRAY['athletes:write'] WHERE id = $1", ROLES["admin"].id
    )
    headers = {**ROLES["admin"].headers, "Content-Type": "text/csv"}

    response = await caller.post(
        f"{API}/athletes/import", content="name,category\nNew,New\n", headers=headers
    )

    assert problem(response) == (403, "/problems/insufficient-scope", [])
