"""What callers read and may do, in random gyms: against a model, for several callers at once."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, TypeVar

import asyncpg
import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.api.tests.access_model import (
    DETAILS,
    MADE,
    ZONES,
    Athlete,
    Booking,
    Json,
    Person,
    Training,
    World,
    row_id,
)
from app.conftest import API
from app.core.settings import Settings
from app.identity.models import DEVICE_SCOPES, SCOPES
from app.identity.tests.callers import ADD_ONE, Known
from app.identity.tokens.callers import Callers as TokenCallers

Result = TypeVar("Result")
Step = tuple[str, tuple[Any, ...]]
Kinds = dict[str, st.SearchStrategy[tuple[Any, ...]]]
"""The arguments of each kind of step."""
pytestmark = pytest.mark.slow

ATHLETES, TRAININGS, PEOPLE = 5, 4, 4
STARTS = -1800, -90, -20, 30, 45, 1300, 3000
"""Minutes from now. None is so near to the limit of a rule that the time of a test matters."""

centres = st.integers(0, len(ZONES) - 1)
athletes = st.integers(0, ATHLETES - 1)
trainings = st.integers(0, TRAININGS - 1)
people = st.integers(0, PEOPLE - 1)
sets = st.frozensets(centres, min_size=1, max_size=2) | st.frozensets(centres)
some = st.integers(0, 9)


def optional(**filters: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Generate some of these filters."""
    return st.fixed_dictionaries({}, optional=filters)


KINDS = "category", "centre", "athlete", "training", "booking"
READS: Kinds = {
    "get": st.tuples(
        st.sampled_from(["category", "centre", "athlete", "training", "booking"]), some
    ),
    "list_athletes": st.tuples(
        optional(
            centre_id=centres,
            category_id=st.integers(0, 1),
            sex=st.sampled_from(["female", "male"]),
            reference=athletes.map("M-{}".format),
            name_prefix=st.sampled_from(["a", "zoe", "ana 8"]),
        ),
        st.sampled_from(["name", "-name", "created_at", "-created_at"]),
    ),
    "list_within": st.tuples(st.just("category"), st.integers(0, 1), optional(centre_id=centres))
    | st.tuples(st.just("centre"), centres, optional(category_id=st.integers(0, 1))),
    "list_centres": st.just(()),
    "centres_of": st.tuples(athletes),
    "list_trainings": st.tuples(st.none() | centres, st.sampled_from(["starts_at", "-starts_at"])),
    "list_bookings": st.tuples(
        st.sampled_from(["training", "athlete"]),
        trainings,
        st.none() | st.sampled_from(["reserved", "cancelled"]),
    ),
    "lookup": st.tuples(athletes),
    "occupancy": st.tuples(centres),
}
SINGLE = {"get", "lookup", "occupancy"}
FIELDS: list[Json] = [
    {"name": "New"},
    {"category_id": 1},
    {"email": "new@example.com", "weight_kg": 80},
    {"category_id": 1, "weight_kg": 80},
]
WRITES: Kinds = {
    "change_athlete": st.tuples(
        athletes, st.sampled_from(FIELDS) | sets.map(lambda chosen: {"centre_ids": chosen})
    ),
    "delete_athlete": st.tuples(athletes),
    "enrol": st.tuples(athletes, centres),
    "withdraw": st.tuples(athletes, centres),
    "create_athlete": st.tuples(sets),
    "change_training": st.tuples(trainings, st.none() | centres),
    "cancel_training": st.tuples(trainings),
    "delete_training": st.tuples(trainings),
    "book": st.tuples(trainings, athletes),
    "cancel": st.tuples(some),
    "check_in": st.tuples(some),
    "change_centre": st.tuples(centres),
    "give_role": st.tuples(centres, people),
    "take_role": st.tuples(centres, people),
    "add_device": st.tuples(centres),
    "delete_device": st.tuples(centres),
    "invite": st.tuples(st.none() | athletes, st.none() | centres),
}


