"""The layout of a series: its local days and times as instants, across daylight saving."""

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

Clock = Literal["skipped", "repeated"]
"""What daylight saving does to a local time: it does not exist that day, or it comes twice."""


@dataclass(frozen=True)
class Slot:
    """A training of a series: its local day, and its times in UTC."""

    date: dt.date
    starts_at: dt.datetime
    ends_at: dt.datetime
    clock: Clock | None
    """Set if the local time does not exist that day, or comes twice."""


@dataclass(frozen=True)
class Pattern:
    """What the slots of a series follow from."""

    weekdays: Collection[int]
    """ISO weekdays: 1 is Monday."""
    start: dt.time
    minutes: int
    starts_on: dt.date
    ends_on: dt.date
    skip: Collection[dt.date]

    def slots(self, zone: ZoneInfo) -> list[Slot]:
        """Lay the series out in a time zone, by date.

        A local time that does not exist moves forward by the gap. Of one that comes twice, the
        first counts. Each training takes its minutes of elapsed time.
        """
        length = dt.timedelta(minutes=self.minutes)
        slots = []
        for date in self._dates():
            local = dt.datetime.combine(date, self.start, zone)
            starts_at = local.astimezone(dt.UTC)
            slots.append(Slot(date, starts_at, starts_at + length, _clock(local, starts_at)))
        return slots

    def _dates(self) -> Iterator[dt.date]:
        skipped, weekdays = set(self.skip), set(self.weekdays)
        for ordinal in range(self.starts_on.toordinal(), self.ends_on.toordinal() + 1):
            date = dt.date.fromordinal(ordinal)
            if date.isoweekday() in weekdays and date not in skipped:
                yield date


def _clock(local: dt.datetime, instant: dt.datetime) -> Clock | None:
    """Return what daylight saving does to a local time, whose ``fold`` is 0."""
    there = instant.astimezone(local.tzinfo)
    if there.replace(tzinfo=None) != local.replace(tzinfo=None):
        return "skipped"
    if local.replace(fold=1).utcoffset() != local.utcoffset():
        return "repeated"
    return None
