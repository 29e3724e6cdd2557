"""A model of one series in plain Python, which the service is compared with.

Times are minutes, and days are numbers, since the Monday of the week in which the gym was opened.
Its zone is UTC. ``now`` increases.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

DAY = 24 * 60
OK, FULL, BUSY = "200", "409 centre-full", "409 athlete-busy"
INVALID, STATE, CREATED, DELETED = "422 invalid", "409 wrong-state", "201", "204"
USED = "409 still-in-use"


@dataclass
class Training:
    """A training of the series, or one beside it (``day`` is None)."""

    day: int | None
    start: int
    end: int
    name: str
    capacity: int
    status: str = "scheduled"
    alone: bool = False
    seats: list[int] = field(default_factory=list)
    """The athletes with a seat."""
    line: list[int] = field(default_factory=list)
    """The athletes in the waitlist."""
    known: bool = False
    """Whether somebody has ever booked it."""

    @property
    def scheduled(self) -> bool:
        """Whether it is not cancelled."""
        return self.status == "scheduled"

    @property
    def booked(self) -> bool:
        """Whether it has active bookings."""
        return bool(self.seats or self.line)

    def overlaps(self, other: "Training") -> bool:
        """Return whether two trainings overlap."""
        return self.start < other.end and other.start < self.end

    def cancel(self) -> None:
        """Cancel it and its bookings."""
        self.status, self.seats, self.line = "cancelled", [], []


@dataclass(frozen=True)
class Pattern:
    """The fields of the series."""

    name: str
    capacity: int
    weekdays: frozenset[int]
    start: int
    minutes: int
    first: int
    last: int
    skip: frozenset[int]

    def days(self) -> list[int]:
        """Return the days on which it has trainings."""
        return [
            day
            for day in range(self.first, self.last + 1)
            if day % 7 + 1 in self.weekdays and day not in self.skip
        ]

    def training(self, day: int) -> Training:
        """Return its training of a day."""
        start = day * DAY + self.start
        return Training(day, start, start + self.minutes, self.name, self.capacity)


@dataclass
class Model:
    """A centre with one series; each change returns the expected response."""

    room: int
    now: int
    pattern: Pattern
    trainings: list[Training]
    report: dict[str, Any] = field(default_factory=dict)
    """What the last change of the series did, without what is empty."""

    def change(self, fields: dict[str, Any], *, include_booked: bool) -> str:
        """Change the series."""
        before, after = self.pattern, replace(self.pattern, **fields)
        latest = max(after.first, self.now // DAY) + 366
        if "last" in fields and not after.first <= after.last <= latest:
            return INVALID
        self.report = {}
        if not fields:
            return OK
        saved = [replace(one, seats=[*one.seats], line=[*one.line]) for one in self.trainings]
        answer = self._change(before, after, include_booked=include_booked)
        if answer == OK:
            self.pattern = after
        else:
            self.trainings = saved
        return answer

    def _change(self, before: Pattern, after: Pattern, *, include_booked: bool) -> str:
        ahead = self._ahead()
        days = set(after.days())
        done: Counter[str] = Counter()
        kept: list[tuple[int, str]] = []
        moved, changed = [], []
        for one in ahead:
            day = one.day
            assert day is not None
            new = after.training(day)
            differs = (one.start, one.end, one.name, one.capacity) != (
                new.start,
                new.end,
                new.name,
                new.capacity,
            )
            if one.alone:
                kept.append((day, "changed_alone"))
            elif not one.scheduled:
                continue
            elif day in days and new.start <= self.now:
                kept.append((day, "past"))
            elif day in days and not differs:
                continue
            elif one.booked and not include_booked:
                kept.append((day, "booked"))
            elif day not in days:
                done["cancelled" if one.known else "deleted"] += 1
                if one.known:
                    one.cancel()
                else:
                    self.trainings.remove(one)
            else:
                done["changed"] += 1
                changed.append(one)
                if one.booked and (one.start, one.end) != (new.start, new.end):
                    moved.append(one)
                one.start, one.end = new.start, new.end
                one.name, one.capacity = new.name, new.capacity
        if not self._has_room():
            return FULL
        if any(self._is_busy(athlete, one) for one in moved for athlete in one.seats):
            return BUSY
        for one in changed:
            self._promote(one)
        laid = set(before.days()) | {
            one.day for one in ahead if one in self.trainings and (one.scheduled or one.alone)
        }
        for day in sorted(days - laid):
            new = after.training(day)
            if new.start > self.now:
                done["created"] += 1
                self.trainings.append(new)
        self.report = dict(done) | ({"kept": sorted(kept)} if kept else {})
        return OK if self._has_room() else FULL

    def cancel(self, since: int) -> str:
        """Cancel the series from a day on."""
        last = min(max(since, self.pattern.first) - 1, self.pattern.last)
        self.pattern = replace(self.pattern, last=last)
        reached = [
            one
            for one in self._ahead()
            if one.scheduled and one.day is not None and one.day >= since
        ]
        kept = sorted((one.day, "changed_alone") for one in reached if one.alone)
        own = [one for one in reached if not one.alone]
        for one in own:
            one.cancel()
        self.report = ({"cancelled": len(own)} if own else {}) | ({"kept": kept} if kept else {})
        return OK

    def rename(self, training: Training, name: str) -> str:
        """Change the name of a training by itself."""
        self._alter(training, name=name)
        return OK

    def resize(self, training: Training, capacity: int) -> str:
        """Change the capacity of a training by itself."""
        before = replace(training)
        self._alter(training, capacity=capacity)
        if not self._has_room():
            training.capacity, training.alone = before.capacity, before.alone
            return FULL
        if training.start > self.now:
            self._promote(training)
        return OK

    def move(self, training: Training, start: int) -> str:
        """Move a training that is scheduled and has not started, by itself."""
        if training.booked and start != training.start and start <= self.now:
            return STATE
        before = replace(training)
        self._alter(training, start=start, end=start + training.end - training.start)
        answer = OK if self._has_room() else FULL
        if answer == OK and start != before.start and training.booked:
            busy = any(self._is_busy(athlete, training) for athlete in training.seats)
            answer = BUSY if busy else OK
        if answer != OK:
            training.start, training.end, training.alone = before.start, before.end, before.alone
        return answer

    def drop(self, training: Training) -> str:
        """Cancel a training by itself."""
        if training.scheduled:
            if training.start <= self.now:
                return STATE
            training.cancel()
            training.alone = training.day is not None
        return OK

    def remove(self, training: Training) -> str:
        """Delete a training by itself."""
        if training.known:
            return USED
        self.trainings.remove(training)
        return DELETED

    def book(self, training: Training, athlete: int) -> str:
        """Book a training that has not started, for an athlete who has not booked it."""
        if not training.scheduled:
            return STATE
        self._promote(training)
        has_seat = len(training.seats) < training.capacity
        if has_seat and self._is_busy(athlete, training):
            return BUSY
        (training.seats if has_seat else training.line).append(athlete)
        training.known = True
        return CREATED

    def give_up(self, training: Training, athlete: int) -> str:
        """Cancel the booking of an athlete of a training that has not started."""
        if athlete in training.line:
            training.line.remove(athlete)
        else:
            training.seats.remove(athlete)
            self._promote(training)
        return OK

    def _ahead(self) -> list[Training]:
        there = [one for one in self.trainings if one.day is not None and one.start > self.now]
        return sorted(there, key=lambda one: one.day or 0)

    @staticmethod
    def _alter(training: Training, **fields: Any) -> None:
        for name, value in fields.items():
            if getattr(training, name) != value:
                setattr(training, name, value)
                training.alone = training.day is not None

    def _promote(self, training: Training) -> None:
        for athlete in [*training.line]:
            if len(training.seats) >= training.capacity:
                break
            if not self._is_busy(athlete, training):
                training.line.remove(athlete)
                training.seats.append(athlete)

    def _is_busy(self, athlete: int, training: Training) -> bool:
        return any(
            athlete in one.seats and one is not training and one.overlaps(training)
            for one in self.trainings
        )

    def _has_room(self) -> bool:
        """Return whether the centre has room for all trainings at each time."""
        there = [one for one in self.trainings if one.scheduled]
        return all(
            sum(
                max(one.capacity, len(one.seats))
                for one in there
                if one.start <= at.start < one.end
            )
            <= self.room
            for at in there
        )