def steps(kinds: Kinds, number: int, often: list[str]) -> st.SearchStrategy[list[Step]]:
    """Generate some requests."""
    one = st.sampled_from([*kinds, *often]).flatmap(
        lambda name: st.tuples(st.just(name), kinds[name])
    )
    return st.lists(one, min_size=number, max_size=number)


@st.composite
def worlds(draw: st.DrawFn) -> Json:
    """Generate the rows of a gym, and its callers."""
    trained = draw(
        st.lists(
            st.builds(Training, centres, st.sampled_from(STARTS), st.booleans()),
            min_size=TRAININGS,
            max_size=TRAININGS,
        )
    )
    pairs = draw(st.sets(st.tuples(trainings, athletes), min_size=3, max_size=8))
    statuses = ["reserved", "waitlisted", "cancelled", "checked_in"]
    booked = [
        Booking(
            training,
            athlete,
            "cancelled" if trained[training].is_cancelled else draw(st.sampled_from(statuses)),
        )
        for training, athlete in sorted(pairs)
    ]
    members = draw(st.permutations([None, *range(ATHLETES)]))
    role = st.sampled_from(["coach", "owner", "coach", "desk"])
    roles = st.dictionaries(centres, role, min_size=1, max_size=2) | st.dictionaries(centres, role)
    called = [Person(roles=draw(roles), athlete=members[number]) for number in range(PEOPLE)]
    return {
        "athletes": draw(
            st.lists(
                st.builds(Athlete, st.integers(0, 1), st.sampled_from(["female", "male"]), sets),
                min_size=ATHLETES,
                max_size=ATHLETES,
            )
        ),
        "trainings": trained,
        "bookings": booked,
        "people": [
            *called,
            Person(is_admin=True, roles=draw(roles)),
            Person(device=draw(centres)),
            Person(has_token=False),
        ],
        "is_public": draw(st.booleans()),
    }


def known(number: int) -> Known:
    """Return the account and the token of a caller."""
    return Known(f"person{number}", row_id("caller", number))


async def insert(connection: asyncpg.Connection, table: str, rows: list[Json]) -> None:
    """Insert rows."""
    if rows:
        names = list(rows[0])
        marks = ", ".join(f"${number}" for number in range(1, len(names) + 1))
        statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608
        await connection.executemany(statement, [list(row.values()) for row in rows])


async def build(connection: asyncpg.Connection, world: World) -> None:
    """Insert the rows of a gym."""

    def row(kind: str, number: int, **values: Any) -> Json:
        made = MADE + timedelta(seconds=number)
        given = {"created_at": made, "updated_at": made, "version": number + 1}
        return {"id": row_id(kind, number), **given, **values}

    def named(kind: str, number: int, **values: Any) -> Json:
        name = f"{kind.title()} {number}"
        return row(kind, number, name=name, name_key=name.lower(), **values)

    await insert(connection, "categories", [named("category", number) for number in range(2)])
    await insert(
        connection,
        "centres",
        [
            named("centre", number, address=f"{number} Quay", owner="Ana Torres", time_zone=zone)
            for number, zone in enumerate(ZONES)
        ],
    )
    await insert(
        connection,
        "athletes",
        [
            row(
                "athlete",
                number,
                name=world.name(number),
                name_key=world.name(number).lower(),
                reference=f"M-{number}",
                national_id=f"N{number}",
                sex=one.sex,
                category_id=row_id("category", one.category),
                **DETAILS
                | {"birth_date": date.fromisoformat(str(DETAILS["birth_date"]))}
                | {key: f"a{number}@example.com" for key in ("email", "email_key")},
            )
            for number, one in enumerate(world.athletes)
        ],
    )
    await insert(
        connection,
        "enrolments",
        [
            {"athlete_id": row_id("athlete", number), "centre_id": row_id("centre", centre)}
            for number, one in enumerate(world.athletes)
            for centre in one.centres
        ],
    )
    seats = [world.training(number)["seats"] for number in range(len(world.trainings))]
    await insert(
        connection,
        "trainings",
        [
            row(
                "training",
                number,
                name=f"Training {number}",
                centre_id=row_id("centre", one.centre),
                starts_at=world.times(one)[0],
                ends_at=world.times(one)[1],
                capacity=100,
                status="cancelled" if one.is_cancelled else "scheduled",
                taken=seats[number]["taken"],
                waiting=seats[number]["waiting"],
            )
            for number, one in enumerate(world.trainings)
        ],
    )
    await insert(
        connection, "bookings", [_booking(world, row, each) for each in range(len(world.bookings))]
    )
    await _add_people(connection, world)


