"""Results: tables, request bodies and responses."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from pydantic.functional_validators import AfterValidator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field as TableField
from sqlmodel import Index, Relationship, SQLModel

from app.athletes.models import Athlete, AthleteReference
from app.categories.models import Category, CategoryReference
from app.centres.models import Centre, CentreReference
from app.competitions.models import (
    Competition,
    CompetitionEvent,
    CompetitionReference,
    Entry,
)
from app.core.db.schema import NOW
from app.core.resources.fields import CalendarDate, ExampleId, Id, JSONNumber, Moment, Text
from app.core.resources.models import ABSENT, Payload, Row
from app.core.resources.paging import ListQuery, Page
from app.core.resources.projection import ReadAs
from app.trainings.models import Training
from app.workouts.models import Best, ScoreType, TieBreak, Workout

SCALINGS = "rx_plus", "rx", "scaled", "foundations"
MEASURES = "time_ms", "rounds", "reps", "load_g", "distance_mm", "calories", "points"
"""The columns with the measure of a score."""
SCORE = "outcome", *MEASURES, "tie_break", "entered", "tie_break_entered"
"""The columns that follow from a score."""
LARGEST = 2**31 - 1
"""The largest measure: it has 31 bits in ``place_key``."""
NO_TIE_BREAK = 2**23 - 1
"""The tie-break of a result without one: all 23 bits of it in ``place_key``."""

Scaling = Annotated[
    Literal["rx_plus", "rx", "scaled", "foundations"],
    Field(description="`rx_plus` and `rx` rank equal, before `scaled`, before `foundations`."),
]
Outcome = Annotated[
    Literal["finished", "capped", "dnf", "dns"],
    Field(
        description="`capped`: stopped by the time cap, with `reps` done. `dnf`: did not finish."
        " `dns`: did not start.",
        examples=["finished"],
    ),
]
Review = Annotated[
    Literal["none", "valid", "adjusted", "invalid"],
    Field(description="An `invalid` result has no place.", examples=["none"]),
]
ScoreText = Annotated[
    str,
    Text(64),
    Field(
        description="The score as people say it: `6:21`, `5+12`, `171 reps`, `CAP+12`,"
        " `102.5 kg`, `455 lb`, `DNF`. Instead of it, write the fields of its measure.",
        examples=["6:21"],
    ),
]
TieBreakText = Annotated[
    str, Text(64), Field(description="The tie-break as people say it: `4:10`.", examples=[None])
]


def _measure(description: str, most: int = LARGEST) -> Any:
    return Field(ge=0, le=most, description=description)


TimeMs = Annotated[int, _measure("The time in milliseconds.", 86_400_000), JSONNumber]
Rounds = Annotated[int, _measure("Full rounds.", 32_767), JSONNumber]
Reps = Annotated[
    int, _measure("Reps; besides rounds, those of the last one.", 1_000_000), JSONNumber
]
LoadG = Annotated[int, _measure("The load in grams.", 2_000_000), JSONNumber]
DistanceMm = Annotated[int, _measure("The distance in millimetres.", LARGEST), JSONNumber]
Calories = Annotated[int, _measure("Calories.", 1_000_000), JSONNumber]
PointsScored = Annotated[int, _measure("Points.", 1_000_000), JSONNumber]
TieBreakValue = Annotated[
    int,
    _measure("The tie-break in milliseconds, reps or grams.", NO_TIE_BREAK - 1),
    JSONNumber,
]
PerformedAt = Annotated[
    Moment, Field(description="By default now.", examples=["2026-11-21T10:00:00Z"])
]
Judge = Annotated[str, Text(100), Field(examples=["Ana Torres"])]
Notes = Annotated[str, Text(1000, lines=True), Field(examples=["Broke the pull-ups early."])]
Occasion = Annotated[datetime, Field(examples=["2026-12-05T10:00:00.000000Z"])]

_IN_PATH = r"([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*"
_IN_QUERY = r"([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*"
WEB_ADDRESS = (
    rf"^https?://[A-Za-z0-9.-]+(:[0-9]{{1,5}})?(/{_IN_PATH})?(\?{_IN_QUERY})?(#{_IN_QUERY})?$"
)
"""An http or https URL as RFC 3986 has it, with a host name and without a user."""


def _web_address(text: str) -> str:
    if not re.fullmatch(WEB_ADDRESS, text):
        raise PydanticCustomError("url", "Input should be an http or https address")
    return text


VideoURL = Annotated[
    str,
    AfterValidator(_web_address),
    Text(500, pattern=WEB_ADDRESS),
    Field(examples=["https://video.example.com/v/1"], json_schema_extra={"format": "uri"}),
]

_FINISHED = """
    CASE score_type
    WHEN 'time' THEN num_nonnulls(time_ms) = 1
    WHEN 'rounds_reps' THEN num_nonnulls(rounds, reps) = 2
    WHEN 'reps' THEN num_nonnulls(reps) = 1
    WHEN 'load' THEN num_nonnulls(load_g) = 1
    WHEN 'distance' THEN num_nonnulls(distance_mm) = 1
    WHEN 'calories' THEN num_nonnulls(calories) = 1
    WHEN 'points' THEN num_nonnulls(points) = 1
    ELSE true END
    AND num_nonnulls(time_ms, rounds, reps, load_g, distance_mm, calories, points)
      = CASE score_type WHEN 'none' THEN 0 WHEN 'rounds_reps' THEN 2 ELSE 1 END
