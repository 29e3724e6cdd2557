"""A primary with a synchronous standby: a response acknowledges only what the standby has.

The standby is cut off, so that each commit waits. After ``DB_COMMAND_TIMEOUT`` the service stops
waiting and answers 503, but PostgreSQL has committed. A retry finds that commit, and must wait too.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response

from app.api.tests.operations import operations
from app.commands.postgres.embedded import temporary_postgres, temporary_standby
from app.commands.postgres.server import OwnPostgres
from app.commands.prove.drill import until_standbys
from app.conftest import API, Json, migrate, patient, served
from app.identity.tests.callers import ADMIN, MEMBER, PASSWORD

pytestmark = pytest.mark.slow  # the servers of this module take some seconds

FIRST = {
    "POST /athletes": 201,
    "POST /athletes/import": 200,
    "PATCH /athletes/{athlete_id}": 200,
    "PATCH /athletes/{athlete_id}, its centres": 200,
    "DELETE /athletes/{athlete_id}": 204,
    "PUT /athletes/{athlete_id}/centres/{centre_id}": 204,
    "DELETE /athletes/{athlete_id}/centres/{centre_id}": 204,
    "DELETE /athletes/{athlete_id}/centres/{centre_id}, after the athlete": 404,
    "POST /athletes/{athlete_id}/erase": 204,
    "POST /categories": 201,
    "PATCH /categories/{category_id}": 200,
    "PATCH /categories/{category_id}, If-Match": 200,
    "DELETE /categories/{category_id}": 204,
    "POST /centres": 201,
    "PATCH /centres/{centre_id}": 200,
    "DELETE /centres/{centre_id}": 204,
    "DELETE /centres/{centre_id}, If-Match": 204,
    "POST /workouts": 201,
    "PATCH /workouts/{workout_id}": 200,
    "DELETE /workouts/{workout_id}": 204,
    "POST /centres/{centre_id}/programme": 201,
    "PATCH /programme/{programmed_workout_id}": 200,
    "DELETE /programme/{programmed_workout_id}": 204,
    "POST /trainings": 201,
    "PATCH /trainings/{training_id}": 200,
    "PATCH /trainings/{training_id}, its capacity": 200,
    "PATCH /trainings/{training_id}, its time": 200,
    "DELETE /trainings/{training_id}": 204,
    "POST /trainings/{training_id}/cancel": 200,
    "POST /series": 201,
    "PATCH /series/{series_id}": 200,
    "POST /series/{series_id}/cancel": 200,
    "DELETE /series/{series_id}": 204,
    "POST /trainings/{training_id}/bookings": 201,
    "POST /trainings/{training_id}/check-in": 200,
    "POST /bookings/{booking_id}/cancel": 200,
    "POST /bookings/{booking_id}/check-in": 200,
    "POST /bookings/{booking_id}/undo-check-in": 200,
    "POST /bookings/{booking_id}/check-out": 200,
    "POST /athletes/{athlete_id}/calendar-feed": 201,
    "DELETE /athletes/{athlete_id}/calendar-feed": 204,
    "POST /competitions": 201,
    "PATCH /competitions/{competition_id}": 200,
    "DELETE /competitions/{competition_id}": 204,
    "POST /competitions/{competition_id}/open": 200,
    "POST /competitions/{competition_id}/close": 200,
    "POST /competitions/{competition_id}/finalise": 200,
    "POST /competitions/{competition_id}/reopen": 200,
    "POST /competitions/{competition_id}/events": 201,
    "PATCH /competition-events/{event_id}": 200,
    "DELETE /competition-events/{event_id}": 204,
    "POST /competitions/{competition_id}/entries": 201,
    "POST /competitions/{competition_id}/import": 200,
    "DELETE /entries/{entry_id}": 204,
    "POST /entries/{entry_id}/withdraw": 200,
    "POST /entries/{entry_id}/disqualify": 200,
    "POST /entries/{entry_id}/reinstate": 200,
    "PUT /competition-events/{event_id}/results/{entry_id}": 200,
    "DELETE /competition-events/{event_id}/results/{entry_id}": 204,
    "POST /results": 201,
    "PATCH /results/{result_id}": 200,
    "DELETE /results/{result_id}": 204,
    "POST /results/{result_id}/review": 200,
    "POST /sessions": 201,
    "DELETE /sessions/{session_id}": 204,
    "PUT /me/password": 204,
    "PATCH /accounts/{account_id}": 200,
    "POST /accounts/{account_id}/reset": 200,
    "POST /resets/accept": 201,
    "POST /invitations": 201,
    "POST /invitations/accept": 201,
    "DELETE /invitations/{invitation_id}": 204,
    "POST /tokens": 201,
    "DELETE /tokens/{token_id}": 204,
    "POST /centres/{centre_id}/devices": 201,
    "DELETE /devices/{device_id}": 204,
    "PUT /centres/{centre_id}/staff/{account_id}": 204,
    "DELETE /centres/{centre_id}/staff/{account_id}": 204,
}
"""The status of each kind of write: each operation, and variants of some."""
RETRY = {
    write: 404 if write.startswith("DELETE") else 412 if write.endswith("If-Match") else status
    for write, status in FIRST.items()
} | {"POST /resets/accept": 422, "POST /invitations/accept": 422}
"""The status of a retry, after the first request has succeeded."""
READS = {"POST /athletes/lookup", "POST /sessions/current/jwt"}
"""Operations that only read, though their method may write."""
NO_RETRY = {"DELETE /sessions/current"}
"""Operations whose retry gets 401, as the first request has ended the token."""
SECRETS = ("/sessions", "/accept", "/invitations", "/tokens", "/devices", "/calendar-feed")
"""The ends of the paths of operations with a secret, which take no key."""

Requests = Mapping[str, Callable[[], Awaitable[Response]]]


class Pair:
    """A primary and its synchronous standby, and a client of a service on the primary."""

    def __init__(self, primary: OwnPostgres, standby: OwnPostgres) -> None:
        self.primary, self.standby = primary, standby

    @asynccontextmanager
    async def service(self, **settings: float) -> AsyncIterator[AsyncClient]:
        """Provide a client of a service that waits a second for the database."""
        update = {"db_command_timeout": 1, **settings}
        async with served(patient(self.primary.url()).model_copy(update=update), 30) as client:
            yield client

    async def cut(self) -> None:
        """Cut the standby off from the primary; both keep running."""
        self.standby.follow(None)
        await until_standbys(self.primary.administration_url(), 0)

    async def join(self) -> None:
        """Connect the standby again."""
        self.standby.follow(self.primary)
        await until_standbys(self.primary.administration_url(), 1)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Provide a primary at the latest migration, and its standby."""
    with temporary_postgres(durable=True) as primary:
        migrate(primary.url())
        with temporary_standby(primary) as standby:
            yield Pair(primary, standby)


