"""From the score in a request to the columns of a result."""

from typing import Any

from app.core.errors import Invalid
from app.results.models import MEASURES, ScoreFields
from app.workouts.scores import (
    Score,
    ScoreError,
    Scoring,
    check_score,
    check_tie_break,
    format_score,
    format_tie_break,
    parse_score,
    parse_tie_break,
)

TYPED = "outcome", *MEASURES
"""The fields of a score that is not given as text."""


def scoring_of(workout: Any) -> Scoring:
    """Return how a workout is scored, given its columns."""
    return Scoring(
        workout["score_type"],
        workout["best"],
        workout["time_cap_ms"],
        workout["total_reps"],
        workout["tie_break_by"],
    )


def score_columns(given: ScoreFields, scoring: Scoring) -> dict[str, Any]:
    """Return the columns of a result that follow from a score; raise ``Invalid``."""
    try:
        score, entered = _score(given, scoring)
    except ScoreError as error:
        field = "score" if given.score is not None else _first_typed(given)
        raise Invalid.of_field(f"/{field}", error.code, error.detail) from None
    value, tie_break_entered = _tie_break(given, scoring, score)
    return {
        **score._asdict(),
        "entered": entered,
        "tie_break": value,
        "tie_break_entered": tie_break_entered,
    }


def gives_score(given: ScoreFields) -> bool:
    """Return whether a request has a score or a tie-break."""
    return not given.model_fields_set.isdisjoint(ScoreFields.model_fields)


def _first_typed(given: ScoreFields) -> str:
    return next((name for name in TYPED if getattr(given, name) is not None), "score")


def _score(given: ScoreFields, scoring: Scoring) -> tuple[Score, str | None]:
    typed = {name: getattr(given, name) for name in TYPED if getattr(given, name) is not None}
    if given.score is not None:
        if typed:
            name = next(iter(typed))
            detail = "Write the score as text, or its fields, not both."
            raise Invalid.of_field(f"/{name}", "exclusive", detail)
        return parse_score(given.score, scoring), given.score
    if not typed and scoring.score_type != "none":
        raise Invalid.of_field("/score", "missing", "A result needs a score.")
    score = Score(**{"outcome": "finished", **typed})
    check_score(score, scoring)
    return score, format_score(score, scoring)


def _tie_break(given: ScoreFields, scoring: Scoring, score: Score) -> tuple[int | None, str | None]:
    """Return the tie-break and its text; raise ``Invalid``."""
    text, value = given.tie_break, given.tie_break_value
    if text is None and value is None:
        return None, None
    field = "tie_break" if value is None else "tie_break_value"
    if text is not None and value is not None:
        detail = "Write the tie-break as text, or its value, not both."
        raise Invalid.of_field("/tie_break_value", "exclusive", detail)
    if scoring.tie_break == "none":
        detail = "This workout has no tie-break."
        raise Invalid.of_field(f"/{field}", "no_tie_break", detail)
    if score.outcome in {"dnf", "dns"}:
        detail = "A result that is DNF or DNS has no tie-break."
        raise Invalid.of_field(f"/{field}", "no_tie_break", detail)
    try:
        if value is not None:
            check_tie_break(value, scoring)
            return value, format_tie_break(value, scoring)
        assert text is not None
        return parse_tie_break(text, scoring), text
    except ScoreError as error:
        raise Invalid.of_field(f"/{field}", error.code, error.detail) from None
