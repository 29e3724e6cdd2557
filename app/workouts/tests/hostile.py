"""Hostile requests about workouts and programmes: names of benchmarks, and line breaks."""

import json
from collections.abc import Iterator

from app.api.tests.hostile.requests import JSON, Feature, Hostile, Thing, hostile
from app.conftest import API

TEXTS: dict[str, tuple[int, str]] = {
    "CRLF": (201, "21-15-9:\r\nthrusters\r\npull-ups"),
    "4000 characters in one line": (201, "x" * 4000),
    "4000 lines": (201, "\n" * 4000 + "Rest."),
    "2000 lines of a character": (201, "x\n" * 2000),
    "many marks": (201, "a" + "\u0301\u0316" * 1900),
    "4001 characters": (422, "x" * 4001),
    "2001 lines of a character": (422, "x\n" * 2001),
    "only line breaks": (422, "\r\n\u2028\n"),
    "a control character in the last line": (422, "Rest.\n\u0000"),
    "a separator of records": (422, "Rest.\u001eRest."),
}
"""Descriptions, and their status codes."""


def _requests() -> Iterator[Hostile]:
    path, other = f"{API}/workouts", f"{API}/workouts/<ladder>"
    new = {"name": "Wall", "score_type": "time"}
    for kind, (answer, text) in TEXTS.items():
        body = json.dumps({**new, "description": text})
        yield hostile(f"description of {kind}", "POST", path, answer, JSON, body=body)
    benchmark = {**new, "name": "\u017fteps", "benchmark": True}
    yield hostile("a twin", "POST", path, 409, JSON, body=json.dumps(benchmark))
    yield hostile(
        "a twin that is none",
        "POST",
        path,
        201,
        JSON,
        body='{"name": "STEPS", "score_type": "none"}',
    )
    unscored = {"name": "Yoga", "score_type": "none", "tie_break": "time"}
    yield hostile("no score", "POST", path, 422, JSON, body=json.dumps(unscored))
    no_score = '{"score_type": "none", "tie_break": "reps"}'
    yield hostile("no score", "PATCH", other, 422, JSON, body=no_score)
    yield hostile("delete what is used", "DELETE", f"{API}/workouts/<workout>", 409)
    programme = f"{API}/centres/<centre>/programme"
    for kind, answer, fields in (
        ("a position that is taken", 409, {}),
        ("no such workout", 409, {"workout_id": "<centre>", "position": 9}),
        ("the first day", 201, {"date": "1900-01-01"}),
        ("the last day", 201, {"date": "2199-12-31", "position": 100}),
        ("a day too early", 422, {"date": "1899-12-31"}),
        ("a day too late", 422, {"date": "2200-01-01"}),
        ("no such day", 422, {"date": "2026-02-29"}),
        ("a time", 422, {"date": "2026-12-01T00:00:00Z"}),
    ):
        body = json.dumps({"workout_id": "<workout>", "date": "2026-12-01", **fields})
        yield hostile(kind, "POST", programme, answer, JSON, body=body)
    elsewhere = f"{API}/centres/<workout>/programme"
    body = '{"workout_id": "<workout>", "date": "2026-12-01"}'
    yield hostile("no such centre", "POST", elsewhere, 404, JSON, body=body)


FEATURE = Feature(
    things=(
        Thing(
            "<workout>",
            "workouts",
            {"name": "Steps", "score_type": "time", "benchmark": True},
            "workouts/<workout>",
        ),
        Thing(
            "<ladder>", "workouts", {"name": "Ladder", "score_type": "reps"}, "workouts/<ladder>"
        ),
        Thing(
            "<programmed_workout>",
            "centres/<centre>/programme",
            {"workout_id": "<workout>", "date": "2026-12-01"},
            "programme/<programmed_workout>",
        ),
    ),
    good_filters={
        "centres/<centre>/programme": {"from after to": "from=2199-12-31&to=1900-01-01"},
    },
    requests=_requests,
)
