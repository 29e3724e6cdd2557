"""Scores as people type them: parsed, checked and formatted, without a database.

Measures are integers: milliseconds, grams, millimetres, and counts. A load or a distance is
converted exactly and rounded half up once, so loads that differ by half a pound stay distinct.
"""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

LONGEST_SCORE = 64
"""The maximum length of a typed score, in characters."""
LONGEST_TIME_MS = 24 * 60 * 60 * 1000
MOST_ROUNDS = 2**15 - 1
MOST_REPS_OF_A_ROUND = 2**16 - 1
MOST = 1_000_000
"""The maximum of reps, calories and points."""
HEAVIEST_G = 2_000_000
FARTHEST_MM = 1_000_000_000
LARGEST_TIE_BREAK = 2**23 - 2
"""A key of results keeps 23 bits for it, and all ones for a result without a tie-break."""


class Scoring(NamedTuple):
    """How the results of a workout are scored."""

    score_type: str
    best: str
    time_cap_ms: int | None
    total_reps: int | None
    tie_break: str


class Score(NamedTuple):
    """A result: its outcome, and the measures that the workout and the outcome need."""

    outcome: str
    """``finished``, ``capped``, ``dnf`` or ``dns``."""
    time_ms: int | None = None
    rounds: int | None = None
    reps: int | None = None
    """Those that were done, also of a capped result."""
    load_g: int | None = None
    distance_mm: int | None = None
    calories: int | None = None
    points: int | None = None