def _booking(world: World, row: Callable[..., Json], number: int) -> Json:
    one = world.bookings[number]
    start, end = world.times(world.trainings[one.training])
    made = row("booking", number)
    return {
        **made,
        "training_id": row_id("training", one.training),
        "athlete_id": row_id("athlete", one.athlete),
        "starts_at": start,
        "ends_at": end,
        "status": one.status,
        "booked_at": made["created_at"],
        "checked_in_at": start if one.status == "checked_in" else None,
        "cancelled_at": MADE if one.status == "cancelled" else None,
    }


async def _add_people(connection: asyncpg.Connection, world: World) -> None:
    for number, who in enumerate(world.people):
        caller = known(number)
        if who.is_account:
            account = {
                "id": caller.id,
                "email": caller.email,
                "email_key": caller.email,
                "is_admin": who.is_admin,
                "athlete_id": None if who.athlete is None else row_id("athlete", who.athlete),
            }
            await insert(connection, "accounts", [account])
        if who.has_token:
            await connection.execute(
                ADD_ONE,
                caller.id,
                "session" if who.is_account else "device",
                caller.secret_hash,
                caller.id if who.is_account else None,
                None if who.device is None else row_id("centre", who.device),
                list(SCOPES if who.is_account else DEVICE_SCOPES),
            )
    for centre in range(len(ZONES)):
        values = row_id("device", centre), "device", b"", None, row_id("centre", centre)
        await connection.execute(ADD_ONE, *values, list(DEVICE_SCOPES))
    await connection.execute("UPDATE tokens SET last_used_at = now()")
    roles = [
        {
            "id": row_id("caller", 100 + number * 10 + centre),
            "account_id": known(number).id,
            "centre_id": row_id("centre", centre),
            "role": role,
        }
        for number, who in enumerate(world.people)
        for centre, role in who.roles.items()
    ]
    await insert(connection, "staff", roles)


def request_of(name: str, what: tuple[Any, ...]) -> tuple[str, str, Any]:
    """Return the method, the path with its query, and the body of a step."""
    path, body, method = "", None, "GET"
    match name, what:
        case "get", (kind, number):
            plural = "categories" if kind == "category" else f"{kind}s"
            path = f"{plural}/{row_id(kind, number)}"
        case "list_athletes", (filters, sort):
            path = f"athletes?sort={sort}{_query(filters)}"
        case "list_within", (parent, number, filters):
            plural = "categories" if parent == "category" else "centres"
            path = f"{plural}/{row_id(parent, number)}/athletes?sort=name{_query(filters)}"
        case "list_centres", ():
            path = "centres?sort=name"
        case "centres_of", (number,):
            path = f"athletes/{row_id('athlete', number)}/centres?sort=name"
        case "list_trainings", (centre, sort):
            path = f"trainings?sort={sort}" + _query(
                {} if centre is None else {"centre_id": centre}
            )
        case "list_bookings", (parent, number, status):
            sort = "booked_at" if parent == "training" else "starts_at"
            path = f"{parent}s/{row_id(parent, number)}/bookings?sort={sort}"
            path += _query({} if status is None else {"status": status})
        case "lookup", (number,):
            method, path, body = "POST", "athletes/lookup", {"email": f"A{number}@example.com"}
        case "occupancy", (centre,):
            path = f"centres/{row_id('centre', centre)}/occupancy"
        case _:
            return _write_of(name, what)
    return method, f"{API}/{path}", body


def _query(filters: Json) -> str:
    return "".join(
        f"&{name}={row_id(name[:-3], value) if name.endswith('_id') else value}"
        for name, value in filters.items()
    )