"""
_HAS_MEASURE = f"""
    CASE outcome
    WHEN 'finished' THEN {_FINISHED}
    WHEN 'capped' THEN score_type = 'time' AND num_nonnulls(reps) = 1
      AND num_nonnulls(time_ms, rounds, load_g, distance_mm, calories, points) = 0
    ELSE num_nonnulls(time_ms, rounds, reps, load_g, distance_mm, calories, points, tie_break) = 0
    END
"""
_MEASURE = """
    CASE score_type
    WHEN 'time' THEN time_ms
    WHEN 'rounds_reps' THEN rounds * 65536 + reps
    WHEN 'reps' THEN reps
    WHEN 'load' THEN load_g
    WHEN 'distance' THEN distance_mm
    WHEN 'calories' THEN calories
    WHEN 'points' THEN points
    ELSE NULL END
"""
_PLACE_KEY = f"""
    CASE WHEN review <> 'invalid' AND outcome = ANY (ARRAY['finished', 'capped']) THEN
      ((CASE scaling WHEN 'scaled' THEN 1 WHEN 'foundations' THEN 2 ELSE 0 END)::bigint << 55)
      | ((CASE outcome WHEN 'capped' THEN 1 ELSE 0 END)::bigint << 54)
      | ((CASE
          WHEN outcome = 'capped' THEN {LARGEST} - reps
          WHEN best = 'highest' THEN {LARGEST} - ({_MEASURE})
          ELSE ({_MEASURE})
        END)::bigint << 23)
      | (CASE
          WHEN tie_break IS NULL THEN {NO_TIE_BREAK}
          WHEN tie_break_by = 'time' THEN tie_break
          ELSE {NO_TIE_BREAK - 1} - tie_break
        END)::bigint
    ELSE NULL END
"""
PLACE_KEY = " ".join(_PLACE_KEY.split())
"""The order of results in SQL: smaller is better, equal results are equal, null has no place.

