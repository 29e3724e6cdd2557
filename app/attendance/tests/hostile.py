"""Hostile requests about attendance: days that are none, in no order, or too many."""

from app.api.tests.hostile.requests import Feature

BAD_DAYS: dict[str, str] = {
    "no day": "",
    "no first day": "to=2026-12-01",
    "no last day": "from=2026-12-01",
    "from after to": "from=2026-12-02&to=2026-12-01",
    "367 days": "from=2026-01-01&to=2027-01-02",
    "three centuries": "from=1900-01-01&to=2199-12-31",
    "three centuries back": "from=2199-12-31&to=1900-01-01",
    "moments": "from=2026-12-01T00:00:00Z&to=2026-12-02T00:00:00Z",
}
GOOD_DAYS: dict[str, str] = {
    "the first day": "from=1900-01-01&to=1900-01-01",
    "the last day": "from=2199-12-31&to=2199-12-31",
    "366 days": "from=2026-01-01&to=2027-01-01",
}
REPORT, EXPORT = "centres/<centre>/attendance", "centres/<centre>/attendance/export"

FEATURE = Feature(
    things=(),
    filters={
        REPORT: {**BAD_DAYS, "rows": "from=2026-12-01&to=2026-12-01&rows=athletes"},
        EXPORT: {**BAD_DAYS, "other rows": "from=2026-12-01&to=2026-12-01&rows=bookings"},
    },
    good_filters={
        REPORT: GOOD_DAYS,
        EXPORT: {**GOOD_DAYS, "athletes": "from=2026-12-01&to=2026-12-01&rows=athletes"},
    },
)
