"""Sample trainings: a week at each sample centre with bookings, and the days before it."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import islice
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from app.athletes.sample import athletes
from app.core.resources.text import name_key

Json = dict[str, Any]

WEEK = timedelta(days=7)
PAST = timedelta(days=6)
"""The days before today that get trainings too."""


class Service(Protocol):
    """The service that the week is added to, over HTTP."""

    async def create(self, collection: str, fields: Json) -> Json | None:
        """Create something, and return it; return None if the status code is 409."""

    async def act(self, path: str) -> Json:
        """Send a ``POST`` to the path of an action, and return the changed resource."""

    async def items(self, collection: str, filters: Mapping[str, str]) -> list[Json]:
        """Read a list to its end."""


@dataclass(frozen=True)
class Slot:
    """A weekly training, in the local time of its centre."""

    days: str
    """ISO weekdays: 1 is Monday."""
    begins: time
    minutes: int
    name: str
    seats: int
    """The maximum: fewer if the centre's capacity is less than ``share`` times that."""
    share: int
    asked_for: float
    """Bookings per seat; above 1, some wait in the waitlist."""
    has_coach: bool = True


TIMETABLE = [
    Slot("12345", time(6, 30), 60, "Morning WOD", seats=14, share=2, asked_for=0.3),
    Slot("1245", time(18), 60, "Evening WOD", seats=14, share=2, asked_for=0.5),
    Slot("3", time(18), 60, "Hero WOD", seats=14, share=2, asked_for=1.2),
    Slot("135", time(17, 30), 120, "Open gym", seats=8, share=4, asked_for=0.3, has_coach=False),
    Slot("6", time(10), 75, "Partner WOD", seats=14, share=2, asked_for=0.7),
]
COACHES = {
    "Anvil CrossFit": ["Lucía Ferrer", "Marcos Gil"],
    "Harbour Barbell": ["Søren Dahl", "Mette Holm", "Anders Bruun"],
    "High Desert CrossFit": ["Grace Whitfield", "Luis Ortega"],
    "Southern Cross Box": ["Jack Nguyen", "Ruby Walsh"],
}
"""By the name of the centre."""
CANCELLED = "Southern Cross Box", "Morning WOD", "5"
VISITED = "Anvil CrossFit", "Partner WOD", "6"
"""The training with a drop-in: an athlete who is not enrolled at any centre."""
NO_LIMIT = 1000
MORE = 1.5
"""How many times as many bookings a training has in the end as one of the coming week has now."""
NO_SHOW = 1 / 9
"""The chance that an athlete with a seat did not come."""


@dataclass(frozen=True)
class Days:
    """Some days of a centre, from one midnight to another."""

    begin: datetime
    end: datetime
    are_past: bool


@dataclass
class Plan:
    """A training to add, its bookings, who of them did not come, and whether it is cancelled."""

    training: Json
    athlete_ids: list[str]
    absent: set[str]
    is_cancelled: bool


@dataclass
class Sums:
    """The numbers of the trainings of some days."""

    trainings: int = 0
    new: int = 0
    cancelled: int = 0
    taken: int = 0
    waiting: int = 0


async def add_trainings(service: Service) -> tuple[Sums, Sums]:
    """Add the past days and the week from tomorrow to each centre without a training in them.

    Return the numbers of the trainings of both.
    """
    past, week = Sums(), Sums()
    for name in COACHES:
        found = await service.items("centres", {"name_prefix": name})
        centre = next(one for one in found if name_key(one["name"]) == name_key(name))
        zone = ZoneInfo(centre["time_zone"])
        today = datetime.combine(datetime.now(zone), time(), zone)
        tomorrow = today + timedelta(days=1)
        for days, sums in (
            (Days(today - PAST, today, are_past=True), past),
            (Days(tomorrow, tomorrow + WEEK, are_past=False), week),
        ):
            trainings = await _trainings(service, centre, days)
            if not trainings:
                members, visitors = await _members(service, centre), await _visitors(service)
                for plan in _plans(name, centre, days, members, visitors):
                    await _carry_out(service, plan)
                trainings = await _trainings(service, centre, days)
                sums.new += len(trainings)
            sums.trainings += len(trainings)
            sums.cancelled += sum(training["status"] == "cancelled" for training in trainings)
            sums.taken += sum(training["seats"]["taken"] for training in trainings)
            sums.waiting += sum(training["seats"]["waiting"] for training in trainings)
    return past, week


def _plans(
    name: str, centre: Json, days: Days, members: list[str], visitors: list[str]
) -> Iterator[Plan]:
    chance = random.Random(name)  # noqa: S311 - the same on every run
    for number in range((days.end - days.begin).days):
        day = days.begin + timedelta(days=number)
        weekday = str(day.isoweekday())
        idle = iter(chance.sample(members, len(members)))  # at most one training a day for each
        for slot in TIMETABLE:
            if weekday not in slot.days:
                continue
            begins = datetime.combine(day, slot.begins, day.tzinfo)
            seats = max(1, min(slot.seats, (centre["capacity"] or NO_LIMIT) // slot.share))
            training = {
                "centre_id": centre["id"],
                "name": slot.name,
                "coach": chance.choice(COACHES[name]) if slot.has_coach else None,
                "starts_at": begins.isoformat(),
                "ends_at": (begins + timedelta(minutes=slot.minutes)).isoformat(),
                "capacity": seats,
            }
            if days.are_past:
                came = list(islice(idle, min(seats, round(seats * slot.asked_for * MORE))))
                absent = {one for one in came if chance.random() < NO_SHOW}
                yield Plan(training, came, absent, is_cancelled=False)
                continue
            athlete_ids = list(islice(idle, round(seats * slot.asked_for)))
            this = name, slot.name, weekday
            if this == VISITED:
                athlete_ids += visitors
            yield Plan(training, athlete_ids, set(), is_cancelled=this == CANCELLED)


async def _carry_out(service: Service, plan: Plan) -> None:
    """Add a training and its bookings; do nothing if the centre has no room for it.

    After the start, a booking is checked in.
    """
    training = await service.create("trainings", plan.training)
    if training is None:
        return
    path = f"trainings/{training['id']}"
    for athlete_id in plan.athlete_ids:  # one by one, for the order of the waitlist
        booking = await service.create(f"{path}/bookings", {"athlete_id": athlete_id})
        if booking is not None and athlete_id in plan.absent:
            await service.act(f"bookings/{booking['id']}/undo-check-in")
    if plan.is_cancelled:
        await service.act(f"{path}/cancel")


async def _trainings(service: Service, centre: Json, days: Days) -> list[Json]:
    times = {"from": days.begin.isoformat(), "to": days.end.isoformat()}
    return await service.items("trainings", {"centre_id": centre["id"], **times})


async def _members(service: Service, centre: Json) -> list[str]:
    """Return the sample athletes whose first centre by name is this one."""
    references = {row["reference"] for row in athletes()}
    return [
        athlete["id"]
        for athlete in await service.items(f"centres/{centre['id']}/athletes", {})
        if athlete["reference"] in references and athlete["centres"][0]["id"] == centre["id"]
    ]


async def _visitors(service: Service) -> list[str]:
    """Return the id of one sample athlete who trains at no centre, in a list."""
    reference = next(row["reference"] for row in athletes() if not row["centres"])
    return [one["id"] for one in await service.items("athletes", {"reference": reference})]
