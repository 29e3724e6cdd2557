"""The layout of a series: its local days and times as instants, across daylight saving."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trainings.series.layout import Clock, Pattern, Slot

LISBON = ZoneInfo("Europe/Lisbon")
EVERY_DAY = range(1, 8)
ZONES = (
    "Europe/Lisbon",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Antarctica/Troll",
    "UTC",
)


def pattern(
    starts_on: str, ends_on: str, start: str = "18:00", minutes: int = 60, **fields: Any
) -> Pattern:
    """Make a pattern, of every day by default."""
    return Pattern(
        weekdays=fields.get("weekdays", EVERY_DAY),
        start=dt.time.fromisoformat(start),
        minutes=minutes,
        starts_on=dt.date.fromisoformat(starts_on),
        ends_on=dt.date.fromisoformat(ends_on),
        skip=[dt.date.fromisoformat(date) for date in fields.get("skip", ())],
    )


def days(slots: Sequence[Slot]) -> list[str]:
    return [str(slot.date) for slot in slots]


# Computed by hand from the rules of each zone, and compared with ``zdump -v``.
CHANGES: list[tuple[str, str, str, str, Clock]] = [
    ("Europe/Lisbon", "2027-03-28", "01:30", "2027-03-28T01:30Z", "skipped"),
    ("Europe/Lisbon", "2027-10-31", "01:30", "2027-10-31T00:30Z", "repeated"),
    # Half an hour.
    ("Australia/Lord_Howe", "2027-10-03", "02:15", "2027-10-02T15:45Z", "skipped"),
    ("Australia/Lord_Howe", "2027-04-04", "01:45", "2027-04-03T14:45Z", "repeated"),
    ("America/St_Johns", "2027-03-14", "02:30", "2027-03-14T06:00Z", "skipped"),
    ("America/St_Johns", "2027-11-07", "01:30", "2027-11-07T04:00Z", "repeated"),
    # At midnight.
    ("America/Sao_Paulo", "2018-11-04", "00:30", "2018-11-04T03:30Z", "skipped"),
    ("America/Sao_Paulo", "2019-02-16", "23:30", "2019-02-17T01:30Z", "repeated"),
    ("Africa/Cairo", "2027-04-30", "00:30", "2027-04-29T22:30Z", "skipped"),
    ("Africa/Cairo", "2027-10-28", "23:30", "2027-10-28T20:30Z", "repeated"),
]


@pytest.mark.parametrize(("zone", "date", "start", "instant", "clock"), CHANGES)
def test_a_skipped_local_time_moves_by_the_gap_and_of_a_repeated_one_the_first_counts(
    zone: str, date: str, start: str, instant: str, clock: Clock
) -> None:
    day = dt.timedelta(days=1)
    first = str(dt.date.fromisoformat(date) - day)
    last = str(dt.date.fromisoformat(date) + day)

    before, slot, after = pattern(first, last, start, 90).slots(ZoneInfo(zone))

    starts_at = dt.datetime.fromisoformat(instant)
    ends_at = starts_at + dt.timedelta(minutes=90)
    assert slot == Slot(dt.date.fromisoformat(date), starts_at, ends_at, clock)
    assert (before.clock, after.clock) == (None, None)


@pytest.mark.parametrize(
    ("date", "start", "instant", "clock"),
    [
        ("2027-03-28", "00:59", "2027-03-28T00:59Z", None),
        ("2027-03-28", "01:00", "2027-03-28T01:00Z", "skipped"),
        ("2027-03-28", "01:59", "2027-03-28T01:59Z", "skipped"),
        ("2027-03-28", "02:00", "2027-03-28T01:00Z", None),
        ("2027-10-31", "00:59", "2027-10-30T23:59Z", None),
        ("2027-10-31", "01:00", "2027-10-31T00:00Z", "repeated"),
        ("2027-10-31", "01:59", "2027-10-31T00:59Z", "repeated"),
        ("2027-10-31", "02:00", "2027-10-31T02:00Z", None),
    ],
)
def test_the_hour_of_a_clock_change_includes_its_first_minute_and_not_its_end(
    date: str, start: str, instant: str, clock: Clock | None
) -> None:
    (slot,) = pattern(date, date, start).slots(LISBON)

    assert (slot.starts_at, slot.clock) == (dt.datetime.fromisoformat(instant), clock)


def test_a_training_across_a_clock_change_takes_its_minutes_of_elapsed_time() -> None:
    long = pattern("2027-03-27", "2027-03-27", "23:00", 180).slots(LISBON)

    assert long == [
        Slot(
            dt.date(2027, 3, 27),
            dt.datetime(2027, 3, 27, 23, tzinfo=dt.UTC),
            dt.datetime(2027, 3, 28, 2, tzinfo=dt.UTC),  # 03:00 in Lisbon
            None,
        )
    ]


def test_slots_are_on_the_weekdays_from_the_first_day_to_the_last() -> None:
    # 2026-12-01 is a Tuesday, and 2026-12-15 too.
    tuesday_and_sunday = pattern("2026-12-01", "2026-12-15", weekdays=[7, 2])

    assert days(tuesday_and_sunday.slots(LISBON)) == [
        "2026-12-01",
        "2026-12-06",
        "2026-12-08",
        "2026-12-13",
        "2026-12-15",
    ]


def test_skipped_days_have_no_slot_and_other_days_in_the_list_do_not_matter() -> None:
    skip = ["2026-12-08", "2026-12-09", "2027-12-14"]
    tuesdays = pattern("2026-12-01", "2026-12-15", weekdays=[2], skip=skip)

    assert days(tuesdays.slots(LISBON)) == ["2026-12-01", "2026-12-15"]


def test_one_day_has_one_slot_and_a_last_day_before_the_first_has_none() -> None:
    assert days(pattern("2028-02-29", "2028-02-29").slots(LISBON)) == ["2028-02-29"]
    assert pattern("2026-12-02", "2026-12-01").slots(LISBON) == []
    assert pattern("2026-12-01", "2026-12-01", weekdays=[3]).slots(LISBON) == []


patterns = st.builds(
    lambda weekdays, start, minutes, first, length, skip: Pattern(
        weekdays,
        start,
        minutes,
        first,
        first + dt.timedelta(days=length),
        [first + dt.timedelta(days=day) for day in skip],
    ),
    st.sets(st.integers(1, 7), min_size=1),
    st.builds(dt.time, st.integers(0, 23), st.integers(0, 59)),
    st.integers(1, 1440),
    st.dates(dt.date(2009, 1, 1), dt.date(2036, 12, 31)),
    st.integers(0, 400),
    st.sets(st.integers(0, 400), max_size=5),
)


@given(patterns, st.sampled_from(ZONES))
def test_each_slot_has_the_local_day_and_time_of_the_series(series: Pattern, name: str) -> None:
    zone, length = ZoneInfo(name), dt.timedelta(minutes=series.minutes)

    slots = series.slots(zone)

    dates = [slot.date for slot in slots]
    assert dates == sorted(set(dates))
    assert {date.isoweekday() for date in dates} <= set(series.weekdays)
    assert dates == [] or series.starts_on <= dates[0] <= dates[-1] <= series.ends_on
    assert not set(dates) & set(series.skip)
    for slot in slots:
        wanted = dt.datetime.combine(slot.date, series.start)
        local = slot.starts_at.astimezone(zone)
        there = local.replace(tzinfo=None)
        assert slot.ends_at - slot.starts_at == length
        if slot.clock == "skipped":
            assert wanted < there <= wanted + dt.timedelta(days=1)
        else:
            assert there == wanted
            assert local.fold == 0
            again = (slot.starts_at + dt.timedelta(hours=hours) for hours in (0.5, 1, 2))
            is_repeated = any(
                later.astimezone(zone).replace(tzinfo=None) == wanted for later in again
            )
            assert (slot.clock == "repeated") == is_repeated
    starts = [slot.starts_at for slot in slots]
    assert starts == sorted(starts)