def _write_of(name: str, what: tuple[Any, ...]) -> tuple[str, str, Any]:
    first, *more = what
    kinds = {"training": "training", "athlete": "athlete", "centre": "centre"}
    kind = kinds.get(name.rpartition("_")[2], "centre")
    place = f"{API}/{kind}s/{row_id(kind, first) if isinstance(first, int) else ''}"
    match name, more:
        case "change_athlete", [fields]:
            return "PATCH", place, _ids(fields)
        case "change_training", [centre]:
            fields = {"name": "New"} if centre is None else {"centre_id": centre}
            return "PATCH", place, _ids(fields)
        case "change_centre", []:
            return "PATCH", place, {"address": "New"}
        case (("delete_athlete" | "delete_training"), []):
            return "DELETE", place, None
        case "cancel_training", []:
            return "POST", f"{place}/cancel", None
        case (("enrol" | "withdraw"), [centre]):
            url = f"{API}/athletes/{row_id('athlete', first)}/centres/{row_id('centre', centre)}"
            return "PUT" if name == "enrol" else "DELETE", url, None
        case "create_athlete", []:
            fields = {"name": "New", "category_id": 0, "centre_ids": first}
            return "POST", f"{API}/athletes", _ids(fields)
        case "book", [athlete]:
            url = f"{API}/trainings/{row_id('training', first)}/bookings"
            return "POST", url, _ids({"athlete_id": athlete})
        case (("cancel" | "check_in"), []):
            return (
                "POST",
                f"{API}/bookings/{row_id('booking', first)}/{name.replace('_', '-')}",
                None,
            )
        case "give_role", [whom]:
            return "PUT", f"{place}/staff/{known(whom).id}", {"role": "owner"}
        case "take_role", [whom]:
            return "DELETE", f"{place}/staff/{known(whom).id}", None
        case "add_device", []:
            return "POST", f"{place}/devices", {"name": "Door"}
        case "delete_device", []:
            return "DELETE", f"{API}/devices/{row_id('device', first)}", None
        case "invite", [centre]:
            role = {} if centre is None else {"centre_id": centre, "role": "owner"}
            whom = {} if first is None else {"athlete_id": first}
            return "POST", f"{API}/invitations", {"email": "x@example.com", **_ids(whom | role)}
    raise ValueError(name)


def _ids(fields: Json) -> Json:
    """Replace numbers of rows by their ids."""

    def value(name: str, given: Any) -> Any:
        if name == "centre_ids":
            return [str(row_id("centre", one)) for one in sorted(given)]
        return str(row_id(name[:-3], given)) if name.endswith("_id") else given

    return {name: value(name, given) for name, given in fields.items()}


async def all_of(*work: Awaitable[Result]) -> list[Result]:
    """Wait for all, then return the results, or raise the first error."""
    done = await asyncio.gather(*work, return_exceptions=True)
    for one in done:
        if isinstance(one, BaseException):
            raise one
    return done  # type: ignore[return-value]


