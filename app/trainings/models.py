"""The training and its bookings: tables, request bodies and responses."""

import datetime as dt
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, RootModel, StrictBool
from pydantic.json_schema import SkipJsonSchema
from sqlmodel import Field as TableField
from sqlmodel import Index, Relationship, SQLModel

from app.athletes.models import Athlete, AthleteReference, Enrolment, Reference
from app.centres.errors import CentreFull
from app.centres.models import Centre, CentreReference
from app.core.db.constraints import RULES, Rule
from app.core.db.schema import NOW, table_of
from app.core.errors import Invalid
from app.core.resources.fields import ExampleId, Id, JSONNumber, Moment, QueryBoolean, Text
from app.core.resources.models import ABSENT, Payload, Row
from app.core.resources.paging import ListQuery, Page
from app.core.resources.projection import ReadAs, as_json, json_object, reference
from app.workouts.models import ProgrammeOfDay
from app.workouts.queries import programme_of_day

LONGEST = "24 hours"
"""The maximum length of a training."""

Name = Annotated[str, Text(100, name=True), Field(examples=["Morning WOD"])]
Coach = Annotated[str, Text(100), Field(examples=["Ana Torres"])]
StartsAt = Annotated[Moment, Field(examples=["2026-12-01T18:00:00+01:00"])]
EndsAt = Annotated[
    Moment,
    Field(
        description="After the start, by at most 24 hours.", examples=["2026-12-01T19:00:00+01:00"]
    ),
]
Capacity = Annotated[
    int, Field(ge=1, le=1000, description="The number of seats.", examples=[12]), JSONNumber
]
CentreId = Annotated[ExampleId, Field(description="The centre where the training takes place.")]
TrainingStatus = Annotated[Literal["scheduled", "cancelled"], Field(examples=["scheduled"])]
BookingStatus = Annotated[
    Literal["reserved", "waitlisted", "checked_in", "cancelled"],
    Field(
        description="A `reserved` or `checked_in` booking holds a seat, even after check-out.",
        examples=["reserved"],
    ),
]
Occasion = Annotated[datetime, Field(examples=["2026-11-25T08:30:00.123456Z"])]
Count = Annotated[int, Field(ge=0, examples=[3])]


class TrainingBase(SQLModel):
    """The fields of a training that clients write, without the centre."""

    name: Name
    coach: Coach | None = None
    starts_at: StartsAt
    ends_at: EndsAt
    capacity: Capacity


def _written_later(source: str, **column: Any) -> Any:
    """Declare a nullable column that a new training does not have yet, and its field."""
    columns = {"server_default": sa.FetchedValue(), "info": {"source": source}}
    return TableField(default=None, sa_column_kwargs=columns, **column)


_RULES = {
    "ck_trainings_ends_at": Rule(
        Invalid, "ends_at", "span", "A training must end after its start, within 24 hours."
    ),
    # A trigger on trainings and on centres reports this one.
    "ck_trainings_at_once": Rule(
        CentreFull,
        "capacity",
        "at_once",
        "Overlapping trainings would have more seats than the capacity of the centre.",
    ),
}