class ScoreError(ValueError):
    """A score that cannot be a result of the workout."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


_MAXIMA: Mapping[str, Mapping[str, int]] = {
    "time": {"time_ms": LONGEST_TIME_MS},
    "rounds_reps": {"rounds": MOST_ROUNDS, "reps": MOST_REPS_OF_A_ROUND},
    "reps": {"reps": MOST},
    "load": {"load_g": HEAVIEST_G},
    "distance": {"distance_mm": FARTHEST_MM},
    "calories": {"calories": MOST},
    "points": {"points": MOST},
    "none": {},
}
"""The fields of a finished result by score type, and the maximum of each."""

_WANTED = {
    "time": "a time: write minutes and seconds like 6:21, or a unit like 45 s",
    "rounds_reps": "rounds and reps: write them like 5+12, or 5 rounds",
    "reps": "reps: write a number like 171",
    "load": "a load: write it with its unit, like 102.5 kg or 225 lb",
    "distance": "a distance: write it with its unit, like 400 m, 1.2 km or 3 mi",
    "calories": "calories: write a number like 35 cal",
    "points": "points: write a number like 95",
    "none": "done or not: write done, DNF or DNS",
}

_CLOCK = re.compile(
    r"(?:(?P<hours>\d+):(?=\d\d:))?(?P<minutes>\d*):(?P<seconds>\d\d)(?:[.,](?P<part>\d{1,3}))?",
    re.ASCII,
)
_LONG_TIME = re.compile(
    r"(?=\d)(?:(?P<hours>\d+) ?(?:h|hrs?|hours?))? ?"
    r"(?:(?P<minutes>\d+) ?(?:mins?|minutes?))? ?"
    r"(?:(?P<seconds>\d+)(?:[.,](?P<part>\d{1,3}))? ?(?:s|secs?|seconds?))?",
    re.ASCII,
)
_ROUNDS = re.compile(
    r"(\d+) ?\+ ?(\d+)"
    r"|(\d+) ?(?:rounds?|rds?)(?:(?: ?\+ ?| and | )(\d+) ?(?:reps?)?)?",
    re.ASCII,
)
_LEFT = re.compile(r"cap ?\+ ?(\d+)(?: ?reps?)?", re.ASCII)
_REPS_DONE = re.compile(r"(\d+) ?reps?", re.ASCII)
_COUNTS = {
    "reps": re.compile(r"(\d+)(?: ?reps?)?", re.ASCII),
    "calories": re.compile(r"(\d+)(?: ?(?:cals?|calories|kcal))?", re.ASCII),
    "points": re.compile(r"(\d+)(?: ?(?:pts?|points?))?", re.ASCII),
}
_AMOUNT = re.compile(r"(\d+(?:([.,])(\d{1,6}))?) ?([a-z]+)", re.ASCII)

_GRAMS = {
    **dict.fromkeys(("kg", "kgs", "kilo", "kilos"), Decimal(1000)),
    **dict.fromkeys(("lb", "lbs", "pound", "pounds"), Decimal("453.59237")),
}
_MILLIMETRES = {
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters"), Decimal(1000)),
    **dict.fromkeys(("km", "kms", "kilometre", "kilometres", "kilometers"), Decimal(1_000_000)),
    **dict.fromkeys(("mi", "mile", "miles"), Decimal(1_609_344)),
    "cm": Decimal(10),
    **dict.fromkeys(("ft", "feet", "foot"), Decimal("304.8")),
}


def parse_score(text: str, scoring: Scoring) -> Score:
    """Parse a score as people type it; raise ``ScoreError``.

    In a workout for time, reps are those of an athlete who did not finish before the time cap, and
    ``CAP+12`` leaves 12 of them.
    """
    typed = _typed(text)
    if typed in {"dnf", "dns"}:
        return Score(typed)
    kind = scoring.score_type
    is_for_time = kind == "time" and scoring.best == "lowest"
    score = (_capped(typed, scoring.total_reps) if is_for_time else None) or _parsed(typed, kind)
    if score is None:
        raise _not_wanted(typed, kind, "This workout is scored by")
    check_score(score, scoring)
    return score


def parse_tie_break(text: str, scoring: Scoring) -> int:
    """Parse a tie-break: milliseconds, reps or grams; raise ``ScoreError``."""
    kind = _tie_break_of(scoring)
    typed = _typed(text)
    score = _parsed(typed, kind)
    if score is None:
        raise _not_wanted(typed, kind, "The tie-break of this workout is")
    (field,) = _MAXIMA[kind]
    value: int = getattr(score, field)
    check_tie_break(value, scoring)
    return value


def check_score(score: Score, scoring: Scoring) -> None:
    """Check that a score has exactly what the workout and the outcome need, in range.

    A time above the time cap is a finish. Raise ``ScoreError``.
    """
    maxima = _needed(score.outcome, scoring)
    for field, value in list(score._asdict().items())[1:]:
        named = field.partition("_")[0]
        if field not in maxima:
            if value is not None:
                raise ScoreError("not_needed", f"This result has no {named}.")
        elif value is None:
            raise ScoreError("missing", f"This result needs {named}.")
        elif not 0 <= value <= maxima[field]:
            most = _maximum(named, maxima[field])
            raise ScoreError("out_of_range", f"The {named} must be from 0 to {most}.")
    total = scoring.total_reps
    if score.outcome == "capped" and total is not None and (score.reps or 0) > total:
        # CAP+0 is published: all reps were done, but the finish line was not reached in time.
        raise ScoreError(
            "not_capped", f"A capped result has at most the {total} reps of the workout."
        )


def check_tie_break(value: int, scoring: Scoring) -> None:
    """Check that the workout has a tie-break, and that the value is in range.

    Raise ``ScoreError``.
    """
    kind = _tie_break_of(scoring)
    (maximum,) = _MAXIMA[kind].values()
    maximum = min(maximum, LARGEST_TIE_BREAK)
    if not 0 <= value <= maximum:
        most = _maximum(kind, maximum)
        raise ScoreError("out_of_range", f"The tie-break must be from 0 to {most}.")


def format_score(score: Score, scoring: Scoring) -> str:
    """Return the text of a valid score; ``parse_score`` makes the same score of it."""
    if score.outcome in {"dnf", "dns"}:
        return score.outcome.upper()
    if score.outcome == "capped":
        done, total = score.reps or 0, scoring.total_reps
        return _counted(done, "reps") if total is None else f"CAP+{total - done}"
    kind = scoring.score_type
    if kind == "none":
        return "done"
    if kind == "rounds_reps":
        return f"{score.rounds}+{score.reps}"
    (field,) = _MAXIMA[kind]
    return _formatted(kind, getattr(score, field))


def format_tie_break(value: int, scoring: Scoring) -> str:
    """Return the text of a valid tie-break; ``parse_tie_break`` makes the same value of it."""
    return _formatted(_tie_break_of(scoring), value)


def _typed(text: str) -> str:
    """Return a text in lower case and with single spaces; raise ``ScoreError``."""
    if len(text) > LONGEST_SCORE:
        raise ScoreError("too_long", f"A score has at most {LONGEST_SCORE} characters.")
    typed = " ".join(text.split()).lower()
    if not typed:
        raise ScoreError("empty", "Write a score, or DNF or DNS.")
    return typed


def _needed(outcome: str, scoring: Scoring) -> Mapping[str, int]:
    """Return the fields that an outcome needs, and the maximum of each; raise ``ScoreError``."""
    if outcome == "finished":
        return _MAXIMA[scoring.score_type]
    if outcome == "capped":
        if scoring.score_type != "time" or scoring.best != "lowest":
            raise ScoreError("not_capped", "Only a workout for time has capped results.")
        return _MAXIMA["reps"]
    return {}


def _parsed(typed: str, kind: str) -> Score | None:
    """Parse a finished result of some score type; return None if it is none."""
    if kind == "none":
        return Score("finished") if typed == "done" else None
    if kind == "rounds_reps":
        found = _ROUNDS.fullmatch(typed)
        if found is None:
            return None
        rounds, reps = found[1] or found[3], found[2] or found[4] or "0"
        return Score("finished", rounds=int(rounds), reps=int(reps))
    if kind == "time":
        value = _milliseconds(typed)
    elif kind in _COUNTS:
        counted = _COUNTS[kind].fullmatch(typed)
        value = int(counted[1]) if counted else None
    else:
        value = _converted(typed, _GRAMS if kind == "load" else _MILLIMETRES)
    (field,) = _MAXIMA[kind]
    measured: dict[str, Any] = {field: value}
    return None if value is None else Score("finished", **measured)


def _capped(typed: str, total: int | None) -> Score | None:
    """Parse the score of an athlete who did not finish a workout for time before its cap."""
    if done := _REPS_DONE.fullmatch(typed):
        return Score("capped", reps=int(done[1]))
    left = _LEFT.fullmatch(typed)
    if left is None:
        return None
    if total is None:
        raise ScoreError(
            "no_total",
            "This workout does not say how many reps it has: write those done, like 171 reps.",
        )
    if int(left[1]) > total:
        raise ScoreError("out_of_range", f"The reps left must be from 0 to {total}.")
    return Score("capped", reps=total - int(left[1]))


def _milliseconds(typed: str) -> int | None:
    """Parse a time; return None if it is none, and raise ``ScoreError`` if no clock shows it."""
    clock = _CLOCK.fullmatch(typed)
    found = clock or _LONG_TIME.fullmatch(typed)
    if found is None:
        return None
    hours, minutes, seconds = (int(found[part] or 0) for part in ("hours", "minutes", "seconds"))
    if clock and (seconds > 59 or (found["hours"] and minutes > 59)):
        raise ScoreError("no_such_time", "Seconds, and minutes after hours, go from 00 to 59.")
    part = int((found["part"] or "0").ljust(3, "0"))
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + part


def _converted(typed: str, units: Mapping[str, Decimal]) -> int | None:
    """Parse an amount with a unit; return None if it is none, and raise ``ScoreError``."""
    found = _AMOUNT.fullmatch(typed)
    if found is None or found[4] not in units:
        return None
    number, separator, decimals, unit = found.groups()
    if separator == "," and len(decimals) == 3:
        # 1,047 lb is a thousand in English, and about one in many other languages.
        whole = number.partition(",")[0]
        raise ScoreError(
            "ambiguous", f"Write {whole}{decimals} {unit}, or {whole}.{decimals} {unit}."
        )
    exact = Decimal(number.replace(",", ".")) * units[unit]
    return int(exact.to_integral_value(ROUND_HALF_UP))


def _not_wanted(typed: str, kind: str, scored_by: str) -> ScoreError:
    """Make the error for a score that is no score of some type."""
    return ScoreError(
        "wrong_unit" if _is_of_another_type(typed, kind) else "not_a_score",
        f"{scored_by} {_WANTED[kind]}.",
    )


def _is_of_another_type(typed: str, kind: str) -> bool:
    if _LEFT.fullmatch(typed):
        return True
    try:
        others = _MAXIMA.keys() - {kind}
        return not typed.isdigit() and any(_parsed(typed, other) for other in others)
    except ScoreError:
        return True


def _tie_break_of(scoring: Scoring) -> str:
    """Return the kind of tie-break of a workout; raise ``ScoreError`` if it has none."""
    if scoring.tie_break == "none":
        raise ScoreError("no_tie_break", "This workout has no tie-break.")
    return scoring.tie_break


def _formatted(kind: str, value: int) -> str:
    """Return the text of a finished result with one measure."""
    if kind == "time":
        return _clock(value)
    if kind == "load":
        return f"{_thousandths(value)} kg"
    if kind == "distance":
        return f"{_thousandths(value)} m"
    return _counted(value, {"calories": "cal"}.get(kind, kind))


def _maximum(kind: str, value: int) -> str:
    return _formatted(kind, value) if kind in {"time", "load", "distance"} else str(value)


def _counted(count: int, what: str) -> str:
    return f"{count} {what.removesuffix('s') if count == 1 else what}"


def _clock(milliseconds: int) -> str:
    seconds, part = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    decimals = f".{part:03}".rstrip("0").rstrip(".")
    if hours:
        return f"{hours}:{minutes:02}:{seconds:02}{decimals}"
    return f"{minutes}:{seconds:02}{decimals}"


def _thousandths(value: int) -> str:
    whole, part = divmod(value, 1000)
    return f"{whole}.{part:03}".rstrip("0").rstrip(".")
