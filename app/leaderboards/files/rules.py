"""The rules of a competition in a folder: how it is scored and ranked."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from app.competitions.models import (
    MOST_EVENTS,
    Name,
    Ordinal,
    OverallTie,
    Points,
    PointsTable,
    Zone,
)
from app.workouts.models import ScoreType, TimeCap, TotalReps

Columns = Annotated[dict[str, str], Field(max_length=20)]
"""The title of each column that a file calls otherwise."""
MOST_ATHLETES = 100_000
"""How many exceptions the rules can name."""


class EventRules(BaseModel):
    """An event: how its workout is scored, and the name of its points table."""

    event: Ordinal
    score_type: ScoreType
    lowest: bool | None = None
    """Whether the lowest score is best; by default it is for times."""
    points_table: str | None = None
    tie_break: Literal["time asc", "reps desc", "load desc"] | None = None
    time_cap_ms: TimeCap | None = None
    total_reps: TotalReps | None = None

    @property
    def best(self) -> Literal["lowest", "highest"]:
        """Which score is best."""
        lowest = self.score_type == "time" if self.lowest is None else self.lowest
        return "lowest" if lowest else "highest"

    @property
    def decides(self) -> Literal["none", "time", "reps", "load"]:
        """What decides between equal scores."""
        if self.tie_break is None:
            return "none"
        kind: dict[str, Literal["time", "reps", "load"]] = {
            "time asc": "time",
            "reps desc": "reps",
            "load desc": "load",
        }
        return kind[self.tie_break]


class Missing(BaseModel):
    """What a missing result gets: the only rule that there is, so that no other is imported."""

    place: Literal["scored+1"] = "scored+1"
    points: Literal[0] = 0


class AddedScores(BaseModel):
    """A file with more scores, which a verification counts apart."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+\.csv$")]
    columns: Columns = {}


class Rules(BaseModel):
    """The rules of a competition: ``rules.json``."""

    competition: Name
    time_zone: Zone = "UTC"
    starts_on: dt.date | None = None
    ends_on: dt.date | None = None
    points: Points
    overall_tie: OverallTie
    missing: Missing = Missing()
    tables: dict[str, PointsTable] = {}
    events: Annotated[list[EventRules], Field(min_length=1, max_length=MOST_EVENTS)]
    out_before_event: Annotated[dict[str, Ordinal], Field(max_length=MOST_ATHLETES)] = {}
    """The first event without an athlete who withdrew, by reference."""
    excluded: Annotated[dict[str, Literal["disqualified"]], Field(max_length=MOST_ATHLETES)] = {}
    """The disqualified athletes, by reference."""
    athletes: Columns = {}
    """The titles of columns in athletes.csv."""
    scores: Columns = {}
    """The titles of columns in scores.csv."""
    added_scores: Annotated[list[AddedScores], Field(max_length=10)] = []

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        ordinals = [event.event for event in self.events]
        if len(set(ordinals)) < len(ordinals):
            raise ValueError("two events have the same number")
        for event in self.events:
            if (event.points_table is None) != (self.points == "place"):
                raise ValueError(f"event {event.event} needs a points table if points are table")
            if event.points_table is not None and event.points_table not in self.tables:
                raise ValueError(f"there is no points table {event.points_table}")
        if both := self.out_before_event.keys() & self.excluded.keys():
            raise ValueError(f"{', '.join(sorted(both))} withdrew and is excluded")
        return self

    def table_of(self, event: EventRules) -> list[int] | None:
        """Return the points table of an event."""
        return None if event.points_table is None else self.tables[event.points_table]

    def status_of(self, reference: str) -> tuple[str, int | None]:
        """Return the status of an entry, and the event before which the athlete withdrew."""
        if reference in self.excluded:
            return self.excluded[reference], None
        before = self.out_before_event.get(reference)
        return ("entered", None) if before is None else ("withdrawn", before)


def read_rules(path: Path) -> Rules:
    """Read a file of rules; raise ``ValueError`` with what is wrong, or ``OSError``."""
    try:
        return Rules.model_validate_json(path.read_bytes())
    except ValidationError as error:
        reasons = (_reason(details) for details in error.errors(include_url=False)[:10])
        raise ValueError("; ".join(reasons)) from None


def _reason(details: Mapping[str, object]) -> str:
    where = ".".join(map(str, details["loc"])) if isinstance(details["loc"], tuple) else ""
    return f"{where}: {details['msg']}" if where else str(details["msg"])
