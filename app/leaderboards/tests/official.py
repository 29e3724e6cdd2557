"""Read published competitions: what was entered and scored, and the places it led to."""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.leaderboards.tests.oracle import (
    Competition,
    Entry,
    Event,
    OverallTie,
    Result,
    ScoreType,
    Workout,
)

DATA = Path(__file__).resolve().parents[4] / "shared/data"
QUARTERFINALS = (2021, 2022, 2023)
SEMIFINALS = (
    "2021-176",
    "2021-177",
    "2021-178",
    "2021-183",
    "2021-184",
    "2022-196",
    "2022-197",
    "2022-204",
)

NOT_FOR_TIME: dict[int, dict[int, ScoreType]] = {
    2021: {4: "load"},
    2022: {4: "load"},
    2023: {2: "reps", 4: "reps"},
}
"""Events of a quarterfinal by year; the others are for time, with a cap."""

TIME = re.compile(r"(\d+):(\d\d)(?:\.(\d{1,3}))?", re.ASCII)
REPS = re.compile(r"(\d+) reps", re.ASCII)
REPS_LEFT = re.compile(r"CAP\+(\d+)", re.ASCII)
LOAD = re.compile(r"(\d+(?:\.\d+)?) (lb|lbs|kg)", re.ASCII)
GRAMS = {"lb": Decimal("453.59237"), "lbs": Decimal("453.59237"), "kg": Decimal(1000)}


@dataclass(frozen=True)
class Published:
    """A competition and its published leaderboard; places are by entry and ordinal."""

    competition: Competition
    places: dict[tuple[str, int], int]
    points_by_event: dict[tuple[str, int], int]
    totals: dict[str, int]
    ranks: dict[str, int | None]


def read_quarterfinal(year: int, overall_tie: OverallTie = "shared") -> Published:
    """Read a quarterfinal, with its zeros that follow from the published totals."""
    folder = DATA / f"quarterfinals-{year}"
    athletes = _rows(folder / "athletes.csv")
    scores = [(row, row["official_rank"]) for row in _rows(folder / "scores.csv")]
    zeros = folder / "zeros.csv"
    if zeros.exists():
        scores += [(row, row["implied_rank"]) for row in _rows(zeros)]
    results = []
    places = {}
    for row, place in scores:
        key, ordinal = row["reference"], int(row["workout"])
        score_type = NOT_FOR_TIME[year].get(ordinal, "time")
        result = Result(key, ordinal, tie_break=_time_ms(row.get("tie_break", "")))
        results.append(_scored(result, row["score"], score_type, total_reps=None))
        places[key, ordinal] = int(place)
    competition = Competition(
        points="place",
        overall_tie=overall_tie,
        events=tuple(
            Event(ordinal, _workout(NOT_FOR_TIME[year].get(ordinal, "time"), "time asc"))
            for ordinal in range(1, 6)
        ),
        entries=tuple(Entry(row["reference"], row["name"], row["category"]) for row in athletes),
        results=tuple(results),
    )
    return Published(
        competition,
        places,
        points_by_event=places,
        totals={row["reference"]: int(row["overall_points"]) for row in athletes},
        ranks={row["reference"]: int(row["overall_rank"]) for row in athletes},
    )


def read_semifinal(name: str) -> Published:
    """Read a semifinal by its folder; missing results have published places, too."""
    folder = DATA / "semifinals" / name
    rules = json.loads((folder / "rules.json").read_text(encoding="utf-8"))
    athletes = _rows(folder / "athletes.csv")
    scores = _rows(folder / "scores.csv")
    events = {
        event["event"]: Event(
            ordinal=event["event"],
            workout=_workout(event["score_type"], event["tie_break"]),
            points_table=tuple(rules["tables"][event["points_table"]]),
        )
        for event in rules["events"]
    }
    totals = _least_totals(scores)
    results = []
    for row in scores:
        ordinal = int(row["event"])
        if row["score"]:
            result = Result(row["reference"], ordinal, tie_break=_time_ms(row["tie_break"]))
            score_type = events[ordinal].workout.score_type
            results.append(_scored(result, row["score"], score_type, totals.get(ordinal)))
    return Published(
        Competition(
            points=rules["points"],
            overall_tie=rules["overall_tie"],
            events=tuple(events.values()),
            entries=tuple(_semifinal_entry(row, rules) for row in athletes),
            results=tuple(results),
        ),
        places={(row["reference"], int(row["event"])): int(row["official_rank"]) for row in scores},
        points_by_event={
            (row["reference"], int(row["event"])): int(row["official_points"]) for row in scores
        },
        totals={row["reference"]: int(row["official_points"]) for row in athletes},
        ranks={
            row["reference"]: int(row["official_rank"]) if row["official_rank"] else None
            for row in athletes
        },
    )


def _semifinal_entry(row: dict[str, str], rules: dict[str, Any]) -> Entry:
    entry = Entry(row["reference"], row["name"], row["category"])
    if entry.key in rules["excluded"]:
        return replace(entry, status=rules["excluded"][entry.key])
    if entry.key in rules["out_before_event"]:
        before = rules["out_before_event"][entry.key]
        return replace(entry, status="withdrawn", withdrawn_before=before)
    return entry


def _workout(score_type: ScoreType, tie_break: str | None) -> Workout:
    return Workout(
        score_type,
        best="lowest" if score_type == "time" else "highest",
        tie_break="time" if tie_break == "time asc" else "none",
    )


def _least_totals(scores: Iterable[dict[str, str]]) -> dict[int, int]:
    """Return reps in all by event, where ``CAP+n`` says only how many were left.

    Any total orders them alike. This is the least that leaves nobody with less than no reps.
    """
    totals: defaultdict[int, int] = defaultdict(int)
    for row in scores:
        if left := REPS_LEFT.fullmatch(row["score"]):
            totals[int(row["event"])] = max(totals[int(row["event"])], int(left[1]))
    return totals


def _scored(result: Result, score: str, score_type: ScoreType, total_reps: int | None) -> Result:
    """Return the result with its measure; reps in an event for time are capped."""
    if score_type == "time" and (time_ms := _time_ms(score)) is not None:
        return replace(result, time_ms=time_ms)
    if score_type == "time" and (reps := REPS.fullmatch(score)):
        return replace(result, outcome="capped", reps=int(reps[1]))
    if score_type == "time" and total_reps is not None and (left := REPS_LEFT.fullmatch(score)):
        return replace(result, outcome="capped", reps=total_reps - int(left[1]))
    if score_type == "reps" and (reps := REPS.fullmatch(score)):
        return replace(result, reps=int(reps[1]))
    if score_type == "load" and (load := LOAD.fullmatch(score)):
        return replace(result, load_g=round(Decimal(load[1]) * GRAMS[load[2]]))
    raise ValueError(f"{score!r} is no score of an event for {score_type}")


def _time_ms(text: str) -> int | None:
    time = TIME.fullmatch(text)
    if time is None:
        return None
    fraction = (time[3] or "").ljust(3, "0")
    return (int(time[1]) * 60 + int(time[2])) * 1000 + int(fraction)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
