"""A week of trainings at the centres of the sample data, and who books them."""

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


class Service(Protocol):
    """What the week is added to: a service that is spoken to over HTTP."""

    async def create(self, collection: str, fields: Json) -> Json | None:
        """Create something, and return it; nothing if it is refused with 409."""

    async def act(self, path: str) -> Json:
        """Do what a path says, and return what it is done to."""

    async def items(self, collection: str, filters: Mapping[str, str]) -> list[Json]:
        """Read a list to its end."""


@dataclass(frozen=True)
class Slot:
    """A training that there is each week, by the clock of its centre."""

    days: str
    """As ISO numbers them: 1 is Monday."""
    begins: time
    minutes: int
    name: str
    seats: int
    """At most; fewer if the centre holds fewer than ``share`` times that."""
    share: int
    asked_for: float
    """How many want each seat; who finds none waits."""
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
"""By the name of their centre."""
CANCELLED = "Southern Cross Box", "Morning WOD", "5"
VISITED = "Anvil CrossFit", "Partner WOD", "6"
"""Where somebody drops in who trains at no centre."""
NO_LIMIT = 1000


@dataclass
class Plan:
    """A training to add, and what becomes of it."""

    training: Json
    athlete_ids: list[str]
    is_cancelled: bool


@dataclass
class Week:
    """What there is in the week that begins tomorrow."""

    trainings: int = 0
    new: int = 0
    cancelled: int = 0
    taken: int = 0
    waiting: int = 0


async def add_week(service: Service) -> Week:
    """Add a week to each centre that has no training in it; tell what is there."""
    week = Week()
    for name in COACHES:
        found = await service.items("centres", {"name_prefix": name})
        centre = next(one for one in found if name_key(one["name"]) == name_key(name))
        zone = ZoneInfo(centre["time_zone"])
        tomorrow = datetime.combine(datetime.now(zone) + timedelta(days=1), time(), zone)
        trainings = await _trainings(service, centre, tomorrow)
        if not trainings:
            members, visitors = await _members(service, centre), await _visitors(service)
            for plan in _plans(name, centre, tomorrow, members, visitors):
                await _carry_out(service, plan)
            trainings = await _trainings(service, centre, tomorrow)
            week.new += len(trainings)
        week.trainings += len(trainings)
        week.cancelled += sum(training["status"] == "cancelled" for training in trainings)
        week.taken += sum(training["seats"]["taken"] for training in trainings)
        week.waiting += sum(training["seats"]["waiting"] for training in trainings)
    return week


def _plans(
    name: str, centre: Json, tomorrow: datetime, members: list[str], visitors: list[str]
) -> Iterator[Plan]:
    chance = random.Random(name)  # noqa: S311 - the same each time
    for number in range(WEEK.days):
        day = tomorrow + timedelta(days=number)
        weekday = str(day.isoweekday())
        idle = iter(chance.sample(members, len(members)))  # nobody trains twice a day
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
            athlete_ids = list(islice(idle, round(seats * slot.asked_for)))
            this = name, slot.name, weekday
            if this == VISITED:
                athlete_ids += visitors
            yield Plan(training, athlete_ids, is_cancelled=this == CANCELLED)


async def _carry_out(service: Service, plan: Plan) -> None:
    """Add a training and its bookings; what others have planned comes first."""
    training = await service.create("trainings", plan.training)
    if training is None:
        return
    path = f"trainings/{training['id']}"
    for athlete_id in plan.athlete_ids:  # one by one, as they stand in line
        await service.create(f"{path}/bookings", {"athlete_id": athlete_id})
    if plan.is_cancelled:
        await service.act(f"{path}/cancel")


async def _trainings(service: Service, centre: Json, tomorrow: datetime) -> list[Json]:
    times = {"from": tomorrow.isoformat(), "to": (tomorrow + WEEK).isoformat()}
    return await service.items("trainings", {"centre_id": centre["id"], **times})


async def _members(service: Service, centre: Json) -> list[str]:
    """Return who of the sample trains at a centre, and at none before it by name."""
    references = {row["reference"] for row in athletes()}
    return [
        athlete["id"]
        for athlete in await service.items(f"centres/{centre['id']}/athletes", {})
        if athlete["reference"] in references and athlete["centres"][0]["id"] == centre["id"]
    ]


async def _visitors(service: Service) -> list[str]:
    """Return one of the sample who trains at no centre."""
    reference = next(row["reference"] for row in athletes() if not row["centres"])
    return [one["id"] for one in await service.items("athletes", {"reference": reference})]
