"""A sample throwdown: ties, a time cap, scaled results, and kilograms beside pounds."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

PLACE = "Anvil CrossFit"
"""The centre that hosts it, and whose members take part."""
NAME = "Anvil Throwdown"
LEVELS = "Intermediate", "Advanced"
"""The categories with a leaderboard."""
WORKOUTS: list[dict[str, Any]] = [
    {
        "name": f"{NAME}: Sprint",
        "description": "4 rounds:\n15 wall balls\n15 box jumps\n\nTie-break: the time of 90 reps.",
        "score_type": "time",
        "time_cap_ms": 8 * 60 * 1000,
        "total_reps": 120,
        "tie_break": "time",
    },
    {
        "name": f"{NAME}: Ladder",
        "description": "12 minutes, as many rounds as possible:\n6 burpees\n9 pull-ups\n12 lunges",
        "score_type": "rounds_reps",
        "time_cap_ms": 12 * 60 * 1000,
    },
    {
        "name": f"{NAME}: Lift",
        "description": "The heaviest clean and jerk in 10 minutes.",
        "score_type": "load",
    },
]


class Scores(NamedTuple):
    """The scores of an athlete in the events, and the tie-break of the first one."""

    scores: tuple[str | None, str | None, str | None]
    tie_break: str | None = None
    scaling: str = "rx"
    withdraws: bool = False
    """Whether the athlete withdraws before the last event."""


SCORES = [
    Scores(("6:21", "9+4", "102.5 kg")),
    Scores(("6:21", "9+4", "225 lb")),
    Scores(("7:04.5", "8+20", "100 kg")),
    Scores(("CAP+12", "8+2", "205 lb"), tie_break="6:10"),
    Scores(("CAP+12", "7+14", "90 kg"), tie_break="6:02"),
    Scores(("5:58", "10+1", "80 kg"), scaling="scaled"),
    Scores(("DNF", "6+9", "95 kg")),
    Scores(("7:48", "7+3", None), withdraws=True),
]


def competition(centre: dict[str, Any], today: date) -> dict[str, Any]:
    """Return the throwdown, which begins today."""
    return {
        "name": NAME,
        "centre_id": centre["id"],
        "time_zone": centre["time_zone"],
        "starts_on": today.isoformat(),
        "ends_on": (today + timedelta(days=1)).isoformat(),
    }


def results(athlete: Scores) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the results of an athlete, each with the number of its event, from 0."""
    for number, score in enumerate(athlete.scores):
        if score is not None:
            tie_break = athlete.tie_break if number == 0 else None
            yield number, {"score": score, "tie_break": tie_break, "scaling": athlete.scaling}