class Training(TrainingBase, Row, table=True):
    """A class or an open hour at a centre, with a number of seats.

    ``taken`` and ``waiting`` count its bookings. They stay correct because every transaction that
    gives or frees a seat, or changes the waitlist, locks the training first.
    """

    __tablename__ = "trainings"
    __table_args__ = (
        Index(None, "starts_at", "id", postgresql_include=["status"]),
        Index(None, "centre_id", "starts_at", "id", postgresql_include=["status"]),
        Index(
            None,
            "series_id",
            "series_date",
            postgresql_where=sa.text("series_id IS NOT NULL"),
        ),
        # The target of the foreign key of bookings.
        sa.UniqueConstraint("id", "starts_at", "ends_at"),
        sa.CheckConstraint("status IN ('scheduled', 'cancelled')", name="status"),
        sa.CheckConstraint(
            f"ends_at > starts_at AND ends_at - starts_at <= interval '{LONGEST}'", name="ends_at"
        ),
        sa.CheckConstraint("capacity BETWEEN 1 AND 1000", name="capacity"),
        sa.CheckConstraint("taken BETWEEN 0 AND capacity + over", name="taken"),
        # A trigger lets it rise only while the capacity is lowered.
        sa.CheckConstraint("over = greatest(taken - capacity, 0)", name="over"),
        sa.CheckConstraint("waiting >= 0", name="waiting"),
        sa.CheckConstraint(
            "(series_id IS NULL OR series_date IS NOT NULL) AND"
            " (series_date IS NULL) = (series_version IS NULL)",
            name="series",
        ),
        sa.CheckConstraint(
            "(moved_at IS NULL) = (moved_from_starts_at IS NULL)"
            " AND (moved_at IS NULL) = (moved_from_ends_at IS NULL)",
            name="moved",
        ),
        {"info": {RULES: _RULES}},
    )

    centre_id: UUID = TableField(foreign_key="centres.id")
    status: TrainingStatus = TableField(
        sa_type=sa.Text, sa_column_kwargs={"server_default": "scheduled"}
    )
    taken: int = TableField(sa_column_kwargs={"server_default": sa.text("0")})
    waiting: int = TableField(sa_column_kwargs={"server_default": sa.text("0")})
    over: int = TableField(
        sa_column_kwargs={"server_default": sa.text("0"), "info": {"source": "capacity"}}
    )
    """How many seats more than the capacity are taken, because the capacity was lowered."""
    series_id: UUID | None = _written_later("series", foreign_key="series.id", ondelete="SET NULL")
    series_date: dt.date | None = _written_later("series")
    """The local day that the series has it on. It stays when the training is moved by itself."""
    series_version: int | None = _written_later("series")
    """The version that its series wrote. Another one means that it was changed by itself."""
    moved_at: datetime | None = _written_later("moved_from")
    """When it was last moved while somebody had booked it."""
    moved_from_starts_at: datetime | None = _written_later("moved_from")
    moved_from_ends_at: datetime | None = _written_later("moved_from")
    moved_from_centre_id: UUID | None = _written_later(
        "moved_from", foreign_key="centres.id", ondelete="SET NULL"
    )

    centre: Centre = Relationship(
        sa_relationship_kwargs={"lazy": "raise", "foreign_keys": "Training.centre_id"}
    )


class Booking(Row, table=True):
    """An athlete's booking of a training: a seat, a place in the waitlist, or a cancelled one.

    It repeats the times of its training, so that an index finds an athlete's bookings at some time.
    The foreign key keeps these copies equal.
    """

    __tablename__ = "bookings"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["training_id", "starts_at", "ends_at"],
            ["trainings.id", "trainings.starts_at", "trainings.ends_at"],
            onupdate="CASCADE",
        ),
        Index(
            None,
            "training_id",
            "athlete_id",
            unique=True,
            # Not ``status``: each change of it would rule out a HOT update, and write every index.
            postgresql_where=sa.text("cancelled_at IS NULL"),
        ),
        # The order of the waitlist.
        sa.UniqueConstraint("training_id", "booked_at"),
        Index(None, "athlete_id", "starts_at", "id"),
        sa.CheckConstraint(
            "status IN ('reserved', 'waitlisted', 'checked_in', 'cancelled')", name="status"
        ),
        sa.CheckConstraint(
            "status <> 'checked_in' OR checked_in_at IS NOT NULL", name="checked_in_at"
        ),
        sa.CheckConstraint("checked_out_at >= checked_in_at", name="checked_out_at"),
        sa.CheckConstraint(
            "(status = 'cancelled') = (cancelled_at IS NOT NULL)", name="cancelled_at"
        ),
        sa.CheckConstraint("NOT late OR status = 'cancelled'", name="late"),
        # Free space in each page: a promotion or check-in stays in the page of the booking (HOT
        # update), and writes to no index.
        {"postgresql_with": {"fillfactor": 90}},
    )

    training_id: UUID
    athlete_id: UUID = TableField(foreign_key="athletes.id")
    starts_at: datetime
    ends_at: datetime
    status: BookingStatus = TableField(sa_type=sa.Text)
    booked_at: datetime
    checked_in_at: datetime | None
    checked_out_at: datetime | None
    cancelled_at: datetime | None
    late: bool = TableField(sa_column_kwargs={"server_default": sa.false()})

    training: Training = Relationship(sa_relationship_kwargs={"lazy": "raise"})
    athlete: Athlete = Relationship(sa_relationship_kwargs={"lazy": "raise"})


class TrainingCreate(TrainingBase, Payload):
    """A new training."""

    centre_id: CentreId