def test_every_operation_that_writes_is_retried_here(app: FastAPI) -> None:
    prefix = len(API)
    writing = {
        f"{operation.method} {operation.path[prefix:]}"
        for operation in operations(app.openapi())
        if operation.method != "GET"
    }
    assert {write.partition(",")[0] for write in FIRST} == writing - READS - NO_RETRY


async def test_no_request_is_acknowledged_before_the_standby_has_the_write(pair: Pair) -> None:
    async with pair.service() as client, pair.service(db_command_timeout=30) as setup:
        writes = await every_write(client, setup, "written")
        await pair.cut()
        rounds = [statuses(await sent(writes)) for _ in range(2)]
        await pair.join()
        retried = await sent(writes)

    assert rounds == [dict.fromkeys(writes, 503)] * 2
    assert statuses(retried) == RETRY
    for write, status in FIRST.items():
        if status == 201 and not write.endswith(SECRETS):
            assert retried[write].headers["Idempotency-Replayed"] == "true"


async def test_a_promoted_standby_has_all_that_was_acknowledged(pair: Pair) -> None:
    """Kill the primary; this is the last test of the module.

    Each statement is in a transaction, as behind PgBouncer. So the service cancels each commit that
    takes too long, and a retry finds its write.
    """
    async with (
        pair.service(db_pgbouncer=True) as client,
        pair.service(db_command_timeout=30) as setup,
    ):
        acknowledged = await every_write(client, setup, "acknowledged")
        unknown = await every_write(client, setup, "unknown")
        assert statuses(await sent(acknowledged)) == FIRST
        await pair.cut()
        rounds = [statuses(await sent(unknown)) for _ in range(2)]
        assert rounds == [dict.fromkeys(unknown, 503)] * 2
        await asyncio.to_thread(pair.primary.kill)
        await asyncio.to_thread(pair.standby.take_over, pair.primary)

        assert statuses(await sent(acknowledged)) == RETRY
        assert statuses(await sent(unknown)) == FIRST


