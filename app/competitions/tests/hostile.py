"""Hostile requests about competitions, events and entries: days, points, and wrong states."""

import json
from collections.abc import Iterator

from app.api.tests.hostile.requests import JSON, Feature, Hostile, Thing, hostile
from app.conftest import API

DAYS = {"starts_on": "2026-12-05", "ends_on": "2026-12-06"}
TABLES: dict[str, tuple[int, object]] = {
    "no points": (201, [0]),
    "1000 places": (201, [1] * 1000),
    "the most points": (201, [1_000_000]),
    "none": (422, None),
    "no place": (422, []),
    "1001 places": (422, [1] * 1001),
    "negative points": (422, [-1]),
    "too many points": (422, [1_000_001]),
    "parts of points": (422, [0.5]),
    "text": (422, ["100"]),
    "true": (422, [True]),
    "no array": (422, 100),
}
"""Points tables, and their status codes."""


def _requests() -> Iterator[Hostile]:
    path = f"{API}/competitions"
    for kind, answer, days in (
        ("one day", 201, {"starts_on": "2026-12-05", "ends_on": "2026-12-05"}),
        ("three centuries", 201, {"starts_on": "1900-01-01", "ends_on": "2199-12-31"}),
        ("an end before the start", 422, {"starts_on": "2026-12-06", "ends_on": "2026-12-05"}),
    ):
        yield hostile(kind, "POST", path, answer, JSON, body=json.dumps({"name": "Long", **days}))
    events = f"{API}/competitions/<tables>/events"
    for kind, (answer, table) in TABLES.items():
        body = json.dumps({"workout_id": "<workout>", "points_table": table})
        yield hostile(f"a table of {kind}", "POST", events, answer, JSON, body=body)
    events = f"{API}/competitions/<competition>/events"
    for kind, answer, fields in (
        ("a table in a competition by places", 422, {"points_table": [1]}),
        ("an ordinal that is taken", 409, {"ordinal": 1}),
        ("ordinal 0", 422, {"ordinal": 0}),
        ("ordinal 51", 422, {"ordinal": 51}),
        ("no such workout", 409, {"workout_id": "<centre>"}),
        (
            "an end before the start",
            422,
            {"opens_at": "2026-12-05T10:00:00Z", "closes_at": "2026-12-05T10:00:00Z"},
        ),
        ("the last ordinal", 201, {"ordinal": 50}),
        ("an event too many", 409, {}),
    ):
        body = json.dumps({"workout_id": "<workout>", **fields})
        yield hostile(kind, "POST", events, answer, JSON, body=body)
    entries = f"{API}/competitions/<competition>/entries"
    for kind, fields in (
        ("enter twice", {"athlete_id": "<athlete>"}),
        ("no such athlete", {"athlete_id": "<centre>"}),
    ):
        yield hostile(kind, "POST", entries, 409, JSON, body=json.dumps(fields))
    for kind, before in (("event 0", 0), ("event 51", 51), ("a part", 1.5), ("text", "2")):
        body = json.dumps({"before_event": before})
        where = f"{API}/entries/<entry>/withdraw"
        yield hostile(f"withdraw before {kind}", "POST", where, 422, JSON, body=body)
    where = f"{API}/entries/<entry>/withdraw"
    before = '{"before_event": 1}'
    yield hostile("withdraw before a result", "POST", where, 409, JSON, body=before)
    event = f"{API}/competition-events/<event>"
    for kind, text in (
        ("another workout", '{"workout_id": "<ladder>"}'),
        ("another ordinal", '{"ordinal": 7}'),
        ("no publication", '{"published_at": null}'),
    ):
        yield hostile(kind, "PATCH", event, 409, JSON, body=text)
    for thing in ("<live>", "<tables>"):
        hidden = f"{API}/competitions/{thing}"
        points = json.dumps({"points": "table" if thing == "<live>" else "place"})
        yield hostile("other points", "PATCH", hidden, 409, JSON, body=points)
    reason = json.dumps({"reason": "A mistake."})
    reopen = f"{API}/competitions/<competition>/reopen"
    yield hostile("reopen a draft", "POST", reopen, 409, JSON, body=reason)
    for kind, text in (("no reason", "{}"), ("an empty reason", '{"reason": " "}')):
        yield hostile(f"reopen with {kind}", "POST", reopen, 422, JSON, body=text)
    for act in ("close", "finalise"):
        yield hostile(f"{act} a draft", "POST", f"{API}/competitions/<competition>/{act}", 409)
    yield hostile("delete what has events", "DELETE", f"{API}/competitions/<competition>", 409)


FEATURE = Feature(
    things=(
        Thing(
            "<competition>",
            "competitions",
            {"name": "Throwdown", **DAYS, "centre_id": "<centre>"},
            "competitions/<competition>",
        ),
        Thing(
            "<tables>",
            "competitions",
            {"name": "Games", **DAYS, "points": "table"},
            "competitions/<tables>",
        ),
        Thing("<live>", "competitions", {"name": "Live", **DAYS}, "competitions/<live>"),
        Thing("<live>", "competitions/<live>/open", {}, None),
        Thing(
            "<first>",
            "competitions/<competition>/events",
            {"workout_id": "<workout>"},
            None,
        ),
        Thing("<enters>", "competitions/<competition>/entries", {"athlete_id": "<athlete>"}, None),
        Thing(
            "<event>",
            "competitions/<live>/events",
            {"workout_id": "<workout>", "published_at": "2026-01-01T00:00:00Z"},
            "competition-events/<event>",
        ),
        Thing(
            "<entry>",
            "competitions/<live>/entries",
            {"athlete_id": "<athlete>"},
            "entries/<entry>",
        ),
    ),
    requests=_requests,
)
