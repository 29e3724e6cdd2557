"""Hostile requests about trainings and bookings: times, and actions at the wrong time."""

import json
from collections.abc import Iterator

from app.api.tests.hostile.bodies import NOT_READ, TOO_LONG
from app.api.tests.hostile.headers import BAD_KEYS, STALE_TAGS
from app.api.tests.hostile.requests import JSON, MARK, Feature, Hostile, Thing, hostile
from app.conftest import API
from app.trainings.series.tests import hostile as series

LATER = {"starts_at": "2100-01-01T18:00:00Z", "ends_at": "2100-01-01T19:00:00Z"}
"""The usual times of trainings: in the future, as nothing can be booked after the start."""
TRAINING = {"centre_id": "<centre>", "capacity": 12, **LATER}
"""A training without a name."""
GOOD_SPANS: dict[str, tuple[str, str]] = {
    "a microsecond": ("2100-01-01T18:00:00Z", "2100-01-01T18:00:00.000001Z"),
    "24 hours": ("2100-01-01T18:00:00Z", "2100-01-02T18:00:00Z"),
    "24 hours by offsets": ("2100-01-01T18:00:00+23:59", "2100-01-01T18:01:00-00:00"),
    "small letters": ("2100-01-01t18:00:00z", "2100-01-01t19:00:00z"),
    "an end that the clock shows earlier": ("2100-01-01T18:00:00+14:00", "2100-01-01T17:00:00Z"),
    "a leap day": ("2096-02-29T23:59:59.5Z", "2096-03-01T00:00:00.25Z"),
    "the first moment": ("1900-01-01T23:59:00+23:59", "1900-01-01T23:59:00+23:58"),
    "the last moment": ("2199-12-31T00:00:59.999999-23:58", "2199-12-31T00:00:59.999999-23:59"),
}
BAD_SPANS: dict[str, tuple[str, str]] = {
    "no time": ("2100-01-01T18:00:00Z", "2100-01-01T18:00:00Z"),
    "no time by offsets": ("2100-01-01T18:00:00Z", "2100-01-01T19:00:00+01:00"),
    "a microsecond too few": ("2100-01-01T18:00:00.000001Z", "2100-01-01T18:00:00Z"),
    "a microsecond more than 24 hours": ("2100-01-01T18:00:00Z", "2100-01-02T18:00:00.000001Z"),
    "three centuries": ("1900-01-01T00:00:00Z", "2199-12-31T23:59:59Z"),
    "three centuries back": ("2199-12-31T23:59:59Z", "1900-01-01T00:00:00Z"),
    "an end that only the clock shows later": (
        "2100-01-01T18:00:00Z",
        "2100-01-01T19:00:00+14:00",
    ),
}

BACKWARDS = "from=2199-12-31T23:59:59.999999Z&to=1900-01-01T00:00:00Z"
GOOD_FILTERS: dict[str, dict[str, str]] = {
    "trainings": {
        "from after to": BACKWARDS,
        "cancelled, and available": "status=cancelled&available=true",
    },
    "athletes/<athlete>/bookings": {"from after to": f"{BACKWARDS}&status=waitlisted"},
}
BAD_FILTERS: dict[str, dict[str, str]] = {
    "trainings": {
        "name": f"name={MARK}",
        "coach": f"coach={MARK}",
        "capacity": "capacity=1",
    },
    "trainings/<training>/bookings": {
        "status with a space": "status=checked%20in",
        "athlete": "athlete_id=<athlete>",
        "another training": "training_id=<cancelled>",
    },
    "athletes/<athlete>/bookings": {"training": "training_id=<training>"},
    "centres/<centre>/occupancy": {
        "at and from": "at=2100-01-01T18:00:00Z&from=2100-01-01T18:00:00Z",
    },
}


def _requests() -> Iterator[Hostile]:
    yield from _times()
    yield from _changes()
    yield from _bookings()
    yield from _acts()
    yield from series.requests()


def _times() -> Iterator[Hostile]:
    path, unbooked = f"{API}/trainings", f"{API}/trainings/<cancelled>"
    for spans, answer in ((GOOD_SPANS, 201), (BAD_SPANS, 422)):
        for kind, (starts_at, ends_at) in spans.items():
            times = {"starts_at": starts_at, "ends_at": ends_at}
            body = json.dumps({"name": "Long", **TRAINING, **times})
            yield hostile(f"{kind} long", "POST", path, answer, JSON, body=body)
    for kind, (starts_at, ends_at) in BAD_SPANS.items():
        body = json.dumps({"starts_at": starts_at, "ends_at": ends_at})
        yield hostile(f"{kind} long", "PATCH", unbooked, 422, JSON, body=body)
    for field, moment in (
        ("starts_at", LATER["ends_at"]),
        ("starts_at", "2099-12-31T18:59:59.999999Z"),
        ("ends_at", LATER["starts_at"]),
        ("ends_at", "2100-01-02T18:00:00.000001Z"),
    ):
        body = json.dumps({field: moment})
        yield hostile(f"{field} alone at {moment}", "PATCH", unbooked, 422, JSON, body=body)


def _changes() -> Iterator[Hostile]:
    full = f"{API}/trainings/<training>"
    for kind, (answer, fields) in {
        "a start in the past": (
            409,
            {"starts_at": "2026-11-27T18:00:00Z", "ends_at": "2026-11-27T19:00:00Z"},
        ),
        "an end before the start": (422, {"ends_at": "2100-01-01T17:00:00Z"}),
        "as it is, from elsewhere": (200, {"starts_at": "2100-01-02T08:00:00+14:00"}),
    }.items():
        yield hostile(kind, "PATCH", full, answer, JSON, body=json.dumps(fields))
    for kind, headers in STALE_TAGS.items():
        # It has a booking, and its capacity would change: ``If-Match`` is checked before these.
        more = json.dumps({"capacity": 2, **LATER})
        name = f"more seats, If-Match of {kind}"
        yield hostile(name, "PATCH", full, 412, JSON, *headers, body=more)
    yield hostile("delete what is booked", "DELETE", full, 409)