class TrainingUpdate(Payload):
    """The fields of a training to change. Absent fields stay unchanged.

    Before the start, times and centre may change too: all active bookings move along.
    """

    name: Name = ABSENT
    coach: Coach | None = None
    starts_at: StartsAt = ABSENT
    ends_at: EndsAt = ABSENT
    capacity: Capacity = ABSENT
    centre_id: CentreId = ABSENT


def _available(training: sa.FromClause) -> sa.ColumnElement[int]:
    free = sa.func.greatest(training.c.capacity - training.c.taken, sa.literal_column("0"))
    return sa.case((training.c.status == "scheduled", free), else_=sa.literal_column("0"))


class Seats(SQLModel):
    """The seats of a training."""

    capacity: Capacity
    taken: Annotated[Count, Field(description="Number of `reserved` and `checked_in` bookings.")]
    waiting: Annotated[Count, Field(description="Number of bookings in the waitlist.")]
    over: Annotated[
        Count,
        Field(
            description="How many seats more than `capacity` are taken, because it was lowered."
            " While it is not 0, nobody gets a seat."
        ),
    ]
    available: Annotated[
        Count, ReadAs(_available), Field(description="Free seats; 0 if the training is cancelled.")
    ]


class MovedFrom(SQLModel):
    """When and where a training was to be before it was moved."""

    starts_at: Occasion
    ends_at: Occasion
    centre: CentreReference | None


def _changed_alone(training: sa.FromClause) -> sa.ColumnElement[bool]:
    differs = training.c.version.is_distinct_from(training.c.series_version)
    return sa.and_(training.c.series_id.is_not(None), differs)


def _moved_from(training: sa.FromClause) -> sa.ColumnElement[Any]:
    bookings, centres = table_of(Booking).alias("booked"), table_of(Centre).alias("former")
    might_not_know = (
        sa.select(bookings.c.id)
        .where(
            bookings.c.training_id == training.c.id,
            bookings.c.cancelled_at.is_(None),
            bookings.c.booked_at < training.c.moved_at,
        )
        .correlate(training)
        .exists()
    )
    centre = (
        sa.select(reference(centres))
        .where(centres.c.id == training.c.moved_from_centre_id)
        .correlate(training)
        .scalar_subquery()
    )
    pairs = {
        "starts_at": as_json(training.c.moved_from_starts_at),
        "ends_at": as_json(training.c.moved_from_ends_at),
        "centre": centre,
    }
    return sa.case((sa.and_(training.c.ends_at > NOW, might_not_know), json_object(pairs)))


def _programme(training: sa.FromClause) -> sa.ColumnElement[Any]:
    centres = table_of(Centre).alias("place")
    zone = (
        sa.select(centres.c.time_zone)
        .where(centres.c.id == training.c.centre_id)
        .correlate(training)
        .scalar_subquery()
    )
    day = sa.cast(sa.func.timezone(zone, training.c.starts_at), sa.Date)
    return programme_of_day(training.c.centre_id, day, correlated=training)


Moved = Annotated[
    MovedFrom | None,
    ReadAs(_moved_from),
    Field(
        description="When and where it was before it was moved. Null again once each active"
        " booking is newer than the move, or the training has ended."
    ),
]


class TrainingSummary(TrainingBase, Row):
    """A training, with its centre and its seats."""

    status: TrainingStatus
    centre: CentreReference
    seats: Seats
    series_id: (
        Annotated[ExampleId, Field(description="The series that the training is part of.")] | None
    )
    changed_alone: Annotated[
        bool,
        ReadAs(_changed_alone),
        Field(description="It was changed apart from its series, so changes of that leave it."),
    ]
    moved_from: Moved


class TrainingRead(TrainingSummary):
    """A training, with its centre, its seats and the programme of the day."""

    programme: Annotated[
        list[ProgrammeOfDay],
        ReadAs(_programme),
        Field(description="The published workouts of that day at the centre, by position."),
    ]


class TrainingView(RootModel[TrainingRead | TrainingSummary]):
    """A training as the caller sees it: without a token, it has no programme."""


class TrainingPage(Page[TrainingSummary]):
    """A page of trainings."""


class TrainingReference(SQLModel):
    """A training, as part of its bookings."""

    id: ExampleId
    name: Name
    starts_at: StartsAt
    ends_at: EndsAt
    status: TrainingStatus
    centre: CentreReference


class CheckIn(Payload):
    """An athlete at the door."""

    reference: Reference


class BookingCreate(Payload):
    """A new booking."""

    athlete_id: Annotated[ExampleId, Field(description="The athlete to book.")]
    waitlist: Annotated[
        StrictBool,
        Field(
            description="Whether to join the waitlist if the training is full.",
            examples=[True],
        ),
    ] = True


