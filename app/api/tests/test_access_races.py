"""Rights that change during requests, in two apps, and reads of one row by many callers at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import pytest
from httpx import AsyncClient, Response

from app.api.tests.gym import IDS, ROLES, add_gym
from app.conftest import API, Json, lock_waiters, patient, problem, served
from app.identity.models import SCOPES
from app.identity.tests.callers import ADD_ONE, ADMIN, Known

pytestmark = pytest.mark.slow

OWN, FOREIGN = IDS["centre"]["own"], IDS["centre"]["foreign"]
ATHLETE, TRAINING, BOOKING = IDS["athlete"], IDS["training"], IDS["booking"]
CATEGORIES = [*IDS["category"].values()]
RECENT = 2.0
"""Seconds for which reads may still succeed after a demotion."""
SECOND_ADMIN = Known("eve", UUID(int=0xAE))
PLAN = {
    "name": "WOD",
    "capacity": 5,
    "centre_id": str(OWN),
    "starts_at": "2100-01-01T10:00:00Z",
    "ends_at": "2100-01-01T11:00:00Z",
}

Request = tuple[str, str, Json | None]


class Write(NamedTuple):
    """A write, and its status code once the caller has lost the right."""

    method: str
    path: str
    body: Callable[[int], Json | None]
    refused: int
    has_key: bool = False


class Demotion(NamedTuple):
    """How a caller loses rights, and what they then cannot do and read any more."""

    who: Known
    by: Known
    request: Request
    writes: list[Write]
    read: str
    unread: int


def nothing(number: int) -> None:
    """Return no body."""


def name(number: int) -> Json:
    """Return a new name."""
    return {"name": f"New {number}"}


def books_own(number: int) -> Json:
    """Return the booking of an athlete."""
    return {"athlete_id": str(ATHLETE["own"])}


STAFF = f"centres/{OWN}/staff"
TRAINED = f"trainings/{TRAINING['unbooked']}"
MARA = f"athletes/{ATHLETE['own']}"
DEMOTIONS = {
    "a role is taken away": Demotion(
        ROLES["coach"],
        ADMIN,
        ("DELETE", f"{STAFF}/{ROLES['coach'].id}", None),
        [
            Write("PATCH", TRAINED, name, 404),
            Write("PATCH", TRAINED, lambda number: {"capacity": 10 + number % 20}, 404),
            Write("POST", "trainings", lambda number: PLAN, 403),
            Write("POST", "trainings", lambda number: PLAN, 403, has_key=True),
            Write("POST", f"bookings/{BOOKING['own']}/check-in", nothing, 404),
            Write("PATCH", MARA, lambda number: {"category_id": str(CATEGORIES[number % 2])}, 404),
            Write("POST", f"{TRAINED}/bookings", books_own, 404),
        ],
        TRAINED,
        404,
    ),
    "an account is disabled": Demotion(
        ROLES["owner"],
        ADMIN,
        ("PATCH", f"accounts/{ROLES['owner'].id}", {"disabled": True}),
        [
            Write("PATCH", MARA, name, 401),
            Write("PATCH", MARA, lambda _: {"centre_ids": [str(OWN)]}, 401),
            Write("PUT", f"{MARA}/centres/{OWN}", nothing, 401),
            Write("PUT", f"{STAFF}/{ROLES['desk'].id}", lambda _: {"role": "desk"}, 401),
            Write("POST", f"centres/{OWN}/devices", name, 401),
            Write(
                "POST",
                "athletes",
                lambda number: {
                    **name(number),
                    "category_id": str(CATEGORIES[0]),
                    "centre_ids": [str(OWN)],
                },
                401,
            ),
        ],
        MARA,
        401,
    ),
    "a token is revoked": Demotion(
        ROLES["desk"],
        ROLES["desk"],
        ("DELETE", "sessions/current", None),
        [
            Write("PATCH", f"athletes/{ATHLETE['shared']}", name, 401),
            Write("POST", f"bookings/{BOOKING['own']}/check-in", nothing, 401),
            Write(
                "POST",
                "invitations",
                lambda _: {"email": "x@example.com", "athlete_id": str(ATHLETE["own"])},
                401,
            ),
        ],
        MARA,
        401,
    ),
    "an athlete leaves a centre": Demotion(
        ROLES["member"],
        ADMIN,
        ("DELETE", f"athletes/{ATHLETE['self']}/centres/{OWN}", None),
        [Write("POST", f"{TRAINED}/bookings", lambda _: {"athlete_id": str(ATHLETE["self"])}, 404)],
        TRAINED,
        404,
    ),
    "an administrator is demoted": Demotion(
        SECOND_ADMIN,
        ADMIN,
        ("PATCH", f"accounts/{SECOND_ADMIN.id}", {"is_admin": False}),
        [
            Write("PATCH", f"centres/{FOREIGN}", name, 404),
            Write("POST", "categories", lambda _: {"name": uuid4().hex}, 403),
            Write("PUT", f"athletes/{ATHLETE['foreign']}/centres/{FOREIGN}", nothing, 404),
            Write("POST", "centres", lambda _: {"name": uuid4().hex}, 403),
        ],
        f"centres/{FOREIGN}",
        404,
    ),
}


@pytest.fixture
async def gym(other: asyncpg.Connection) -> None:
    """Fill the database, with a second administrator."""
    await add_gym(other)
    await other.execute(
        "INSERT INTO accounts (id, email, email_key, is_admin)"
        " VALUES ($1, $2::text, $2::text, true)",
        SECOND_ADMIN.id,
        SECOND_ADMIN.email,
    )
    values = SECOND_ADMIN.id, "session", SECOND_ADMIN.secret_hash, SECOND_ADMIN.id, None
    await other.execute(ADD_ONE, *values, list(SCOPES))


@pytest.fixture
async def apps(own_database: str, gym: None) -> AsyncIterator[list[AsyncClient]]:
    """Provide clients of two apps on one database, each with its own memory of callers."""
    async with (
        served(patient(own_database), 8) as first,
        served(patient(own_database), 8) as second,
    ):
        yield [first, second]


class Storm:
    """Requests of one caller to one app, before and after their demotion."""

    AFTER = 3

    def __init__(self, app: AsyncClient, demotion: Demotion) -> None:
        self.app, self.demotion = app, demotion
        self.begun = asyncio.Barrier(len(demotion.writes) + 1)
        self.demoted_at = float("inf")
        self.wrong: list[str] = []
        self.number = 0

    async def writes(self, write: Write) -> None:
        """Send one kind of write again and again, until some have been sent after the demotion."""
        sent = after = 0
        while after < self.AFTER:
            self.number += 1
            key = {"Idempotency-Key": uuid4().hex} if write.has_key else {}
            is_after = monotonic() > self.demoted_at
            response = await self.app.request(
                write.method,
                f"{API}/{write.path}",
                json=write.body(self.number),
                headers={**self.demotion.who.headers, **key},
            )
            sent += 1
            after += is_after
            if sent == 1 or is_after:
                is_refused = response.status_code == write.refused
                if is_refused != is_after:
                    self.wrong.append(f"{sent} {write} {response.status_code} {response.text}")
            if sent == 1:
                await self.begun.wait()

    async def reads(self) -> None:
        """Read again and again, so that the app remembers the caller; it may for some time."""
        is_late = False
        while not is_late:
            is_late = monotonic() > self.demoted_at + RECENT
            response = await self.app.get(
                f"{API}/{self.demotion.read}", headers=self.demotion.who.headers
            )
            expected = {self.demotion.unread} if is_late else {200, self.demotion.unread}
            if response.status_code not in expected:
                self.wrong.append(f"GET {self.demotion.read}: {response.status_code}")
            await asyncio.sleep(0.01)  # leave time to the writes


async def test_no_write_succeeds_that_is_sent_after_a_demotion(apps: list[AsyncClient]) -> None:
    storms = [Storm(app, demotion) for app in apps for demotion in DEMOTIONS.values()]

    async with asyncio.TaskGroup() as tasks:
        for storm in storms:
            tasks.create_task(storm.reads())
            for write in storm.demotion.writes:
                tasks.create_task(storm.writes(write))
        await asyncio.gather(*(storm.begun.wait() for storm in storms))
        for demotion in DEMOTIONS.values():
            method, path, body = demotion.request
            response = await apps[0].request(
                method, f"{API}/{path}", json=body, headers=demotion.by.headers
            )
            assert response.status_code < 300
            for storm in storms:
                if storm.demotion is demotion:
                    storm.demoted_at = monotonic()

    assert [wrong for storm in storms for wrong in storm.wrong] == []


ROWS = [
    f"athletes/{ATHLETE['shared']}",
    f"athletes/{ATHLETE['self']}",
    f"bookings/{BOOKING['self']}",
    f"trainings/{TRAINING['own']}",
]


async def test_callers_who_read_a_row_at_once_each_get_their_own_view(
    apps: list[AsyncClient],
) -> None:
    for path in ROWS:
        await read_at_once(apps[0], path)


async def read_at_once(app: AsyncClient, path: str) -> None:
    """Read a row by 98 callers at once, also with each ETag; compare with single reads."""
    callers = [caller for caller in ROLES.values() for _ in range(100 // len(ROLES))]

    async def read(caller: Known, **headers: str) -> Response:
        return await app.get(f"{API}/{path}", headers={**caller.headers, **headers})

    def answer(response: Response) -> Any:
        shown = response.json() if response.status_code == 200 else None
        return response.status_code, shown, response.headers.get("ETag")

    alone = {caller.name: await read(caller) for caller in ROLES.values()}
    tags = {one.headers["ETag"] for one in alone.values() if one.status_code == 200}
    together = await asyncio.gather(*(read(caller) for caller in callers))
    with_tags = await asyncio.gather(
        *(read(caller, **{"If-None-Match": tag}) for tag in tags for caller in callers)
    )

    assert [answer(one) for one in together] == [answer(alone[one.name]) for one in callers]
    expected = []
    for tag in tags:
        for caller in callers:
            status, body, own = answer(alone[caller.name])
            expected.append((304, None, own) if own == tag else (status, body, own))
    assert [answer(one) for one in with_tags] == expected


async def test_an_athlete_who_is_just_enrolled_elsewhere_is_not_deleted(
    pooled_client: AsyncClient, other: asyncpg.Connection
) -> None:
    await add_gym(other)
    await other.execute("DELETE FROM bookings")
    enrolling = other.transaction()
    await enrolling.start()
    await other.execute("UPDATE athletes SET version = 2 WHERE id = $1", ATHLETE["own"])
    await other.execute("INSERT INTO enrolments VALUES ($1, $2)", ATHLETE["own"], FOREIGN)

    deleting = asyncio.create_task(
        pooled_client.delete(f"{API}/athletes/{ATHLETE['own']}", headers=ROLES["owner"].headers)
    )
    await lock_waiters(other)
    await enrolling.commit()

    assert problem(await deleting) == (403, "/problems/forbidden", [])
    assert await other.fetchval("SELECT count(*) FROM athletes") == 4