class Callers:
    """Sends requests as each of the people of a gym, and compares the responses with the model."""

    def __init__(self, client: AsyncClient, world: World) -> None:
        self.client, self.world = client, world
        self.everybody = range(len(world.people))

    async def send(self, number: int, method: str, url: str, body: Any, **more: str) -> Response:
        """Send a request as one of them."""
        request = self.client.build_request(method, url, json=body, headers=more)
        del request.headers["Authorization"]
        if self.world.people[number].has_token:
            request.headers.update(known(number).headers)
        return await self.client.send(request)

    async def read(self, name: str, what: tuple[Any, ...], limit: int) -> None:
        """Read as all of them at once."""
        if name == "get":
            kind, number = what
            rows = {"category": 2, "centre": len(ZONES), "athlete": ATHLETES, "training": TRAININGS}
            what = kind, number % rows.get(kind, len(self.world.bookings))
        work = self._read_row if name in SINGLE else self._read_list
        tags = await all_of(*(work(one, name, what, limit) for one in self.everybody))
        if name == "get":
            await all_of(*(self._read_again(one, what, tags) for one in self.everybody))

    async def _read_row(self, number: int, name: str, what: tuple[Any, ...], _: int) -> str | None:
        """Read a row; return its ETag."""
        who = self.world.people[number]
        status, expected = getattr(self.world, name)(who, *what)
        response = await self.send(number, *request_of(name, what))
        assert response.status_code == status, (name, what, who, response.text)
        if expected is not None:
            assert response.json() == expected, (name, what, who)
        tag: str | None = response.headers.get("ETag")
        return tag

    async def _read_again(self, number: int, what: tuple[Any, ...], tags: list[str | None]) -> None:
        """Read a row with the ETags of all others, and with the own one: only that is known."""
        own, others = tags[number], {tag for tag in tags if tag} - {tags[number]}
        known_tags = {"If-None-Match": ", ".join([*sorted(others), '"none"'])}
        status, _ = self.world.get(self.world.people[number], *what)
        again = await self.send(number, *request_of("get", what), **known_tags)
        assert again.status_code == status
        if own:
            again = await self.send(number, *request_of("get", what), **{"If-None-Match": own})
            assert (again.status_code, again.content) == (304, b"")

    async def _read_list(self, number: int, name: str, what: tuple[Any, ...], limit: int) -> None:
        """Read all pages of a list."""
        who = self.world.people[number]
        status, items = getattr(self.world, name)(who, *what)
        _, url, _ = request_of(name, what)
        url = f"{url}&limit={limit}&total=true"
        for begin in range(0, max(len(items or []), 1), limit):
            response = await self.send(number, "GET", url, None)
            assert response.status_code == status, (name, what, who, response.text)
            if items is None:
                return
            page = response.json()
            expected = items[begin : begin + limit], len(items)
            assert (page["items"], page["total"]) == expected, (name, what, who)
            url = page["next"]
        assert url is None

    async def write(self, connection: asyncpg.Connection, name: str, what: tuple[Any, ...]) -> None:
        """Write as each account, and as a device; undo it."""
        if name in ("cancel", "check_in"):
            what = (what[0] % len(self.world.bookings),)
        for number in range(PEOPLE + 2 if name == "check_in" else PEOPLE):
            who = self.world.people[number]
            status, _ = self.world.write(who, name, *what)
            undone = connection.transaction()
            await undone.start()
            response = await self.send(number, *request_of(name, what))
            await undone.rollback()
            assert response.status_code == status, (name, what, who, response.text)
            if name == "book" and status == 409:
                self._check_busy(who, what[1], response.json()["detail"])

    def _check_busy(self, who: Person, athlete: int, detail: str) -> None:
        """Check that an error names only trainings of which the caller sees the booking."""
        for named in map(int, re.findall(r"Training (\d)", detail)):
            one = next(
                number
                for number, booking in enumerate(self.world.bookings)
                if (booking.training, booking.athlete) == (named, athlete)
            )
            assert self.world.sees_booking(who, one), (who, detail)


@pytest.fixture
def settings_kept(app: FastAPI) -> Iterator[None]:
    """Restore the settings of the app."""
    before = app.state.settings
    yield
    app.state.settings = before


@settings(
    max_examples=20,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],  # to shrink an example takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    rows=worlds(),
    reads=steps(READS, 6, ["list_bookings"] * 3),
    writes=steps(WRITES, 10, ["book"] * 2),
    limit=st.integers(1, 4),
)
async def test_each_caller_reads_and_may_do_what_the_model_says(
    app: FastAPI,
    client: AsyncClient,
    connection: asyncpg.Connection,
    settings_kept: None,
    rows: Json,
    reads: list[Step],
    writes: list[Step],
    limit: int,
) -> None:
    world = World(**rows, now=datetime.now(UTC))
    public: tuple[Literal["timetable"], ...] = ("timetable",) if world.is_public else ()
    app.state.settings = Settings.model_construct(public_read=public)
    app.state.callers = TokenCallers(app.state.issuer, public)
    callers = Callers(client, world)
    undone = connection.transaction()
    await undone.start()
    try:
        await build(connection, world)
        for name, what in reads:
            await callers.read(name, what, limit)
        for name, what in writes:
            await callers.write(connection, name, what)
    finally:
        await undone.rollback()