def _bookings() -> Iterator[Hostile]:
    path = f"{API}/trainings/<training>/bookings"
    for kind, text in {
        "several": '{"athlete_id": ["<athlete>"]}',
        "another training": '{"athlete_id": "<athlete>", "training_id": "<cancelled>"}',
        "a state": '{"athlete_id": "<athlete>", "status": "checked_in"}',
        "a time": '{"athlete_id": "<athlete>", "booked_at": "1900-01-01T00:00:00Z"}',
    }.items():
        yield hostile(f"book {kind}", "POST", path, 422, JSON, body=text)
    athlete = '{"athlete_id": "<athlete>"}'
    for kind, (answer, target, text) in {
        "for a centre": (409, path, '{"athlete_id": "<centre>"}'),
        "again": (409, path, athlete),
        "what is full": (409, path, '{"athlete_id": "<athlete>", "waitlist": false}'),
        "what is cancelled": (409, path.replace("<training>", "<cancelled>"), athlete),
        "a centre": (404, path.replace("<training>", "<centre>"), athlete),
    }.items():
        yield hostile(f"book {kind}", "POST", target, answer, JSON, body=text)
    door = f"{API}/trainings/<training>/check-in"
    for kind, (answer, target, text) in {
        "nobody": (404, door, '{"reference": "nobody"}'),
        "an id": (404, door, '{"reference": "<athlete>"}'),
        "several": (422, door, '{"reference": ["nobody"]}'),
        "an athlete": (422, door, '{"reference": "nobody", "athlete_id": "<athlete>"}'),
        "a time": (422, door, '{"reference": "nobody", "checked_in_at": "2100-01-01T18:00:00Z"}'),
        "at a centre": (404, door.replace("<training>", "<centre>"), '{"reference": "nobody"}'),
    }.items():
        yield hostile(f"check in {kind}", "POST", target, answer, JSON, body=text)
    free, escaped = path.replace("<training>", "<free>"), '{"\\u0061thlete_id": "<athlete>"}'
    yield hostile("book with an escaped name", "POST", free, 201, JSON, body=escaped)


def _acts() -> Iterator[Hostile]:
    # Already done, years too early, or not checked in yet: nothing changes.
    for act, answer in (
        ("trainings/<cancelled>/cancel", 200),
        ("bookings/<given up>/cancel", 200),
        ("bookings/<given up>/check-in", 409),
        ("bookings/<booking>/check-in", 409),
        ("bookings/<booking>/undo-check-in", 200),
        ("bookings/<given up>/undo-check-in", 409),
        ("bookings/<booking>/check-out", 409),
    ):
        target = f"{API}/{act}"
        for kind, unread in NOT_READ.items():
            yield hostile(f"{target}: {kind}", "POST", target, answer, JSON, body=unread)
        unread = TOO_LONG["20 MB"]
        yield hostile(f"{target}: chunked", "POST", target, answer, body=unread, chunked=True)
        for kind, headers in {**BAD_KEYS, **STALE_TAGS}.items():
            yield hostile(f"{target}: {kind}", "POST", target, answer, *headers)
    for target in (
        f"{API}/trainings/<booking>/cancel",
        f"{API}/trainings/<centre>/cancel",
        *(
            f"{API}/bookings/<training>/{act}"
            for act in ("cancel", "check-in", "undo-check-in", "check-out")
        ),
        f"{API}/bookings/<booking>/CANCEL",
        f"{API}/bookings/<booking>/check_in",
        f"{API}/bookings/<booking>/check-in/",
        f"{API}/bookings/<booking>/check-in%0A",
        f"{API}/bookings",
        f"{API}/trainings/<training>/bookings/<booking>",
    ):
        yield hostile(target, "POST", target, 404)


FEATURE = Feature(
    things=(
        Thing(
            "<cancelled>", "trainings", {"name": "Cancelled", **TRAINING}, "trainings/<cancelled>"
        ),
        Thing("<cancelled>", "trainings/<cancelled>/cancel", {}, None),
        Thing(
            "<training>",
            "trainings",
            {"name": "Full", **TRAINING, "capacity": 1},
            "trainings/<training>",
        ),
        Thing(
            "<booking>",
            "trainings/<training>/bookings",
            {"athlete_id": "<athlete>"},
            "bookings/<booking>",
        ),
        # This one has a free seat.
        Thing(
            "<free>",
            "trainings",
            {
                "name": "Free",
                "centre_id": "<centre>",
                "capacity": 9,
                "starts_at": "2101-01-01T18:00:00Z",
                "ends_at": "2101-01-01T19:00:00Z",
            },
            None,
        ),
        Thing(
            "<given up>",
            "trainings/<free>/bookings",
            {"athlete_id": "<athlete>"},
            "bookings/<given up>",
        ),
        Thing("<given up>", "bookings/<given up>/cancel", {}, None),
        *series.THINGS,
    ),
    bodies=series.BODIES,
    dependent=frozenset({"start", "starts_on", "ends_on"}),
    reports={"series": {"trainings": "created"}},
    filters=BAD_FILTERS,
    good_filters=GOOD_FILTERS,
    requests=_requests,
)