async def sent(requests: Requests) -> dict[str, Response]:
    """Send all requests concurrently."""
    answers = await asyncio.gather(*(send() for send in requests.values()))
    return dict(zip(requests, answers, strict=True))


def statuses(answers: Mapping[str, Response]) -> dict[str, int]:
    return {name: answer.status_code for name, answer in answers.items()}


async def every_write(client: AsyncClient, setup: AsyncClient, unique: str) -> Requests:
    """Return a request of each kind, each to rows of its own; the names contain ``unique``.

    ``setup`` creates these rows: it must not fail when the machine is busy for a moment.
    """
    numbers = count()
    writes: dict[str, Callable[[], Awaitable[Response]]] = {}

    async def created(path: str, **fields: Any) -> str:
        row = {"name": f"{unique} {next(numbers)}", **fields}
        response = await setup.post(f"{API}/{path}", json=row)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    async def athlete(**fields: Any) -> str:
        return await created("athletes", category_id=rx, **fields)

    async def training() -> str:
        return await created("trainings", centre_id=centre, **times)

    async def booking(training_id: str | None = None) -> str:
        path = f"{API}/trainings/{training_id or await training()}/bookings"
        response = await setup.post(path, json={"athlete_id": await athlete()})
        return str(response.json()["id"])

    def add(write: str, *ids: str, **options: Any) -> None:
        operation, _, variant = write.partition(", ")
        method, path = operation.split()
        url = API + re.sub("{.*?}", "{}", path).format(*ids)
        headers = dict(options.pop("headers", {}))
        if variant == "If-Match":
            headers["If-Match"] = '"1-0"'
        if FIRST[write] == 201 and not write.endswith(SECRETS):
            headers["Idempotency-Key"] = f"{unique}{path}"
        if "content" in options:
            headers["Content-Type"] = "text/csv"
        writes[write] = lambda: client.request(method, url, headers=headers, **options)

    # Check-in is already open, and it is not too late to book.
    start = datetime.now(UTC) + timedelta(minutes=30)
    end = start + timedelta(hours=1)
    times = {"starts_at": start.isoformat(), "ends_at": end.isoformat(), "capacity": 1}
    rx, centre = await created("categories"), await created("centres")
    name = {"name": f"{unique} new"}
    members = f"reference,name,category\n{unique},Mara,{unique} imported\n"
    at_centre = {"centre_ids": [centre]}

    add("POST /athletes", json=name | {"category_id": rx})
    add("POST /athletes/import", content=members)
    add("PATCH /athletes/{athlete_id}", await athlete(), json=name)
    add("PATCH /athletes/{athlete_id}, its centres", await athlete(), json=at_centre)
    add("DELETE /athletes/{athlete_id}", await athlete())
    enrolment = "/athletes/{athlete_id}/centres/{centre_id}"
    add(f"PUT {enrolment}", await athlete(), centre)
    add(f"DELETE {enrolment}", await athlete(**at_centre), centre)
    deleted = await athlete(**at_centre)
    add(f"DELETE {enrolment}, after the athlete", deleted, centre)
    add("POST /athletes/{athlete_id}/erase", await athlete(**at_centre))
    add("POST /categories", json=name)
    add("PATCH /categories/{category_id}", await created("categories"), json={"description": "x"})
    add(
        "PATCH /categories/{category_id}, If-Match",
        await created("categories"),
        json={"description": "x"},
    )
    add("DELETE /categories/{category_id}", await created("categories"))
    add("POST /centres", json=name)
    add("PATCH /centres/{centre_id}", await created("centres"), json={"owner": "x"})
    add("DELETE /centres/{centre_id}", await created("centres"))
    add("DELETE /centres/{centre_id}, If-Match", await created("centres"))
    timed = {"score_type": "time"}
    workout = await created("workouts", **timed)

    async def programmed(position: int) -> str:
        row = {"workout_id": workout, "date": "2026-12-01", "position": position}
        response = await setup.post(f"{API}/centres/{centre}/programme", json=row)
        return str(response.json()["id"])

    add("POST /workouts", json=name | timed)
    add(
        "PATCH /workouts/{workout_id}", await created("workouts", **timed), json={"best": "highest"}
    )
    add("DELETE /workouts/{workout_id}", await created("workouts", **timed))
    add(
        "POST /centres/{centre_id}/programme",
        centre,
        json={"workout_id": workout, "date": "2026-12-01"},
    )
    add("PATCH /programme/{programmed_workout_id}", await programmed(2), json={"position": 3})
    add("DELETE /programme/{programmed_workout_id}", await programmed(4))
    add("POST /trainings", json=name | times | {"centre_id": centre})
    add("PATCH /trainings/{training_id}", await training(), json=name)
    add("PATCH /trainings/{training_id}, its capacity", await training(), json={"capacity": 2})
    booked = await training()
    await booking(booked)
    later = {"ends_at": (end + timedelta(minutes=30)).isoformat()}
    add("PATCH /trainings/{training_id}, its time", booked, json=later)
    add("DELETE /trainings/{training_id}", await training())
    add("POST /trainings/{training_id}/cancel", await training())
    day = {"weekdays": [1], "starts_on": "2100-01-04", "ends_on": "2100-01-04"}
    weekly = {**day, "start": "18:00", "minutes": 60, "capacity": 1}

    async def series() -> str:
        # Each at a centre of its own: writes of one centre wait for one another.
        return await created("series", centre_id=await created("centres"), **weekly)

    add("POST /series", json=name | weekly | {"centre_id": await created("centres")})
    add("PATCH /series/{series_id}", await series(), json=name)
    add("POST /series/{series_id}/cancel", await series(), json={"from": "2100-01-04"})
    add("DELETE /series/{series_id}", await series())
    add(
        "POST /trainings/{training_id}/bookings",
        await training(),
        json={"athlete_id": await athlete()},
    )
    add("POST /bookings/{booking_id}/cancel", await booking())
    add("POST /bookings/{booking_id}/check-in", await booking())
    for act in ("undo-check-in", "check-out"):
        checked_in = await booking()
        await setup.post(f"{API}/bookings/{checked_in}/check-in")
        add(f"POST /bookings/{{booking_id}}/{act}", checked_in)
    walk_in = {"reference": f"{unique} walk-in"}
    await athlete(**walk_in)
    add("POST /trainings/{training_id}/check-in", await training(), json=walk_in)

    feed = "/athletes/{athlete_id}/calendar-feed"
    add(f"POST {feed}", await athlete())
    fed = await athlete()
    await setup.post(f"{API}/athletes/{fed}/calendar-feed")
    add(f"DELETE {feed}", fed)

    async def competition(*acts: str) -> str:
        made = await created("competitions", starts_on="2026-12-05", ends_on="2026-12-06")
        for act in acts:
            reason = {"reason": "x"} if act == "reopen" else None
            acted = await setup.post(f"{API}/competitions/{made}/{act}", json=reason)
            assert acted.status_code == 200, acted.text
        return made

    async def event(competition_id: str) -> str:
        row = {"workout_id": workout, "published_at": "2026-01-01T00:00:00Z"}
        made = await setup.post(f"{API}/competitions/{competition_id}/events", json=row)
        return str(made.json()["id"])

    async def entry(competition_id: str) -> str:
        row = {"athlete_id": await athlete()}
        made = await setup.post(f"{API}/competitions/{competition_id}/entries", json=row)
        return str(made.json()["id"])

    async def result() -> str:
        row = {"athlete_id": await athlete(), "workout_id": workout, "centre_id": centre}
        made = await setup.post(f"{API}/results", json={**row, **score})
        return str(made.json()["id"])

    score = {"score": "6:21"}
    days = {"starts_on": "2026-12-05", "ends_on": "2026-12-06"}
    add("POST /competitions", json=name | days)
    add("PATCH /competitions/{competition_id}", await competition(), json=name)
    add("DELETE /competitions/{competition_id}", await competition())
    add("POST /competitions/{competition_id}/open", await competition())
    add("POST /competitions/{competition_id}/close", await competition("open"))
    add("POST /competitions/{competition_id}/finalise", await competition("open"))
    add(
        "POST /competitions/{competition_id}/reopen",
        await competition("open", "close"),
        json={"reason": "x"},
    )
    add(
        "POST /competitions/{competition_id}/events",
        await competition(),
        json={"workout_id": workout},
    )
    closing = {"closes_at": "2100-01-01T00:00:00Z"}
    add("PATCH /competition-events/{event_id}", await event(await competition()), json=closing)
    add("DELETE /competition-events/{event_id}", await event(await competition()))
    # Each in a competition of its own: writes of one board wait for one another.
    new_entry = {"athlete_id": await athlete()}
    add("POST /competitions/{competition_id}/entries", await competition(), json=new_entry)
    add("POST /competitions/{competition_id}/import", await competition(), content=members)
    add("DELETE /entries/{entry_id}", await entry(await competition()))
    withdrawal = {"before_event": 2}
    for act, fields in (("withdraw", withdrawal), ("disqualify", None), ("reinstate", None)):
        acted = await entry(await competition())
        if act == "reinstate":
            await setup.post(f"{API}/entries/{acted}/withdraw", json=withdrawal)
        add(f"POST /entries/{{entry_id}}/{act}", acted, json=fields)
    of_entry = "/competition-events/{event_id}/results/{entry_id}"
    for method in ("PUT", "DELETE"):
        opened = await competition("open")
        ids = await event(opened), await entry(opened)
        if method == "DELETE":
            path = of_entry.format(event_id=ids[0], entry_id=ids[1])
            await setup.put(f"{API}{path}", json=score)
        add(f"{method} {of_entry}", *ids, json=score if method == "PUT" else None)
    whiteboard = {"athlete_id": await athlete(), "workout_id": workout, "centre_id": centre}
    add("POST /results", json=whiteboard | score)
    add("PATCH /results/{result_id}", await result(), json={"score": "6:20"})
    add("DELETE /results/{result_id}", await result())
    add("POST /results/{result_id}/review", await result(), json={"review": "valid"})

    async def issued(path: str, **fields: Any) -> Json:
        response = await setup.post(f"{API}/{path}", json=fields)
        assert response.is_success, response.text
        made: Json = response.json()
        return made

    async def account() -> str:
        email = f"{unique}-{next(numbers)}@example.com"
        code = (await issued("invitations", email=email))["code"]
        session = await issued("invitations/accept", code=code, password=PASSWORD)
        return str(session["account"]["id"])

    token = {"name": unique, "scopes": ["checkin"], "expires_in_days": 1}
    login = {"email": ADMIN.email, "password": PASSWORD}
    add("POST /sessions", json=login)
    own = await issued("sessions", **login)
    add("DELETE /sessions/{session_id}", own["id"])
    change = {"current": PASSWORD, "new": PASSWORD}
    add("PUT /me/password", json=change, headers=MEMBER.headers)
    add("PATCH /accounts/{account_id}", await account(), json={"email": f"{unique}@example.com"})
    add("POST /accounts/{account_id}/reset", await account())
    reset = await issued(f"accounts/{await account()}/reset")
    add("POST /resets/accept", json={"code": reset["code"], "password": PASSWORD})
    guest = {"email": f"{unique}-guest@example.com"}
    add("POST /invitations", json=guest)
    invited = await issued("invitations", email=f"{unique}-invited@example.com")
    acceptance = {"code": invited["code"], "password": PASSWORD}
    add("POST /invitations/accept", json=acceptance)
    revoked = await issued("invitations", email=f"{unique}-revoked@example.com")
    add("DELETE /invitations/{invitation_id}", revoked["id"])
    add("POST /tokens", json=token)
    add("DELETE /tokens/{token_id}", (await issued("tokens", **token))["id"])
    add("POST /centres/{centre_id}/devices", centre, json={"name": unique})
    device = await issued(f"centres/{centre}/devices", name=unique)
    add("DELETE /devices/{device_id}", device["id"])
    staff = "/centres/{centre_id}/staff/{account_id}"
    add(f"PUT {staff}", centre, await account(), json={"role": "desk"})
    left = await account()
    await setup.put(f"{API}/centres/{centre}/staff/{left}", json={"role": "desk"})
    add(f"DELETE {staff}", centre, left)

    withdraw = writes[f"DELETE {enrolment}, after the athlete"]

    async def withdraw_after_deletion() -> Response:
        await client.delete(f"{API}/athletes/{deleted}")
        return await withdraw()

    return writes | {f"DELETE {enrolment}, after the athlete": withdraw_after_deletion}