def _no_show(booking: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(booking.c.status == "reserved", booking.c.ends_at <= NOW)


def _expired(booking: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(booking.c.status == "waitlisted", booking.c.starts_at <= NOW)


def _drop_in(booking: sa.FromClause) -> sa.ColumnElement[bool]:
    enrolments, trainings = table_of(Enrolment), table_of(Training)
    enrolled = (
        sa.select(enrolments.c.centre_id)
        .join(trainings, trainings.c.centre_id == enrolments.c.centre_id)
        .where(
            trainings.c.id == booking.c.training_id,
            enrolments.c.athlete_id == booking.c.athlete_id,
        )
        .correlate(booking)
    )
    return ~enrolled.exists()


class BookingRead(Row):
    """A booking, with its training and its athlete."""

    training: TrainingReference
    athlete: AthleteReference
    status: BookingStatus
    booked_at: Annotated[Occasion, Field(description="The waitlist is sorted by this time.")]
    checked_in_at: Occasion | None
    checked_out_at: Occasion | None
    cancelled_at: Occasion | None
    no_show: Annotated[
        bool, ReadAs(_no_show), Field(description="It is `reserved`, and the training has ended.")
    ]
    expired: Annotated[
        bool,
        ReadAs(_expired),
        Field(description="It is `waitlisted`, and the training has started."),
    ]
    late: Annotated[
        bool,
        Field(
            description="The athlete cancelled the seat later than the centre's"
            " `late_cancel_minutes` before the start."
        ),
    ]
    drop_in: Annotated[
        bool,
        ReadAs(_drop_in),
        Field(description="The athlete is currently not enrolled at the centre of the training."),
    ]


class BookingPage(Page[BookingRead]):
    """A page of bookings."""


class Occupancy(SQLModel):
    """How full a centre is at some time: `trainings` are those that run then."""

    at: Occasion
    capacity: (
        Annotated[int, Field(description="How many athletes can train here at the same time.")]
        | None
    )
    present: Annotated[Count, Field(description="Athletes who are checked in, not checked out.")]
    reserved: Annotated[
        Count,
        Field(description="Athletes with a seat in a running training, not checked in yet."),
    ]
    waiting: Annotated[Count, Field(description="Athletes in the waitlist of a running training.")]
    available: (
        Annotated[
            Count,
            Field(description="`capacity` minus `present` and `reserved`, at least 0."),
        ]
        | None
    )
    trainings: list[TrainingSummary]


class ScheduleQuery(ListQuery):
    """Query parameters of a list that is sorted by the start of trainings."""

    from_: Moment | SkipJsonSchema[None] = Field(
        default=None,
        alias="from",
        description="Only for trainings that start at this time or later."
        " Write `+` as `%2B` in a URL.",
    )
    to: Moment | SkipJsonSchema[None] = Field(
        default=None,
        description="Only for trainings that start before this time. Write `+` as `%2B` in a URL.",
    )
    sort: Literal["starts_at", "-starts_at"] = Field(
        default="starts_at", description="What to sort by; `-` for descending."
    )


class TrainingsQuery(ScheduleQuery):
    """Query parameters of the list of all trainings."""

    centre_id: Id | SkipJsonSchema[None] = Field(
        default=None, description="Only trainings at this centre."
    )
    status: TrainingStatus | SkipJsonSchema[None] = None
    available: QueryBoolean = Field(
        default=False,
        description="Whether to list only trainings with a seat that can be booked now.",
    )

    def filters(self) -> dict[str, Any]:
        """Return the filters that were given, by name."""
        return {name: value for name, value in super().filters().items() if value is not False}


class BookingsOfTrainingQuery(ListQuery):
    """Query parameters of the list of a training's bookings."""

    status: BookingStatus | SkipJsonSchema[None] = None
    sort: Literal["booked_at", "-booked_at"] = Field(
        default="booked_at", description="What to sort by; `-` for descending."
    )


class BookingsOfAthleteQuery(ScheduleQuery):
    """Query parameters of the list of an athlete's bookings."""

    status: BookingStatus | SkipJsonSchema[None] = None


class OccupancyQuery(SQLModel):
    """Query parameters of the occupancy of a centre."""

    at: Moment | SkipJsonSchema[None] = Field(
        default=None, description="The time to report; default now. Write `+` as `%2B` in a URL."
    )