From the highest bit: the scaling (2 bits), capped (1), the measure (31, inverted where the highest
wins) and the tie-break (23, all ones for none).
"""


class Result(Row, table=True):
    """What an athlete achieved in a workout: in an event of a competition, or at a centre.

    It repeats how the workout is scored, so that the database itself computes what decides: the
    ``place_key``. The foreign keys keep these copies equal. ``entered`` is the score as typed.
    """

    __tablename__ = "results"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["workout_id", "score_type", "best", "tie_break_by"],
            ["workouts.id", "workouts.score_type", "workouts.best", "workouts.tie_break"],
        ),
        sa.ForeignKeyConstraint(
            ["event_id", "competition_id", "workout_id"],
            [
                "competition_events.id",
                "competition_events.competition_id",
                "competition_events.workout_id",
            ],
            name="fk_results_event",
        ),
        sa.ForeignKeyConstraint(
            ["entry_id", "competition_id", "category_id", "athlete_id"],
            ["entries.id", "entries.competition_id", "entries.category_id", "entries.athlete_id"],
            name="fk_results_entry",
        ),
        sa.UniqueConstraint("entry_id", "event_id"),
        Index(
            "ix_results_board",
            "event_id",
            "category_id",
            "place_key",
            postgresql_include=["entry_id"],
            postgresql_where=sa.text("event_id IS NOT NULL"),
        ),
        Index(None, "athlete_id", "performed_at", "id"),
        Index(None, "workout_id", "performed_at", "id"),
        Index(None, "performed_at", "id"),
        Index(
            None,
            "event_id",
            "performed_at",
            "id",
            postgresql_where=sa.text("event_id IS NOT NULL"),
        ),
        Index(
            None,
            "centre_id",
            "performed_at",
            "id",
            postgresql_where=sa.text("centre_id IS NOT NULL"),
        ),
        Index(
            None,
            "centre_id",
            "performed_on",
            postgresql_where=sa.text("centre_id IS NOT NULL"),
        ),
        Index(None, "training_id", postgresql_where=sa.text("training_id IS NOT NULL")),
        sa.CheckConstraint(f"scaling IN {SCALINGS}", name="scaling"),
        sa.CheckConstraint("outcome IN ('finished', 'capped', 'dnf', 'dns')", name="outcome"),
        sa.CheckConstraint("review IN ('none', 'valid', 'adjusted', 'invalid')", name="review"),
        sa.CheckConstraint(
            "num_nonnulls(event_id, centre_id) = 1"
            " AND num_nonnulls(event_id, competition_id, entry_id, category_id) IN (0, 4)"
            " AND num_nonnulls(event_id, training_id) <= 1",
            name="of_event_or_centre",
        ),
        sa.CheckConstraint(" ".join(_HAS_MEASURE.split()), name="measure"),
        sa.CheckConstraint(
            "least(time_ms, rounds, reps, load_g, distance_mm, calories, points) >= 0"
            " AND rounds <= 32767 AND (rounds IS NULL OR reps <= 65535)",
            name="measure_range",
        ),
        sa.CheckConstraint(
            "tie_break IS NULL"
            f" OR (tie_break BETWEEN 0 AND {NO_TIE_BREAK - 1} AND tie_break_by <> 'none')",
            name="tie_break",
        ),
    )

    athlete_id: UUID = TableField(foreign_key="athletes.id")
    workout_id: UUID
    score_type: str = TableField(sa_type=sa.Text)
    best: str = TableField(sa_type=sa.Text)
    tie_break_by: str = TableField(sa_type=sa.Text)
    competition_id: UUID | None = None
    event_id: UUID | None = None
    entry_id: UUID | None = None
    category_id: UUID | None = None
    centre_id: UUID | None = TableField(default=None, foreign_key="centres.id")
    training_id: UUID | None = TableField(default=None, foreign_key="trainings.id")
    performed_at: datetime
    performed_on: date
    scaling: str = TableField(sa_type=sa.Text)
    outcome: str = TableField(sa_type=sa.Text)
    time_ms: int | None
    rounds: int | None
    reps: int | None
    load_g: int | None
    distance_mm: int | None
    calories: int | None
    points: int | None
    tie_break: int | None
    entered: str | None
    tie_break_entered: str | None
    review: str = TableField(sa_type=sa.Text, sa_column_kwargs={"server_default": "none"})
    judge: str | None
    video_url: str | None
    notes: str | None
    place_key: int | None = TableField(
        sa_column=sa.Column(sa.BigInteger, sa.Computed(PLACE_KEY, persisted=True))
    )

    athlete: Athlete = Relationship(sa_relationship_kwargs={"lazy": "raise"})
    workout: Workout = Relationship(
        sa_relationship_kwargs={
            "lazy": "raise",
            "primaryjoin": "Result.workout_id == Workout.id",
            "foreign_keys": "Result.workout_id",
        }
    )
    competition: Competition = Relationship(
        sa_relationship_kwargs={
            "lazy": "raise",
            "primaryjoin": "Result.competition_id == Competition.id",
            "foreign_keys": "Result.competition_id",
        }
    )
    event: CompetitionEvent = Relationship(
        sa_relationship_kwargs={
            "lazy": "raise",
            "primaryjoin": "Result.event_id == CompetitionEvent.id",
            "foreign_keys": "Result.event_id",
        }
    )
    entry: Entry = Relationship(
        sa_relationship_kwargs={
            "lazy": "raise",
            "primaryjoin": "Result.entry_id == Entry.id",
            "foreign_keys": "Result.entry_id",
        }
    )
    category: Category = Relationship(
        sa_relationship_kwargs={
            "lazy": "raise",
            "primaryjoin": "Result.category_id == Category.id",
            "foreign_keys": "Result.category_id",
        }
    )
    centre: Centre = Relationship(sa_relationship_kwargs={"lazy": "raise"})
    training: Training = Relationship(sa_relationship_kwargs={"lazy": "raise"})


class ResultChange(SQLModel, table=True):
    """A correction of a result: what the score and the review were before and after it."""

    __tablename__ = "result_changes"

    result_id: UUID = TableField(primary_key=True, foreign_key="results.id", ondelete="CASCADE")
    to_version: int = TableField(primary_key=True)
    changed_at: datetime = TableField(sa_column_kwargs={"server_default": NOW})
    reason: str | None
    before: dict[str, Any] = TableField(sa_type=JSONB)
    after: dict[str, Any] = TableField(sa_type=JSONB)


class ScoreFields(SQLModel):
    """A score, as text or as the fields of its measure."""

    score: ScoreText | None = None
    outcome: Annotated[Outcome | None, Field(examples=[None])] = None
    time_ms: TimeMs | None = None
    rounds: Rounds | None = None
    reps: Reps | None = None
    load_g: LoadG | None = None
    distance_mm: DistanceMm | None = None
    calories: Calories | None = None
    points: PointsScored | None = None
    tie_break: TieBreakText | None = None
    tie_break_value: TieBreakValue | None = None


class AboutResult(SQLModel):
    """What else a result has."""

    judge: Judge | None = None
    video_url: VideoURL | None = None
    notes: Notes | None = None


class EventResultWrite(ScoreFields, AboutResult, Payload):
    """A result in an event, which replaces the one before."""

    scaling: Scaling = "rx"
    performed_at: PerformedAt | None = None


class ResultCreate(EventResultWrite):
    """A new result at a centre."""

    athlete_id: Annotated[ExampleId, Field(description="The athlete whose result it is.")]
    workout_id: Annotated[ExampleId, Field(description="The workout.")]
    centre_id: Annotated[ExampleId, Field(description="Where; its whiteboard shows the result.")]
    training_id: (
        Annotated[ExampleId, Field(description="In which training there, if in one.")] | None
    ) = None


class ResultUpdate(ScoreFields, AboutResult, Payload):
    """The fields of a result to change. Absent fields stay unchanged.

    A score, as text or as fields, replaces the whole score and tie-break.
    """

    scaling: Scaling = ABSENT
    performed_at: PerformedAt = ABSENT


class ResultReview(ScoreFields, Payload):
    """The decision about a result; `adjusted` comes with another score or scaling, and a reason."""

    review: Annotated[Literal["valid", "adjusted", "invalid"], Field(examples=["adjusted"])]
    reason: Annotated[str, Text(500), Field(examples=["Ten seconds for a no-rep."])] | None = None
    scaling: Scaling | None = None


class WorkoutOfResult(SQLModel):
    """The workout of a result."""

    id: ExampleId
    name: Annotated[str, Field(examples=["Fran"])]
    score_type: ScoreType
    best: Best
    tie_break: TieBreak


class EventOfResult(SQLModel):
    """The event of a result."""

    id: ExampleId
    ordinal: Annotated[int, Field(ge=1, examples=[1])]


class EntryOfResult(SQLModel):
    """The entry of a result."""

    id: ExampleId


def _column(name: str) -> ReadAs:
    return ReadAs(lambda rows: rows.c[name])


class ResultBase(SQLModel):
    """A result, without its athlete."""

    workout: WorkoutOfResult
    competition: CompetitionReference | None
    event: EventOfResult | None
    entry: EntryOfResult | None
    category: CategoryReference | None
    centre: CentreReference | None
    training_id: ExampleId | None
    performed_at: Occasion
    performed_on: Annotated[
        CalendarDate, Field(description="The day there.", examples=["2026-12-05"])
    ]
    scaling: Scaling
    outcome: Outcome
    score: Annotated[
        str | None, _column("entered"), Field(description="As typed.", examples=["6:21"])
    ]
    time_ms: TimeMs | None
    rounds: Rounds | None
    reps: Reps | None
    load_g: LoadG | None
    distance_mm: DistanceMm | None
    calories: Calories | None
    points: PointsScored | None
    tie_break: Annotated[
        str | None,
        _column("tie_break_entered"),
        Field(description="As typed.", examples=[None]),
    ]
    tie_break_value: Annotated[TieBreakValue | None, _column("tie_break")]
    review: Review
    judge: Judge | None
    video_url: VideoURL | None
    notes: Notes | None


class ResultRead(ResultBase, Row):
    """A result: in an event of a competition, or at a centre."""

    athlete: AthleteReference


class ResultPage(Page[ResultRead]):
    """A page of results."""


class ChangeValues(SQLModel):
    """What decides the place of a result."""

    score: str | None
    tie_break: str | None
    scaling: Scaling
    outcome: Outcome
    review: Review


class ChangeRead(SQLModel):
    """A correction of a result."""

    version: Annotated[int, Field(description="The version of the result after it.", examples=[2])]
    changed_at: Occasion
    reason: str | None
    before: ChangeValues
    after: ChangeValues


class ResultChanges(SQLModel):
    """The corrections of a result, the oldest first."""

    items: list[ChangeRead]


class ResultsOfQuery(ListQuery):
    """Query parameters of a list of results, the newest first."""

    scaling: Scaling | SkipJsonSchema[None] = None
    sort: Literal["performed_at", "-performed_at"] = Field(
        default="-performed_at", description="What to sort by; `-` for descending."
    )


class ResultsQuery(ResultsOfQuery):
    """Query parameters of the list of all results."""

    athlete_id: Id | SkipJsonSchema[None] = None
    workout_id: Id | SkipJsonSchema[None] = None
    centre_id: Id | SkipJsonSchema[None] = None
    event_id: Id | SkipJsonSchema[None] = None
    review: Review | SkipJsonSchema[None] = None
    from_: Moment | SkipJsonSchema[None] = Field(
        default=None,
        alias="from",
        description="Only results of this time or later. Write `+` as `%2B` in a URL.",
    )
    to: Moment | SkipJsonSchema[None] = Field(
        default=None, description="Only results before this time. Write `+` as `%2B` in a URL."
    )
