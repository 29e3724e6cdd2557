"""The workout and the programme of a centre: tables, request bodies and responses."""

import datetime as dt
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, StrictBool, model_validator
from pydantic.json_schema import SkipJsonSchema
from sqlmodel import Field as TableField
from sqlmodel import Index, Relationship, SQLModel

from app.centres.models import Centre, CentreReference
from app.core.db.constraints import RULES, Rule
from app.core.errors import Invalid
from app.core.resources.fields import (
    CalendarDate,
    ExampleId,
    JSONNumber,
    Moment,
    QueryBoolean,
    Text,
)
from app.core.resources.models import ABSENT, Payload, Row, derived_from
from app.core.resources.paging import ListQuery, NamedListQuery, Page
from app.core.resources.text import name_key
from app.workouts.errors import Frozen

LONGEST_CAP = 24 * 60 * 60 * 1000
"""The maximum of a time cap, in milliseconds: 24 hours."""
MOST_REPS = 1_000_000
LAST_POSITION = 100
FIRST_DATE = dt.date(1900, 1, 1)
"""The column ``place`` counts days from it."""

Name = Annotated[
    str,
    Text(100, name=True),
    Field(description="Unique among benchmarks; case and accents are ignored.", examples=["Fran"]),
]
Description = Annotated[
    str,
    Text(4000, lines=True),
    Field(
        description="What to do. Line breaks stay.",
        examples=["21-15-9 reps for time:\nthrusters, 42.5 or 30 kg\npull-ups"],
    ),
]
Benchmark = Annotated[
    StrictBool,
    Field(
        description="Whether it is a workout that everybody knows by its name."
        " Only administrators write benchmarks.",
        examples=[False],
    ),
]
ScoreType = Annotated[
    Literal["time", "rounds_reps", "reps", "load", "distance", "calories", "points", "none"],
    Field(
        description="What a score measures; `none` for a workout without one.", examples=["time"]
    ),
]
Best = Annotated[
    Literal["lowest", "highest"],
    Field(
        description="Which score is best. By default the lowest time, and the highest of others."
        " For a hold, the highest time is best.",
        examples=["lowest"],
    ),
]
TimeCap = Annotated[
    int,
    Field(
        ge=1,
        le=LONGEST_CAP,
        description="The time cap in milliseconds; at most 24 hours.",
        examples=[600_000],
    ),
    JSONNumber,
]
TotalReps = Annotated[
    int,
    Field(
        ge=1,
        le=MOST_REPS,
        description="The reps of the whole workout. A score like `CAP+12` needs it.",
        examples=[90],
    ),
    JSONNumber,
]
TieBreak = Annotated[
    Literal["none", "time", "reps", "load"],
    Field(description="What decides between equal scores.", examples=["none"]),
]
CentreId = Annotated[ExampleId, Field(description="The centre whose programme it is part of.")]
WorkoutId = Annotated[ExampleId, Field(description="The workout to do.")]
Date = Annotated[CalendarDate, Field(description="At the centre.", examples=["2026-12-01"])]
Position = Annotated[
    int,
    Field(
        ge=1, le=LAST_POSITION, description="The order within the day; unique in it.", examples=[1]
    ),
    JSONNumber,
]
Notes = Annotated[
    str,
    Text(1000, lines=True),
    Field(description="Line breaks stay.", examples=["Aim for less than 8 minutes."]),
]
PublishedAt = Annotated[
    Moment,
    Field(
        description="Members and devices see it from this time on; null for never.",
        examples=["2026-11-30T18:00:00+01:00"],
    ),
]


class WorkoutBase(SQLModel):
    """The fields of a workout that clients write, without ``best``."""

    name: Name
    description: Description | None = None
    benchmark: Benchmark = False
    score_type: ScoreType = TableField(sa_type=sa.Text)
    time_cap_ms: TimeCap | None = None
    total_reps: TotalReps | None = None
    tie_break: TieBreak = TableField(default="none", sa_type=sa.Text)


_RULES = {
    "ck_workouts_tie_break_of_score": Rule(
        Invalid, "tie_break", "no_score", "A workout without a score has no tie-break."
    ),
    # A trigger that comes with results reports this one.
    "ck_workouts_frozen": Rule(
        Frozen, "score_type", "frozen", "Scoring fields are frozen once there is a result."
    ),
}


class Workout(WorkoutBase, Row, table=True):
    """A workout, and how its results are scored."""

    __tablename__ = "workouts"
    __table_args__ = (
        Index(None, "name_key", "id"),
        Index(None, "created_at", "id"),
        Index(
            "uq_workouts_benchmark", "name_key", unique=True, postgresql_where=sa.text("benchmark")
        ),
        # The target of the foreign key of results.
        sa.UniqueConstraint("id", "score_type", "best", "tie_break"),
        sa.CheckConstraint(
            "score_type IN ('time', 'rounds_reps', 'reps', 'load', 'distance', 'calories',"
            " 'points', 'none')",
            name="score_type",
        ),
        sa.CheckConstraint("best IN ('lowest', 'highest')", name="best"),
        sa.CheckConstraint("tie_break IN ('none', 'time', 'reps', 'load')", name="tie_break"),
        sa.CheckConstraint("score_type <> 'none' OR tie_break = 'none'", "tie_break_of_score"),
        sa.CheckConstraint(f"time_cap_ms BETWEEN 1 AND {LONGEST_CAP}", name="time_cap_ms"),
        sa.CheckConstraint(f"total_reps BETWEEN 1 AND {MOST_REPS}", name="total_reps"),
        {"info": {RULES: _RULES}},
    )

    best: Best = TableField(sa_type=sa.Text)
    name_key: str = derived_from("name", name_key)


