"""Hostile requests about results: scores, tie-breaks, and fields that do not fit together."""

import json
from collections.abc import Iterator
from typing import Any

from app.api.tests.hostile.requests import JSON, Feature, Hostile, Thing, hostile
from app.conftest import API
from app.results.models import MEASURES

TIMES: dict[str, int] = {
    "6:21": 201,
    "12:14.82": 201,
    " 6:21 ": 201,
    "DNF": 201,
    "dns": 201,
    "0:00": 201,
    "23:59:59.999": 201,
    "171 reps": 201,
    "cap+12": 422,
    ".57": 422,
    "0:75": 422,
    "57": 422,
    "-6:21": 422,
    "6:21:75": 422,
    "102.5 kg": 422,
    "5+12": 422,
    "6:21 6:22": 422,
    "99999999999999999999:00": 422,
    "\u0666:\u0662\u0661": 422,
    "6:21\u0000": 422,
}
"""Scores of a workout for time without a number of reps, and their status codes."""
TYPED: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("a time", 201, {"time_ms": 0}),
    ("a capped result", 201, {"outcome": "capped", "reps": 0}),
    ("no score", 422, {}),
    ("a score twice", 422, {"score": "6:21", "time_ms": 381_000}),
    ("a load", 422, {"load_g": 1000}),
    ("a time and reps", 422, {"time_ms": 1000, "reps": 1}),
    ("a capped time", 422, {"outcome": "capped", "time_ms": 1000}),
    ("a time that is DNF", 422, {"outcome": "dnf", "time_ms": 1000}),
    ("a negative time", 422, {"time_ms": -1}),
    ("25 hours", 422, {"time_ms": 90_000_000}),
    ("a number that no column has", 422, {"time_ms": 2**70}),
    ("a tie-break that the workout has not", 422, {"score": "6:21", "tie_break": "4:10"}),
    ("another scaling", 422, {"score": "6:21", "scaling": "RX"}),
    ("a result in the future", 422, {"score": "6:21", "performed_at": "2100-01-01T00:00:00Z"}),
    ("no web address", 422, {"score": "6:21", "video_url": "javascript:alert(1)"}),
    ("a file", 422, {"score": "6:21", "video_url": "file:///etc/passwd"}),
)


def _requests() -> Iterator[Hostile]:
    path = f"{API}/results"
    new = {"athlete_id": "<athlete>", "workout_id": "<workout>", "centre_id": "<centre>"}
    for score, answer in TIMES.items():
        body = json.dumps({**new, "score": score})
        yield hostile(f"score {score!a}", "POST", path, answer, JSON, body=body)
    for kind, answer, fields in TYPED:
        yield hostile(kind, "POST", path, answer, JSON, body=json.dumps({**new, **fields}))
    for kind, answer, fields in (
        ("no such centre", 409, {"centre_id": "<workout>"}),
        ("no such workout", 409, {"workout_id": "<centre>"}),
        ("no such athlete", 409, {"athlete_id": "<centre>"}),
        ("no such training", 409, {"training_id": "<centre>"}),
    ):
        body = json.dumps({**new, "score": "6:21", **fields})
        yield hostile(kind, "POST", path, answer, JSON, body=body)
    draft = f"{API}/competition-events/<first>/results/<enters>"
    yield hostile("a result in a draft", "PUT", draft, 409, JSON, body='{"score": "6:21"}')
    for first, second in (("<entry>", "<event>"), ("<event>", "<athlete>")):
        unknown = f"{API}/competition-events/{first}/results/{second}"
        yield hostile("no such entry", "PUT", unknown, 404, JSON, body='{"score": "6:21"}')
    review = f"{API}/results/<result>/review"
    for kind, fields in (
        ("adjusted without a score", {"review": "adjusted", "reason": "x"}),
        ("adjusted without a reason", {"review": "adjusted", "score": "6:20"}),
        ("valid with a score", {"review": "valid", "score": "6:20"}),
        ("none", {"review": "none"}),
    ):
        yield hostile(f"review: {kind}", "POST", review, 422, JSON, body=json.dumps(fields))


FEATURE = Feature(
    things=(
        Thing(
            "<result>",
            "results",
            {
                "athlete_id": "<athlete>",
                "workout_id": "<workout>",
                "centre_id": "<centre>",
                "score": "6:21",
            },
            "results/<result>",
        ),
        Thing(
            "<scored>",
            "competition-events/<event>/results/<entry>",
            {"score": "6:21"},
            "results/<scored>",
            "PUT",
        ),
    ),
    requests=_requests,
    dependent=frozenset({"score", "tie_break", "tie_break_value", "outcome", *MEASURES}),
)
