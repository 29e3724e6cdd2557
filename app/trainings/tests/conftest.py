"""A gym, whose rows are created over the API, and a fixture that lets time pass by SQL."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response

from app.api.tests.gym import ROLES
from app.conftest import API, Create, Json, client_of
from app.core.errors import RFC_3339
from app.core.http.tests.document import Document
from app.identity.models import DEVICE_SCOPES, SCOPES
from app.identity.tests.callers import ADD_ONE, Known

SOON = timedelta(minutes=30)
HOUR = timedelta(hours=1)


def at(moment: datetime) -> str:
    """Format a time as responses do."""
    return moment.astimezone(UTC).strftime(RFC_3339)


@dataclass
class Gym:
    """A centre with trainings, in one category of athletes."""

    client: AsyncClient
    create: Create
    category_id: str
    centre_id: str
    opened: datetime

    def __post_init__(self) -> None:
        self._numbers = count(1)

    @classmethod
    async def opened_by(cls, client: AsyncClient, create: Create, name: str = "Box") -> "Gym":
        """Create a gym whose centre has no capacity limit."""
        category = await create("categories", {"name": name})
        centre = await create("centres", {"name": name})
        opened = datetime.now(UTC).replace(microsecond=0)
        return cls(client, create, category["id"], centre["id"], opened)

    async def athlete(self, **fields: Any) -> str:
        """Create an athlete and return the id."""
        person = {"name": f"Athlete {next(self._numbers)}", "category_id": self.category_id}
        return str((await self.create("athletes", {**person, **fields}))["id"])

    async def athletes(self, number: int) -> list[str]:
        """Create several athletes."""
        return [await self.athlete() for _ in range(number)]

    def plan(self, start: timedelta = SOON, length: timedelta = HOUR, **fields: Any) -> Json:
        """Make the payload of a training that starts ``start`` after the gym was opened."""
        starts_at = self.opened + start
        times = {"starts_at": at(starts_at), "ends_at": at(starts_at + length)}
        return {"name": "WOD", "centre_id": self.centre_id, "capacity": 10, **times, **fields}

    async def training(
        self, start: timedelta = SOON, length: timedelta = HOUR, **fields: Any
    ) -> Json:
        """Create a training."""
        return await self.create("trainings", self.plan(start, length, **fields))

    async def ask(self, training: Json, athlete_id: str, **fields: Any) -> Response:
        """Ask for a booking."""
        url = f"{API}/trainings/{training['id']}/bookings"
        return await self.client.post(url, json={"athlete_id": athlete_id, **fields})

    async def book(self, training: Json, *athlete_ids: str) -> list[Json]:
        """Book a training for athletes, one after the other."""
        bookings = []
        for athlete_id in athlete_ids:
            response = await self.ask(training, athlete_id)
            assert response.status_code == 201, response.text
            bookings.append(response.json())
        return bookings

    async def come(self, training: Json, reference: str, client: AsyncClient) -> Response:
        """Check in at the door, as some caller."""
        url = f"{API}/trainings/{training['id']}/check-in"
        return await client.post(url, json={"reference": reference})

    async def act(self, booking: Json, action: str) -> Response:
        """Cancel a booking, or check in or out."""
        return await self.client.post(f"{API}/bookings/{booking['id']}/{action}")

    async def acted(self, booking: Json, action: str) -> Json:
        """Cancel a booking, or check in or out, and return it."""
        response = await self.act(booking, action)
        assert response.status_code == 200, response.text
        changed: Json = response.json()
        return changed

    async def read(self, path: str) -> Json:
        """Get something."""
        response = await self.client.get(f"{API}/{path}")
        assert response.status_code == 200, response.text
        found: Json = response.json()
        return found

    async def seats(self, training: Json) -> tuple[int, int, int, int]:
        """Return capacity, taken, waiting and available."""
        seats = (await self.read(f"trainings/{training['id']}"))["seats"]
        return seats["capacity"], seats["taken"], seats["waiting"], seats["available"]

    async def statuses(self, training: Json) -> list[str]:
        """Return the statuses of the bookings, in the order in which they were booked."""
        page = await self.read(f"trainings/{training['id']}/bookings?limit=100")
        return [booking["status"] for booking in page["items"]]


@pytest.fixture
async def gym(client: AsyncClient, create: Create) -> Gym:
    """Create a gym whose centre has no capacity limit."""
    return await Gym.opened_by(client, create)


Pass = Callable[[timedelta], Awaitable[None]]


@pytest.fixture
def let_pass(connection: Any) -> Pass:
    """Return a function that lets time pass: it moves every training into the past by that time."""

    async def pass_by(time: timedelta) -> None:
        # Nothing is scheduled here, so the check of the centre's capacity is disabled.
        await connection.execute("ALTER TABLE trainings DISABLE TRIGGER still_at_once")
        await connection.execute(
            "UPDATE trainings SET starts_at = starts_at - $1::interval,"
            " ends_at = ends_at - $1::interval",
            time,
        )
        await connection.execute("ALTER TABLE trainings ENABLE TRIGGER still_at_once")

    return pass_by


async def add_role(
    connection: Any,
    gym: Gym,
    role: str,
    athlete_id: str | None = None,
    scopes: Sequence[str] | None = None,
) -> Known:
    """Add an account with a role at the gym's centre, one of an athlete, or a device there."""
    known = ROLES[role]
    is_device = role == "device"
    if not is_device:
        await connection.execute(
            "INSERT INTO accounts (id, email, email_key, is_admin, athlete_id)"
            " VALUES ($1, $2, $3, false, $4)",
            known.id,
            known.email,
            known.email,
            athlete_id and UUID(athlete_id),
        )
    if role in ("owner", "coach", "desk"):
        await connection.execute(
            "INSERT INTO staff (id, account_id, centre_id, role) VALUES ($1, $1, $2, $3)",
            known.id,
            gym.centre_id,
            role,
        )
    await connection.execute(
        ADD_ONE,
        known.id,
        "device" if is_device else "session",
        known.secret_hash,
        None if is_device else known.id,
        gym.centre_id if is_device else None,
        list(scopes or (DEVICE_SCOPES if is_device else SCOPES)),
    )
    return known


LogIn = Callable[..., Awaitable[AsyncClient]]


@pytest.fixture
async def log_in(
    app: FastAPI, document: Document, connection: Any, gym: Gym
) -> AsyncIterator[LogIn]:
    """Return a function that adds a role at the gym's centre and makes a client of it."""
    async with AsyncExitStack() as clients:

        async def log_in(role: str, **fields: Any) -> AsyncClient:
            known = await add_role(connection, gym, role, **fields)
            return await clients.enter_async_context(client_of(app, document, caller=known))

        yield log_in