class WorkoutCreate(WorkoutBase, Payload):
    """A new workout."""

    best: Best = ABSENT

    @model_validator(mode="after")
    def _default_best(self) -> Self:
        if self.best is ABSENT:
            self.best = "lowest" if self.score_type == "time" else "highest"
        return self


class WorkoutUpdate(Payload):
    """The fields of a workout to change. Absent fields stay unchanged.

    The scoring fields (`score_type`, `best`, `time_cap_ms`, `total_reps` and `tie_break`) are
    frozen once there is a result.
    """

    name: Name = ABSENT
    description: Description | None = None
    benchmark: Benchmark = ABSENT
    score_type: ScoreType = ABSENT
    best: Best = ABSENT
    time_cap_ms: TimeCap | None = None
    total_reps: TotalReps | None = None
    tie_break: TieBreak = ABSENT


class WorkoutRead(WorkoutBase, Row):
    """A workout."""

    best: Best


class WorkoutPage(Page[WorkoutRead]):
    """A page of workouts."""


class WorkoutReference(SQLModel):
    """A workout, as part of other resources."""

    id: ExampleId
    name: Name


class WorkoutsQuery(NamedListQuery):
    """Query parameters of the list of workouts."""

    benchmark: QueryBoolean | SkipJsonSchema[None] = Field(
        default=None, description="Whether to list only benchmarks, or only other workouts."
    )
    score_type: ScoreType | SkipJsonSchema[None] = None


class ProgrammeBase(SQLModel):
    """The fields of a workout in a programme that clients write, without the workout."""

    date: Date
    position: Position = 1
    notes: Notes | None = None
    published_at: PublishedAt | None = None


class ProgrammedWorkout(ProgrammeBase, Row, table=True):
    """A workout in the programme of a centre: what is done there on a day."""

    __tablename__ = "programmed_workouts"
    __table_args__ = (
        sa.UniqueConstraint("centre_id", "date", "position"),
        Index(None, "centre_id", "place", "id"),
        Index(None, "workout_id"),
        sa.CheckConstraint(f"position BETWEEN 1 AND {LAST_POSITION}", name="position"),
        sa.CheckConstraint(f"date >= '{FIRST_DATE}'", name="date"),
    )

    centre_id: UUID = TableField(foreign_key="centres.id")
    workout_id: UUID = TableField(foreign_key="workouts.id")
    place: str = TableField(
        sa_column=sa.Column(
            sa.Text(collation="C"),
            sa.Computed(
                f"lpad(((date - '{FIRST_DATE}'::date) * 1000 + position)::text, 9, '0')",
                persisted=True,
            ),
            nullable=False,
        )
    )
    """The sort key of the list: the date, then the position."""

    centre: Centre = Relationship(sa_relationship_kwargs={"lazy": "raise"})
    workout: Workout = Relationship(sa_relationship_kwargs={"lazy": "raise"})


class ProgrammeCreate(ProgrammeBase, Payload):
    """A workout to add to the programme of a centre."""

    workout_id: WorkoutId


class ProgrammeUpdate(Payload):
    """The fields of a workout in a programme to change. Absent fields stay unchanged."""

    date: Date = ABSENT
    position: Position = ABSENT
    workout_id: WorkoutId = ABSENT
    notes: Notes | None = None
    published_at: PublishedAt | None = None


class WorkoutContent(WorkoutReference):
    """A workout, as part of a programme."""

    description: Description | None
    score_type: ScoreType
    best: Best
    time_cap_ms: TimeCap | None
    total_reps: TotalReps | None
    tie_break: TieBreak


class ProgrammeOfDay(SQLModel):
    """A workout in the programme of a day."""

    id: ExampleId
    position: Position
    notes: Notes | None
    workout: WorkoutContent


class ProgrammeRead(ProgrammeBase, Row):
    """A workout in the programme of a centre."""

    centre: CentreReference
    workout: WorkoutContent


class ProgrammePage(Page[ProgrammeRead]):
    """A page of the programme of a centre."""


class ProgrammeQuery(ListQuery):
    """Query parameters of the programme of a centre."""

    from_: CalendarDate | SkipJsonSchema[None] = Field(
        default=None, alias="from", description="Only workouts of this date or later."
    )
    to: CalendarDate | SkipJsonSchema[None] = Field(
        default=None, description="Only workouts of this date or earlier."
    )
    sort: Literal["date", "-date"] = Field(
        default="date",
        description="What to sort by, and then by the position; `-` for descending.",
    )

    def filters(self) -> dict[str, Any]:
        """Return the filters that were given, by name: places instead of dates."""
        given = super().filters()
        if self.from_ is not None:
            given["from_"] = _place(self.from_, 0)
        if self.to is not None:
            given["to"] = _place(self.to, LAST_POSITION)
        return given


def _place(date: dt.date, position: int) -> str:
    """Return what the column ``place`` has for a date and a position."""
    return f"{(date - FIRST_DATE).days * 1000 + position:09}"
