"""Hostile requests about series: days, spans, and workouts of the programme."""

import json
from collections.abc import Iterator

from app.api.tests.hostile.requests import JSON, Hostile, Thing, hostile
from app.conftest import API

SERIES: dict[str, object] = {
    "centre_id": "<centre>",
    "name": "Weekly",
    "weekdays": [1],
    "start": "18:00",
    "minutes": 60,
    "capacity": 12,
    "starts_on": "2102-01-02",
    "ends_on": "2102-01-09",
}
"""A series of one training."""
GOOD: dict[str, dict[str, object]] = {
    "each day of a year, and a day": {"weekdays": [7, 6, 5, 4, 3, 2, 1], "ends_on": "2103-01-03"},
    "24 hours": {"minutes": 1440},
    "the last minute": {"start": "23:59"},
    "a weekday twice": {"weekdays": [1, 1]},
    "a skipped day that it does not have": {"skip": ["1900-01-01", "2199-12-31"]},
    "the last days": {"weekdays": [2], "starts_on": "2199-12-30", "ends_on": "2199-12-31"},
}
BAD: dict[str, dict[str, object]] = {
    "no day": {"weekdays": [3], "ends_on": "2102-01-02"},
    "its only day skipped": {"skip": ["2102-01-02"], "ends_on": "2102-01-02"},
    "an end before the start": {"ends_on": "2102-01-01"},
    "a day more than a year": {"ends_on": "2103-01-04"},
    "three centuries": {"starts_on": "1900-01-01", "ends_on": "2199-12-31"},
    "no weekday": {"weekdays": []},
    "eight weekdays": {"weekdays": [1] * 8},
    "weekday 0": {"weekdays": [0]},
    "weekday 8": {"weekdays": [8]},
    "half a weekday": {"weekdays": [1.5]},
    "a weekday in words": {"weekdays": ["Monday"]},
    "a weekday that is true": {"weekdays": [True]},
    "hour 24": {"start": "24:00"},
    "seconds": {"start": "18:00:00"},
    "an offset": {"start": "18:00Z"},
    "no minutes": {"minutes": 0},
    "a minute too many": {"minutes": 1441},
    "367 skipped days": {"skip": ["2102-01-02"] * 367},
    "a day that is not": {"skip": ["2102-02-29"]},
    "101 workouts": {"programme": [{"workout_id": "<workout>", "date": "2102-01-02"}] * 101},
    "a workout without a day": {"programme": [{"workout_id": "<workout>"}]},
    "a workout with another field": {
        "programme": [{"workout_id": "<workout>", "date": "2102-01-02", "centre_id": "<centre>"}]
    },
}
"""Fields of a new series. 2102-01-02 is a Monday."""


def requests() -> Iterator[Hostile]:
    """Yield the requests."""
    path, one = f"{API}/series", f"{API}/series/<series>"
    for cases, answer in ((GOOD, 201), (BAD, 422)):
        for kind, fields in cases.items():
            body = json.dumps({**SERIES, **fields})
            yield hostile(f"a series of {kind}", "POST", path, answer, JSON, body=body)
    changes: dict[str, dict[str, object]] = {
        "an end before the start": {"ends_on": "2102-01-01"},
        "a day more than a year": {"ends_on": "2103-01-04"},
        "another start": {"starts_on": "2102-01-03"},
        "another centre": {"centre_id": "<centre>"},
        "a programme": {"programme": []},
        "booked ones in words": {"include_booked": "true"},
    }
    for kind, fields in changes.items():
        yield hostile(kind, "PATCH", one, 422, JSON, body=json.dumps(fields))
    for kind, text in {
        "no day": "{}",
        "null": '{"from": null}',
        "a time": '{"from": "2102-01-02T00:00:00Z"}',
        "another name": '{"from_": "2102-01-02"}',
        "an end": '{"from": "2102-01-02", "to": "2102-01-03"}',
    }.items():
        yield hostile(f"cancel from {kind}", "POST", f"{one}/cancel", 422, JSON, body=text)
    for query in ("include_booked=1", "include_booked=", "include_booked", "from=2102-01-02"):
        yield hostile(query, "DELETE", f"{one}?{query}", 422)


THINGS = (Thing("<series>", "series", SERIES, "series/<series>"),)
BODIES: dict[str, dict[str, object]] = {
    f"{API}/series/{{series_id}}/cancel": {"from": "2102-01-03"}
}
