"""Rank a competition in plain Python: a second implementation to compare the SQL with.

It is written from the rules of scoring alone, for clarity instead of speed, and shares no code
with the product.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

ScoreType = Literal["time", "rounds_reps", "reps", "load", "distance", "calories", "points", "none"]
Best = Literal["lowest", "highest"]
TieBreak = Literal["none", "time", "reps", "load"]
Status = Literal["entered", "withdrawn", "disqualified"]
Scaling = Literal["rx_plus", "rx", "scaled", "foundations"]
Outcome = Literal["finished", "capped", "dnf", "dns"]
Review = Literal["none", "valid", "adjusted", "invalid"]
Points = Literal["place", "table"]
OverallTie = Literal["shared", "best_places"]

SCALINGS: dict[Scaling, int] = {"rx_plus": 0, "rx": 0, "scaled": 1, "foundations": 2}
MEASURES: dict[ScoreType, tuple[str, ...]] = {
    "time": ("time_ms",),
    "rounds_reps": ("rounds", "reps"),
    "reps": ("reps",),
    "load": ("load_g",),
    "distance": ("distance_mm",),
    "calories": ("calories",),
    "points": ("points",),
    "none": (),
}
"""The fields that hold a finished result, the most important first."""


@dataclass(frozen=True)
class Workout:
    """How a workout is scored. The best time of a tie-break is the lowest, else the highest."""

    score_type: ScoreType
    best: Best
    tie_break: TieBreak = "none"


@dataclass(frozen=True)
class Event:
    """A workout of a competition; ``points_table[0]`` is what the first place earns."""

    ordinal: int
    workout: Workout
    points_table: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Entry:
    """An athlete's entry; ``withdrawn_before`` is the ordinal of the first event not started."""

    key: str
    name: str
    category: str
    status: Status = "entered"
    withdrawn_before: int | None = None


@dataclass(frozen=True)
class Result:
    """What an entry did in an event. A capped result has ``reps``: those done until the cap."""

    entry: str
    event: int
    scaling: Scaling = "rx"
    outcome: Outcome = "finished"
    time_ms: int | None = None
    rounds: int | None = None
    reps: int | None = None
    load_g: int | None = None
    distance_mm: int | None = None
    calories: int | None = None
    points: int | None = None
    tie_break: int | None = None
    review: Review = "none"

    @property
    def counts(self) -> bool:
        """Whether it has a place of its own."""
        return self.outcome in ("finished", "capped") and self.review != "invalid"


@dataclass(frozen=True)
class Competition:
    """All that decides the places, totals and ranks of a competition."""

    points: Points
    overall_tie: OverallTie
    events: tuple[Event, ...]
    entries: tuple[Entry, ...]
    results: tuple[Result, ...]


class Standing(NamedTuple):
    """An entry's standing; events by ordinal, None where an event does not count."""

    rank: int | None
    points: int
    places: dict[int, int | None]
    points_by_event: dict[int, int | None]


def rank(competition: Competition) -> dict[str, Standing]:
    """Return the standing of each entry within its category, by the entry's key.

    An event in which no result of a category counts does not count there.
    """
    results: defaultdict[int, dict[str, Result]] = defaultdict(dict)
    for result in competition.results:
        if result.entry in results[result.event]:
            raise ValueError(f"{result.entry} has two results in event {result.event}")
        results[result.event][result.entry] = result
    categories: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in competition.entries:
        categories[entry.category].append(entry)
    standings: dict[str, Standing] = {}
    for entries in categories.values():
        standings |= _rank_category(competition, entries, results)
    return standings


def _rank_category(
    competition: Competition, entries: list[Entry], results: Mapping[int, Mapping[str, Result]]
) -> dict[str, Standing]:
    places: dict[str, dict[int, int | None]] = {entry.key: {} for entry in entries}
    points: dict[str, dict[int, int | None]] = {entry.key: {} for entry in entries}
    started: set[str] = set()
    for event in competition.events:
        here = results.get(event.ordinal, {})
        orders = {}
        for entry in entries:
            result = here.get(entry.key)
            if result is not None and result.outcome != "dns":
                started.add(entry.key)
            if result is not None and result.counts:
                orders[entry.key] = _order_in_event(event.workout, result)
        shared = _shared_ranks(orders)
        table = event.points_table or ()
        for entry in entries:
            place = shared.get(entry.key, len(orders) + 1) if orders else None
            places[entry.key][event.ordinal] = place
            if place is None or competition.points == "place":
                points[entry.key][event.ordinal] = place
            else:
                earns = entry.key in orders and place <= len(table)
                points[entry.key][event.ordinal] = table[place - 1] if earns else 0

    totals = {key: sum(_known(earned.values())) for key, earned in points.items()}
    ranked = [entry for entry in entries if _is_ranked(entry, started)]
    ranks = _shared_ranks(
        {
            entry.key: (
                _order_of_leaving(entry),
                totals[entry.key] if competition.points == "place" else -totals[entry.key],
                tuple(sorted(_known(places[entry.key].values())))
                if competition.overall_tie == "best_places"
                else (),
            )
            for entry in ranked
        }
    )
    return {key: Standing(ranks.get(key), totals[key], places[key], points[key]) for key in places}


def _is_ranked(entry: Entry, started: set[str]) -> bool:
    """Whether the entry has an overall rank.

    A withdrawn entry that never started has none. One that merely has no results has: published
    leaderboards rank it by its total, like any other.
    """
    if entry.status == "withdrawn":
        return entry.key in started
    return entry.status == "entered"


EventOrder = tuple[int, bool, tuple[int, ...], tuple[bool, int]]
OverallOrder = tuple[tuple[bool, int], int, tuple[int, ...]]
Order = TypeVar("Order", EventOrder, OverallOrder)


def _order_in_event(workout: Workout, result: Result) -> EventOrder:
    """Return what results are compared by: of two, the smaller is better."""
    capped = result.outcome == "capped"
    if capped:
        measure: tuple[int, ...] = (-_needed(result, "reps"),)
    else:
        sign = 1 if workout.best == "lowest" else -1
        measure = tuple(sign * _needed(result, name) for name in MEASURES[workout.score_type])
    if workout.tie_break == "none" or result.tie_break is None:
        tie_break = (True, 0)
    elif workout.tie_break == "time":
        tie_break = (False, result.tie_break)
    else:
        tie_break = (False, -result.tie_break)
    return SCALINGS[result.scaling], capped, measure, tie_break


def _order_of_leaving(entry: Entry) -> tuple[bool, int]:
    """Order those that stayed first, and the others by how late they left."""
    if entry.status != "withdrawn":
        return False, 0
    if entry.withdrawn_before is None:
        raise ValueError(f"{entry.key} has withdrawn, but before which event?")
    return True, -entry.withdrawn_before


def _shared_ranks(orders: Mapping[str, Order]) -> dict[str, int]:
    """Rank by order, smallest first: equals share a rank, and the next rank skips (1, 2, 2, 4)."""
    ranks: dict[str, int] = {}
    best_of_tie = 0
    previous: Order | None = None
    for position, key in enumerate(sorted(orders, key=orders.__getitem__), start=1):
        if orders[key] != previous:
            best_of_tie, previous = position, orders[key]
        ranks[key] = best_of_tie
    return ranks


def _known(numbers: Iterable[int | None]) -> list[int]:
    return [number for number in numbers if number is not None]


def _needed(result: Result, name: str) -> int:
    value = getattr(result, name)
    if not isinstance(value, int):
        raise ValueError(f"The result of {result.entry} in event {result.event} has no {name}")
    return value
