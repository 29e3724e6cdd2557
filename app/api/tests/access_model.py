"""A model of who sees and may do what, in plain Python, which the service is compared with.

It says what the table of rights says, and uses none of the service's rules. Rows are numbered;
times are minutes since ``now``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

Json = dict[str, Any]
Answer = tuple[int, Any]
"""A status code, and the body; None for a body that is not compared."""

ZONES = "UTC", "Pacific/Kiritimati", "America/St_Johns"
LENGTH = 60
MADE = datetime(2026, 1, 1, tzinfo=UTC)
DETAILS = {
    "email": "me@example.com",
    "birth_date": "1990-05-17",
    "height_cm": 170.5,
    "weight_kg": 64.25,
}
UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, CONFLICT = (401, None), (403, None), (404, None), (409, None)
OK, CREATED, DONE = (200, None), (201, None), (204, None)


SEATED = "reserved", "checked_in"
"""The statuses of a booking that holds a seat."""


def row_id(kind: str, number: int) -> UUID:
    """Return the id of a row."""
    kinds = "category", "centre", "athlete", "training", "booking", "caller", "device"
    return UUID(int=0x10000 * (kinds.index(kind) + 1) + number)


def text(moment: datetime) -> str:
    """Return a time as responses have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


@dataclass(frozen=True)
class Athlete:
    """An athlete, and the numbers of their centres."""

    category: int
    sex: str
    centres: frozenset[int]


@dataclass(frozen=True)
class Training:
    """A training of an hour."""

    centre: int
    start: int
    is_cancelled: bool


@dataclass(frozen=True)
class Booking:
    """A booking; its status is ``cancelled`` if its training is."""

    training: int
    athlete: int
    status: str


@dataclass(frozen=True)
class Person:
    """A caller: an administrator, an account with roles at centres, a device, or nobody."""

    is_admin: bool = False
    roles: dict[int, str] = field(default_factory=dict)
    athlete: int | None = None
    device: int | None = None
    has_token: bool = True

    def at(self, *roles: str) -> set[int]:
        """Return the centres where the person has one of some roles."""
        return {centre for centre, role in self.roles.items() if role in roles}

    @property
    def is_account(self) -> bool:
        """Whether the caller is a person who logs in."""
        return self.has_token and self.device is None

    @property
    def desks(self) -> set[int]:
        """The centres where the person sees athletes in full."""
        return self.at("owner", "desk")

    @property
    def is_known(self) -> bool:
        """Whether the account is anything to a gym."""
        return self.is_account and (self.is_admin or bool(self.roles) or self.athlete is not None)


