"""Hostile requests about timetables."""

from app.api.tests.hostile.requests import Feature

TIMETABLE = "centres/<centre>/timetable"
FEATURE = Feature(
    things=(),
    named=frozenset({f"{TIMETABLE}?athlete_id"}),
    filters={
        TIMETABLE: {
            "a week and a day": "week=2026-W49&date=2026-12-01",
            "a week 53 in a year of 52": "week=2027-W53",
        },
    },
    good_filters={
        TIMETABLE: {
            "the first week": "week=1900-W01",
            "the last week": "week=2199-W52",
            "a week 53": "week=2026-W53",
            "the bookings of an athlete": "week=2100-W01&athlete_id=<athlete>",
        },
    },
)
