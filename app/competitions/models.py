"""Competitions, their events and entries: tables, request bodies and responses."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field as TableField
from sqlmodel import Index, Relationship, SQLModel

from app.athletes.models import Athlete, AthleteReference
from app.categories.models import Category, CategoryReference
from app.centres.models import Centre, CentreReference
from app.core.db.constraints import RULES, Rule
from app.core.errors import Invalid, WrongState
from app.core.resources.fields import (
    CalendarDate,
    ExampleId,
    Id,
    JSONNumber,
    Moment,
    Text,
    TimeZone,
)
from app.core.resources.models import ABSENT, Payload, Row, derived_from
from app.core.resources.paging import ListQuery, NamedListQuery, Page
from app.core.resources.text import name_key
from app.workouts.errors import Frozen
from app.workouts.models import Best, ScoreType, TieBreak, Workout

MOST_EVENTS = 50
"""How many events a competition can have."""
LONGEST_TABLE = 1000
"""How many places a points table can reward."""

Name = Annotated[str, Text(100, name=True), Field(examples=["Northside Throwdown"])]
Zone = Annotated[
    TimeZone,
    Field(description="IANA time zone of its dates.", examples=["Europe/Lisbon"]),
]
StartsOn = Annotated[CalendarDate, Field(examples=["2026-12-05"])]
EndsOn = Annotated[
    CalendarDate, Field(description="Not before `starts_on`.", examples=["2026-12-06"])
]
Points = Annotated[
    Literal["place", "table"],
    Field(
        description="`place`: the sum of the places, lowest wins. `table`: each event has a list of"
        " points by place, highest total wins.",
        examples=["place"],
    ),
]
OverallTie = Annotated[
    Literal["shared", "best_places"],
    Field(
        description="What breaks a tie of totals: nothing (`shared`), or the better places, the"
        " best ones compared first.",
        examples=["best_places"],
    ),
]
CompetitionStatus = Annotated[
    Literal["draft", "open", "closed", "final"],
    Field(
        description="`open`: athletes enter and submit results. `closed`: only its coaches enter"
        " and correct results. `final`: nothing changes any more.",
        examples=["open"],
    ),
]
PublishedAt = Annotated[
    Moment,
    Field(
        description="When everybody with an account sees it; null for its coaches only.",
        examples=["2026-11-21T08:00:00Z"],
    ),
]
Reason = Annotated[str, Text(500), Field(examples=["Two scores were mixed up in event 3."])]
Ordinal = Annotated[
    int,
    Field(
        ge=1,
        le=MOST_EVENTS,
        description="The place of the event in the competition, unique in it.",
        examples=[1],
    ),
    JSONNumber,
]
PointsTable = Annotated[
    list[Annotated[int, Field(ge=0, le=1_000_000), JSONNumber]],
    Field(
        min_length=1,
        max_length=LONGEST_TABLE,
        description="The points of the first place, of the second, and so on; 0 beyond its end."
        " Only if the competition has `points: table`.",
        examples=[[100, 95, 90]],
    ),
]
OpensAt = Annotated[
    Moment,
    Field(description="From when athletes submit results.", examples=["2026-12-05T09:00:00Z"]),
]
ClosesAt = Annotated[
    Moment,
    Field(description="Until when athletes submit results.", examples=["2026-12-05T18:00:00Z"]),
]
EntryStatus = Annotated[
    Literal["entered", "withdrawn", "disqualified"], Field(examples=["entered"])
]
WithdrawnBefore = Annotated[
    int,
    Field(
        ge=1,
        le=MOST_EVENTS,
        description="The ordinal of the first event that the athlete does not take part in.",
        examples=[3],
    ),
    JSONNumber,
]


class CompetitionBase(SQLModel):
    """The fields of a competition that clients write, without the host."""

    name: Name
    time_zone: Zone = "UTC"
    starts_on: StartsOn
    ends_on: EndsOn
    points: Points = TableField(default="place", sa_type=sa.Text)
    overall_tie: OverallTie = TableField(default="best_places", sa_type=sa.Text)
    published_at: PublishedAt | None = None


class Competition(CompetitionBase, Row, table=True):
    """A competition: events, and athletes who enter it in their categories."""

    __tablename__ = "competitions"
    __table_args__ = (
        Index(None, "name_key", "id"),
        Index(None, "created_at", "id"),
        Index(None, "centre_id", "name_key", "id"),
        sa.CheckConstraint("points IN ('place', 'table')", name="points"),
        sa.CheckConstraint("overall_tie IN ('shared', 'best_places')", name="overall_tie"),
        sa.CheckConstraint("status IN ('draft', 'open', 'closed', 'final')", name="status"),
        sa.CheckConstraint("ends_on >= starts_on", name="ends_on"),
        {
            "info": {
                RULES: {
                    "ck_competitions_ends_on": Rule(
                        Invalid, "ends_on", "span", "A competition must not end before it starts."
                    ),
                }
            }
        },
    )

    name_key: str = derived_from("name", name_key)
    centre_id: UUID | None = TableField(default=None, foreign_key="centres.id")
    status: CompetitionStatus = TableField(
        sa_type=sa.Text, sa_column_kwargs={"server_default": "draft"}
    )
    reopened_because: str | None = TableField(
        default=None, sa_column_kwargs={"server_default": sa.FetchedValue()}
    )

    centre: Centre = Relationship(sa_relationship_kwargs={"lazy": "raise"})


class CompetitionEvent(Row, table=True):
    """A workout of a competition. Two parts that are scored apart are two events."""

    __tablename__ = "competition_events"
    __table_args__ = (
        Index(None, "competition_id", "ordinal", "id"),
        sa.UniqueConstraint("competition_id", "ordinal"),
        # The target of the foreign key of results.
        sa.UniqueConstraint("id", "competition_id", "workout_id"),
        sa.CheckConstraint(f"ordinal BETWEEN 1 AND {MOST_EVENTS}", name="ordinal"),
        sa.CheckConstraint("closes_at > opens_at", name="closes_at"),
        {
            "info": {
                RULES: {
                    "ck_competition_events_closes_at": Rule(
                        Invalid, "closes_at", "span", "An event must close after it opens."
                    ),
                    # A trigger reports this one.
                    "ck_competition_events_frozen": Rule(
                        Frozen,
                        "workout_id",
                        "frozen",
                        "The workout, the ordinal and the publication are frozen once there is a"
                        " result.",
                    ),
                }
            }
        },
    )

    competition_id: UUID = TableField(foreign_key="competitions.id")
    workout_id: UUID = TableField(foreign_key="workouts.id", index=True)
    ordinal: int
    points_table: list[int] | None = TableField(default=None, sa_type=ARRAY(sa.Integer))
    opens_at: datetime | None
    closes_at: datetime | None
    published_at: datetime | None

    competition: Competition = Relationship(sa_relationship_kwargs={"lazy": "raise"})
    workout: Workout = Relationship(sa_relationship_kwargs={"lazy": "raise"})


class Entry(Row, table=True):
    """An athlete in a competition, in the category that they had when they entered."""

    __tablename__ = "entries"
    __table_args__ = (
        Index(None, "competition_id", "created_at", "id"),
        Index(None, "competition_id", "category_id", "created_at", "id"),
        Index(None, "athlete_id", "created_at", "id"),
        sa.UniqueConstraint("competition_id", "athlete_id"),
        # The target of the foreign key of results.
        sa.UniqueConstraint("id", "competition_id", "category_id", "athlete_id"),
        sa.CheckConstraint("status IN ('entered', 'withdrawn', 'disqualified')", name="status"),
        sa.CheckConstraint(
            "(status = 'withdrawn') = (withdrawn_before IS NOT NULL)", name="withdrawn_before"
        ),
        # A trigger reports this one.
        {
            "info": {
                RULES: {
                    "ck_entries_has_later_result": Rule(
                        WrongState,
                        "before_event",
                        "results",
                        "This athlete has a result in that event or in a later one.",
                    )
                }
            }
        },
    )

    competition_id: UUID = TableField(foreign_key="competitions.id")
    athlete_id: UUID = TableField(foreign_key="athletes.id")
    category_id: UUID = TableField(foreign_key="categories.id", index=True)
    status: EntryStatus = TableField(
        sa_type=sa.Text, sa_column_kwargs={"server_default": "entered"}
    )
    withdrawn_before: int | None = TableField(
        default=None, sa_column_kwargs={"server_default": sa.FetchedValue()}
    )

    competition: Competition = Relationship(sa_relationship_kwargs={"lazy": "raise"})
    athlete: Athlete = Relationship(sa_relationship_kwargs={"lazy": "raise"})
    category: Category = Relationship(sa_relationship_kwargs={"lazy": "raise"})


class Board(SQLModel, table=True):
    """The entries of a competition in one category, which are ranked together.

    Each write that may change a rank increases the revision. Its lock is the lock on all results
    and entries of the board.
    """

    __tablename__ = "boards"
    # Free space in each page: an increased revision stays in its page (HOT update).
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    competition_id: UUID = TableField(
        primary_key=True, foreign_key="competitions.id", ondelete="CASCADE"
    )
    category_id: UUID = TableField(primary_key=True, foreign_key="categories.id", index=True)
    entries: int
    """How many athletes have entered."""
    revision: int = TableField(sa_type=sa.BigInteger)


class CompetitionCreate(CompetitionBase, Payload):
    """A new competition. It is a draft."""

    centre_id: (
        Annotated[ExampleId, Field(description="The host; its coaches run the competition.")] | None
    ) = None


class CompetitionUpdate(Payload):
    """The fields of a competition to change. Absent fields stay unchanged."""

    name: Name = ABSENT
    centre_id: Annotated[ExampleId, Field(description="The host.")] | None = None
    time_zone: Zone = ABSENT
    starts_on: StartsOn = ABSENT
    ends_on: EndsOn = ABSENT
    points: Points = ABSENT
    overall_tie: OverallTie = ABSENT
    published_at: PublishedAt | None = None


class CompetitionRead(CompetitionBase, Row):
    """A competition, with its host."""

    centre: CentreReference | None
    status: CompetitionStatus
    reopened_because: (
        Annotated[Reason, Field(description="Why it was reopened the last time, if ever.")] | None
    )


class CompetitionPage(Page[CompetitionRead]):
    """A page of competitions."""


class CompetitionReference(SQLModel):
    """A competition, as part of other resources."""

    id: ExampleId
    name: Name


class Reopening(Payload):
    """Why a competition is opened again."""

    reason: Reason


class CompetitionsQuery(NamedListQuery):
    """Query parameters of the list of competitions."""

    centre_id: Id | SkipJsonSchema[None] = Field(
        default=None, description="Only competitions with this host."
    )
    status: CompetitionStatus | SkipJsonSchema[None] = None


class EventBase(SQLModel):
    """The fields of an event that clients write."""

    opens_at: OpensAt | None = None
    closes_at: ClosesAt | None = None
    published_at: PublishedAt | None = None
    points_table: Annotated[PointsTable | None, Field(examples=[None])] = None


class CompetitionEventCreate(EventBase, Payload):
    """A new event."""

    workout_id: Annotated[ExampleId, Field(description="The workout; its scores are compared.")]
    ordinal: Annotated[Ordinal, Field(description="By default after the last event.")] | None = None


class CompetitionEventUpdate(EventBase, Payload):
    """The fields of an event to change. Absent fields stay unchanged.

    Workout, ordinal and publication cannot change once the event has a result.
    """

    workout_id: Annotated[ExampleId, Field(description="The workout.")] = ABSENT
    ordinal: Ordinal = ABSENT


class EventWorkout(SQLModel):
    """The workout of an event, and how it is scored."""

    id: ExampleId
    name: Annotated[str, Field(examples=["Fran"])]
    score_type: ScoreType
    best: Best
    time_cap_ms: int | None
    total_reps: int | None
    tie_break: TieBreak


class CompetitionEventRead(EventBase, Row):
    """An event of a competition."""

    competition: CompetitionReference
    workout: EventWorkout
    ordinal: Ordinal


class CompetitionEventPage(Page[CompetitionEventRead]):
    """A page of events."""


class CompetitionEventsQuery(ListQuery):
    """Query parameters of the list of a competition's events."""

    sort: Literal["ordinal", "-ordinal"] = Field(
        default="ordinal", description="What to sort by; `-` for descending."
    )


class EntryCreate(Payload):
    """A new entry."""

    athlete_id: Annotated[ExampleId, Field(description="The athlete who enters.")]
    category_id: (
        Annotated[ExampleId, Field(description="By default the current category of the athlete.")]
        | None
    ) = None


class Withdrawal(Payload):
    """From which event on an athlete does not take part."""

    before_event: WithdrawnBefore


class EntryRead(Row):
    """An athlete's entry in a competition."""

    competition: CompetitionReference
    athlete: AthleteReference
    category: Annotated[
        CategoryReference,
        Field(description="As of the entry: a later change of the athlete does not matter."),
    ]
    status: EntryStatus
    withdrawn_before: WithdrawnBefore | None


class EntryPage(Page[EntryRead]):
    """A page of entries."""


class EntriesQuery(ListQuery):
    """Query parameters of the list of a competition's entries."""

    category_id: Id | SkipJsonSchema[None] = Field(
        default=None, description="Only entries in this category."
    )
    status: EntryStatus | SkipJsonSchema[None] = None
    sort: Literal["created_at", "-created_at"] = Field(
        default="created_at", description="The field to sort by; `-` for descending."
    )