@dataclass(frozen=True)
class World:
    """Centres with athletes, trainings, bookings, and the people who call."""

    athletes: list[Athlete]
    trainings: list[Training]
    bookings: list[Booking]
    people: list[Person]
    is_public: bool
    """Whether everybody may read the timetable."""
    now: datetime

    # What callers see.

    def athlete_view(self, who: Person, number: int) -> str | None:
        """Return in which view a caller sees an athlete."""
        centres = self.athletes[number].centres
        if who.is_admin or number == who.athlete or centres & who.desks:
            return "full"
        return "training" if centres & who.at("coach") else None

    def sees_centre(self, who: Person, number: int) -> str | None:
        """Return in which view a caller sees a centre."""
        if who.is_known or who.device == number:
            return "full"
        return "public" if self.is_public else None

    def sees_training(self, who: Person, number: int) -> bool:
        """Return whether a caller sees a training."""
        return self.is_public or self.belongs_to(who, number)

    def belongs_to(self, who: Person, number: int) -> bool:
        """Return whether a caller sees a training as somebody who belongs to its centre."""
        centre = self.trainings[number].centre
        member = who.athlete is not None and centre in self.athletes[who.athlete].centres
        return who.is_admin or member or centre in who.roles or who.device == centre

    def sees_booking(self, who: Person, number: int) -> bool:
        """Return whether a caller sees a booking."""
        booking = self.bookings[number]
        training = self.trainings[booking.training]
        return (
            who.is_admin
            or training.centre in who.roles
            or booking.athlete == who.athlete
            or (who.device == training.centre and self.is_today(training))
        )

    def is_today(self, training: Training) -> bool:
        """Return whether a training is today at its centre, or within an hour of that."""
        zone = ZoneInfo(ZONES[training.centre])
        here = self.now.astimezone(zone)
        today = datetime(here.year, here.month, here.day, tzinfo=zone)
        tomorrow = datetime.combine(today.date() + timedelta(days=1), today.timetz())
        start, end = self.times(training)
        hour = timedelta(hours=1)
        return end > today.astimezone(UTC) - hour and start < tomorrow.astimezone(UTC) + hour

    def times(self, training: Training) -> tuple[datetime, datetime]:
        """Return when a training starts and ends."""
        start = self.now + timedelta(minutes=training.start)
        return start, start + timedelta(minutes=LENGTH)

    # JSON.

    def centre(self, number: int, view: str | None) -> Json | None:
        """Return a centre in a view; None if that is None."""
        if view is None:
            return None
        shown = {
            "id": str(row_id("centre", number)),
            "name": f"Centre {number}",
            "address": f"{number} Quay",
            "time_zone": ZONES[number],
        }
        if view == "public":
            return shown
        rules = dict.fromkeys(("capacity", "booking_window_days", "late_cancel_minutes"))
        return {**self._row("centre", number), **shown, "owner": "Ana Torres", **rules}

    def athlete(self, who: Person, number: int, view: str | None) -> Json | None:
        """Return an athlete in a view: ``full``, ``training``, or ``list``; None if it is None."""
        if view is None:
            return None
        one = self.athletes[number]
        shown = {
            "id": str(row_id("athlete", number)),
            "name": self.name(number),
            "reference": f"M-{number}",
            "sex": one.sex,
            "category": self._category(one.category),
            "centres": [
                self._reference("centre", centre, "Centre")
                for centre in sorted(one.centres)
                if self.athlete_view(who, number) == "full" or centre in who.roles
            ],
        }
        measures = {name: DETAILS[name] for name in ("height_cm", "weight_kg")}
        if view == "list":
            return shown
        if view == "training":
            return {**shown, **measures}
        own = {"email": f"a{number}@example.com", "national_id": f"N{number}"}
        birth_date = DETAILS["birth_date"]
        return {
            **self._row("athlete", number),
            **shown,
            **measures,
            **own,
            "birth_date": birth_date,
        }

    @staticmethod
    def name(number: int) -> str:
        """Return the name of an athlete; a later one sorts earlier."""
        return f"{'Ana' if number % 2 else 'Zoe'} {9 - number}"

    def training(self, number: int) -> Json:
        """Return a training."""
        one = self.trainings[number]
        start, end = self.times(one)
        active = [each for each in self.bookings if each.training == number]
        taken = sum(each.status in ("reserved", "checked_in") for each in active)
        return {
            **self._row("training", number),
            "name": f"Training {number}",
            "coach": None,
            "starts_at": text(start),
            "ends_at": text(end),
            "status": "cancelled" if one.is_cancelled else "scheduled",
            "centre": self._reference("centre", one.centre, "Centre"),
            "capacity": 100,
            "seats": {
                "capacity": 100,
                "taken": taken,
                "waiting": sum(each.status == "waitlisted" for each in active),
                "over": 0,
                "available": 0 if one.is_cancelled else 100 - taken,
            },
            "series_id": None,
            "changed_alone": False,
            "moved_from": None,
        }

    def booking(self, number: int) -> Json:
        """Return a booking."""
        one = self.bookings[number]
        training = self.trainings[one.training]
        start, _ = self.times(training)
        return {
            **self._row("booking", number),
            "training": {
                name: value
                for name, value in self.training(one.training).items()
                if name in ("id", "name", "starts_at", "ends_at", "status", "centre")
            },
            "athlete": {
                "id": str(row_id("athlete", one.athlete)),
                "name": self.name(one.athlete),
            },
            "status": one.status,
            "booked_at": text(MADE + timedelta(seconds=number)),
            "checked_in_at": text(start) if one.status == "checked_in" else None,
            "checked_out_at": None,
            "cancelled_at": text(MADE) if one.status == "cancelled" else None,
            "no_show": one.status == "reserved" and training.start + LENGTH <= 0,
            "expired": one.status == "waitlisted" and training.start <= 0,
            "late": False,
            "drop_in": training.centre not in self.athletes[one.athlete].centres,
        }

    @staticmethod
    def _row(kind: str, number: int) -> Json:
        moment = text(MADE + timedelta(seconds=number))
        return {
            "id": str(row_id(kind, number)),
            "version": number + 1,
            "created_at": moment,
            "updated_at": moment,
        }

    @staticmethod
    def _reference(kind: str, number: int, name: str) -> Json:
        return {"id": str(row_id(kind, number)), "name": f"{name} {number}"}

    def _full_category(self, number: int) -> Json:
        return {**self._row("category", number), **self._category(number), "description": None}

    def _category(self, number: int) -> Json:
        return self._reference("category", number, "Category")

    # Reads: the expected status code, and the body or the items.

    def get(self, who: Person, kind: str, number: int) -> Answer:
        """Read a row."""
        is_open = self.is_public and kind in ("category", "centre", "training")
        if not who.has_token and not is_open:
            return UNAUTHENTICATED
        if who.device is not None and kind in ("category", "athlete"):
            return FORBIDDEN
        bodies: dict[str, Callable[[], Json | None]] = {
            "category": lambda: self._full_category(number) if self._sees_names(who) else None,
            "centre": lambda: self.centre(number, self.sees_centre(who, number)),
            "athlete": lambda: self.athlete(who, number, self.athlete_view(who, number)),
            "training": lambda: self._one_training(who, number),
            "booking": lambda: self.booking(number) if self.sees_booking(who, number) else None,
        }
        body = bodies[kind]()
        return (200, body) if body else NOT_FOUND

    def _one_training(self, who: Person, number: int) -> Json | None:
        """Return a training with the programme of its day, unless only the public sees it."""
        if not self.sees_training(who, number):
            return None
        programme: Json = {"programme": []} if self.belongs_to(who, number) else {}
        return {**self.training(number), **programme}

    def _sees_names(self, who: Person) -> bool:
        return who.is_known or self.is_public

    def list_athletes(self, who: Person, filters: Json, sort: str) -> Answer:
        """List athletes; the filters are numbers, or texts."""
        if not who.is_account:
            return FORBIDDEN if who.has_token else UNAUTHENTICATED
        found = []
        for number, one in enumerate(self.athletes):
            view = self.athlete_view(who, number)
            centre = filters.get("centre_id")
            if (
                view
                and filters.get("category_id", one.category) == one.category
                and filters.get("sex", one.sex) == one.sex
                and filters.get("reference", f"M-{number}") == f"M-{number}"
                and self.name(number).lower().startswith(filters.get("name_prefix", ""))
                and (
                    centre is None
                    or (centre in one.centres and (view == "full" or centre in who.roles))
                )
            ):
                found.append(number)
        key = self.name if sort.endswith("name") else (lambda number: f"{number:02}")
        found.sort(key=key, reverse=sort.startswith("-"))
        return 200, [self.athlete(who, number, "list") for number in found]

    def list_within(self, who: Person, parent: str, number: int, filters: Json) -> Answer:
        """List the athletes of a category or a centre, by name."""
        listed = self.list_athletes(who, {**filters, f"{parent}_id": number}, "name")
        if listed[0] == 200 and not self._sees_names(who):
            return NOT_FOUND
        return listed

    def list_centres(self, who: Person) -> Answer:
        """List the centres."""
        if not who.has_token and not self.is_public:
            return UNAUTHENTICATED
        views = [self.sees_centre(who, number) for number in range(len(ZONES))]
        worst = "public" if "public" in views else "full"
        return 200, [self.centre(number, worst) for number, view in enumerate(views) if view]

    def centres_of(self, who: Person, number: int) -> Answer:
        """List the centres of an athlete."""
        status, _ = self.get(who, "athlete", number)
        if status != 200:
            return status, None
        full = self.athlete_view(who, number) == "full"
        return 200, [
            self.centre(centre, "full")
            for centre in sorted(self.athletes[number].centres)
            if full or centre in who.roles
        ]

    def list_trainings(self, who: Person, centre: int | None, sort: str) -> Answer:
        """List the trainings."""
        if not who.has_token and not self.is_public:
            return UNAUTHENTICATED
        found = [
            (one.start, number)
            for number, one in enumerate(self.trainings)
            if self.sees_training(who, number) and centre in (None, one.centre)
        ]
        found.sort(reverse=sort.startswith("-"))
        return 200, [self.training(number) for _, number in found]

    def list_bookings(self, who: Person, parent: str, number: int, status: str | None) -> Answer:
        """List the bookings of a training, or those of an athlete."""
        if not who.has_token:
            return UNAUTHENTICATED
        if parent == "training":
            seen = self.sees_training(who, number)
        else:
            seen = bool(who.is_account and self.athlete_view(who, number))
        if not seen:
            return NOT_FOUND
        found = [
            (self.trainings[one.training].start if parent == "athlete" else 0, each)
            for each, one in enumerate(self.bookings)
            if self.sees_booking(who, each)
            and getattr(one, parent) == number
            and status in (None, one.status)
        ]
        return 200, [self.booking(each) for _, each in sorted(found)]

    def lookup(self, who: Person, number: int) -> Answer:
        """Find an athlete by a unique value."""
        if not who.is_account:
            return FORBIDDEN if who.has_token else UNAUTHENTICATED
        if not (who.is_admin or who.desks):
            return FORBIDDEN
        if who.is_admin or self.athletes[number].centres & who.desks:
            return 200, self.athlete(who, number, "full")
        return NOT_FOUND

    def occupancy(self, who: Person, centre: int) -> Answer:
        """Read how full a centre is."""
        if not who.has_token:
            return UNAUTHENTICATED
        member = who.athlete is not None and centre in self.athletes[who.athlete].centres
        if who.is_admin or member or centre in who.roles or who.device == centre:
            return OK
        return FORBIDDEN if self.sees_centre(who, centre) else NOT_FOUND

    # Writes: the expected status code.

    def write(self, who: Person, name: str, *what: Any) -> Answer:
        """Return the answer to a write; it changes nothing in the model."""
        if not who.has_token:
            return UNAUTHENTICATED
        if who.device is not None and name != "check_in":
            return FORBIDDEN
        answer: Answer = getattr(self, f"_{name}")(who, *what)
        return answer

    def _change_athlete(self, who: Person, number: int, fields: Json) -> Answer:
        view = self.athlete_view(who, number)
        if view is None:
            return NOT_FOUND
        one = self.athletes[number]
        is_desk = who.is_admin or one.centres & who.desks
        may = bool(is_desk)
        if fields.keys() == {"category_id"}:
            may = may or bool(one.centres & who.at("coach"))
        if fields.keys() <= {"email", "weight_kg"}:
            may = may or number == who.athlete
        if not may:
            return FORBIDDEN
        new = set(fields.get("centre_ids", one.centres)) - one.centres
        if new - who.desks and not who.is_admin:
            return FORBIDDEN
        return OK

    def _delete_athlete(self, who: Person, number: int) -> Answer:
        if self.athlete_view(who, number) is None:
            return NOT_FOUND
        centres = self.athletes[number].centres
        if not who.is_admin and (not centres or centres - who.desks):
            return FORBIDDEN
        return CONFLICT if any(one.athlete == number for one in self.bookings) else DONE

    def _enrol(self, who: Person, number: int, centre: int) -> Answer:
        view = self.athlete_view(who, number)
        if view is None:
            return NOT_FOUND
        may = who.is_admin or (centre in who.desks and view == "full")
        return DONE if may else FORBIDDEN

    def _withdraw(self, who: Person, number: int, centre: int) -> Answer:
        if who.is_admin or centre in who.desks or number == who.athlete:
            return DONE if centre in self.athletes[number].centres else NOT_FOUND
        return FORBIDDEN if self.athlete_view(who, number) else NOT_FOUND

    def _create_athlete(self, who: Person, centres: set[int]) -> Answer:
        return CREATED if who.is_admin or (centres and centres <= who.desks) else FORBIDDEN

    def _change_training(self, who: Person, number: int, centre: int | None) -> Answer:
        refused = self._may_not_train(who, number)
        if refused:
            return refused
        if centre is None or centre == self.trainings[number].centre:
            return OK
        if not who.is_admin and centre not in who.at("owner", "coach"):
            return FORBIDDEN
        booked = [one for one in self.bookings if one.training == number]
        if all(one.status == "cancelled" for one in booked):
            return OK
        is_late = self.trainings[number].start <= 0
        is_busy = any(self._is_busy(one.athlete, number) for one in booked if one.status in SEATED)
        return CONFLICT if is_late or is_busy else OK

    def _cancel_training(self, who: Person, number: int) -> Answer:
        one = self.trainings[number]
        late = CONFLICT if one.start <= 0 and not one.is_cancelled else OK
        return self._may_not_train(who, number) or late

    def _delete_training(self, who: Person, number: int) -> Answer:
        is_booked = any(one.training == number for one in self.bookings)
        return self._may_not_train(who, number) or (CONFLICT if is_booked else DONE)

    def _may_not_train(self, who: Person, number: int) -> Answer | None:
        if not self.sees_training(who, number):
            return NOT_FOUND
        may = who.is_admin or self.trainings[number].centre in who.at("owner", "coach")
        return None if may else FORBIDDEN

    def _book(self, who: Person, number: int, athlete: int) -> Answer:
        training = self.trainings[number]
        if not self.sees_training(who, number):
            return NOT_FOUND
        if not self.athlete_view(who, athlete):
            return CONFLICT
        if not (who.is_admin or training.centre in who.roles or athlete == who.athlete):
            return FORBIDDEN
        is_staff = who.is_admin or training.centre in who.roles
        if training.is_cancelled or (training.start <= 0 and not is_staff):
            return CONFLICT
        active = [
            one for one in self.bookings if one.athlete == athlete and one.status != "cancelled"
        ]
        mine = [one for one in active if one.training == number]
        # A walk-in who still waits keeps that booking.
        if any(one.status != "waitlisted" or training.start > 0 for one in mine):
            return CONFLICT
        return CONFLICT if self._is_busy(athlete, number) else CREATED

    def _is_busy(self, athlete: int, number: int) -> bool:
        """Return whether an athlete has a seat in a training that overlaps another one."""
        start = self.trainings[number].start
        return any(
            abs(self.trainings[one.training].start - start) < LENGTH
            for one in self.bookings
            if one.athlete == athlete and one.training != number and one.status in SEATED
        )

    def _cancel(self, who: Person, number: int) -> Answer:
        booking = self.bookings[number]
        if not self.sees_booking(who, number):
            return NOT_FOUND
        late = self.trainings[booking.training].start <= 0 and booking.status != "cancelled"
        return CONFLICT if late else OK

    def _check_in(self, who: Person, number: int) -> Answer:
        booking = self.bookings[number]
        training = self.trainings[booking.training]
        if not self.sees_booking(who, number):
            return NOT_FOUND
        if not (who.is_admin or training.centre in who.roles or who.device is not None):
            return FORBIDDEN
        is_staff = who.is_admin or training.centre in who.roles
        is_open = training.start - 60 <= 0 and (is_staff or training.start + LENGTH > 0)
        fits = booking.status == "checked_in" or (booking.status == "reserved" and is_open)
        return OK if fits else CONFLICT

    def _change_centre(self, who: Person, centre: int) -> Answer:
        if who.is_admin or centre in who.at("owner"):
            return OK
        return self._not_at(who, centre)

    def _give_role(self, who: Person, centre: int, whom: int) -> Answer:
        other = self.people[whom]
        if who.is_admin:
            return DONE
        if centre not in who.at("owner"):
            return self._not_at(who, centre)
        theirs = set(other.roles)
        if other.athlete is not None:
            theirs |= self.athletes[other.athlete].centres
        return DONE if theirs & who.at("owner") else NOT_FOUND

    def _take_role(self, who: Person, centre: int, whom: int) -> Answer:
        if who.is_admin or centre in who.at("owner") or self.people[whom] is who:
            return DONE if centre in self.people[whom].roles else NOT_FOUND
        return self._not_at(who, centre)

    def _add_device(self, who: Person, centre: int) -> Answer:
        if who.is_admin or centre in who.at("owner"):
            return CREATED
        return self._not_at(who, centre)

    def _delete_device(self, who: Person, centre: int) -> Answer:
        return DONE if who.is_admin or centre in who.at("owner") else NOT_FOUND

    def _invite(self, who: Person, athlete: int | None, centre: int | None) -> Answer:
        if not (who.is_admin or who.desks):
            return FORBIDDEN
        if centre is not None and not who.is_admin and centre not in who.at("owner"):
            return FORBIDDEN
        if athlete is None:
            return CREATED if who.is_admin or centre is not None else FORBIDDEN
        if not self.athlete_view(who, athlete):
            return CONFLICT
        if not who.is_admin and self.athletes[athlete].centres - who.desks:
            return FORBIDDEN
        has_account = any(one.athlete == athlete for one in self.people)
        return CONFLICT if has_account else CREATED

    def _not_at(self, who: Person, centre: int) -> Answer:
        return FORBIDDEN if self.sees_centre(who, centre) else NOT_FOUND
