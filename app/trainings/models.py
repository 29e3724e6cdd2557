"""The training and its bookings: the tables, what a client sends, and what it reads."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, StrictBool
from pydantic.json_schema import SkipJsonSchema
from sqlmodel import Field as TableField
from sqlmodel import Index, Relationship, SQLModel

from app.athletes.models import Athlete, Enrolment
from app.athletes.models import Name as AthleteName
from app.centres.errors import CentreFull
from app.centres.models import Centre, CentreReference
from app.core.db.constraints import RULES, Rule
from app.core.db.schema import NOW, table_of
from app.core.errors import Invalid
from app.core.resources.fields import ExampleId, Id, JSONNumber, Moment, QueryBoolean, Text
from app.core.resources.models import ABSENT, Payload, Row
from app.core.resources.paging import ListQuery, Page
from app.core.resources.projection import ReadAs
from app.trainings.errors import TrainingFull

LONGEST = "24 hours"
"""How long a training may be."""

Name = Annotated[str, Text(100, name=True), Field(examples=["Morning WOD"])]
Coach = Annotated[str, Text(100), Field(examples=["Ana Torres"])]
StartsAt = Annotated[Moment, Field(examples=["2026-12-01T18:00:00+01:00"])]
EndsAt = Annotated[
    Moment,
    Field(
        description="After the start, by 24 hours at most.", examples=["2026-12-01T19:00:00+01:00"]
    ),
]
Capacity = Annotated[
    int, Field(ge=1, le=1000, description="How many seats it has.", examples=[12]), JSONNumber
]
CentreId = Annotated[ExampleId, Field(description="Where it takes place.")]
TrainingStatus = Annotated[Literal["scheduled", "cancelled"], Field(examples=["scheduled"])]
BookingStatus = Annotated[
    Literal["reserved", "waitlisted", "checked_in", "cancelled"],
    Field(
        description="Who is `reserved` or `checked_in` has a seat, also after they left.",
        examples=["reserved"],
    ),
]
Occasion = Annotated[datetime, Field(examples=["2026-11-25T08:30:00.123456+00:00"])]
Count = Annotated[int, Field(ge=0, examples=[3])]


class TrainingBase(SQLModel):
    """What a training is made of."""

    name: Name
    coach: Coach | None = None
    starts_at: StartsAt
    ends_at: EndsAt
    capacity: Capacity


_RULES = {
    "ck_trainings_ends_at": Rule(
        Invalid, "ends_at", "span", "It should end after its start, by 24 hours at most."
    ),
    "ck_trainings_taken": Rule(
        TrainingFull, "capacity", "taken", "More seats than that are taken."
    ),
    # By a trigger, on trainings and on centres.
    "ck_trainings_at_once": Rule(
        CentreFull,
        "capacity",
        "at_once",
        "The trainings at one time would have more seats than the centre can hold.",
    ),
}


class Training(TrainingBase, Row, table=True):
    """A class or an open hour at a centre, with so many seats.

    ``taken`` and ``waiting`` count its bookings, for whoever changes those locks the training.
    """

    __tablename__ = "trainings"
    __table_args__ = (
        Index(None, "starts_at", "id", postgresql_include=["status"]),
        Index(None, "centre_id", "starts_at", "id", postgresql_include=["status"]),
        # What bookings refer to.
        sa.UniqueConstraint("id", "starts_at", "ends_at"),
        sa.CheckConstraint("status IN ('scheduled', 'cancelled')", name="status"),
        sa.CheckConstraint(
            f"ends_at > starts_at AND ends_at - starts_at <= interval '{LONGEST}'", name="ends_at"
        ),
        sa.CheckConstraint("capacity BETWEEN 1 AND 1000", name="capacity"),
        sa.CheckConstraint("taken BETWEEN 0 AND capacity", name="taken"),
        sa.CheckConstraint("waiting >= 0", name="waiting"),
        {"info": {RULES: _RULES}},
    )

    centre_id: UUID = TableField(foreign_key="centres.id")
    status: TrainingStatus = TableField(
        sa_type=sa.Text, sa_column_kwargs={"server_default": "scheduled"}
    )
    taken: int = TableField(sa_column_kwargs={"server_default": sa.text("0")})
    waiting: int = TableField(sa_column_kwargs={"server_default": sa.text("0")})

    centre: Centre = Relationship(sa_relationship_kwargs={"lazy": "raise"})


class Booking(Row, table=True):
    """An athlete has a seat in a training, waits for one, or did.

    It repeats the times of its training, and the database keeps them the same: so an athlete's
    trainings at some time are found by an index.
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
            # Not by the status, for then each change of it would have to be put into each index.
            postgresql_where=sa.text("cancelled_at IS NULL"),
        ),
        # The line of those who wait.
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
        # Room to promote and to check in beside what was booked, which no index hears of.
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

    training: Training = Relationship(sa_relationship_kwargs={"lazy": "raise"})
    athlete: Athlete = Relationship(sa_relationship_kwargs={"lazy": "raise"})


class TrainingCreate(TrainingBase, Payload):
    """A new training."""

    centre_id: CentreId


class TrainingUpdate(Payload):
    """The fields of a training to change; one that is absent stays.

    With bookings, its time and centre are fixed.
    """

    name: Name = ABSENT
    coach: Coach | None = None
    starts_at: StartsAt = ABSENT
    ends_at: EndsAt = ABSENT
    capacity: Capacity = ABSENT
    centre_id: CentreId = ABSENT


def _available(training: sa.FromClause) -> sa.ColumnElement[int]:
    free = training.c.capacity - training.c.taken
    return sa.case((training.c.status == "scheduled", free), else_=sa.literal_column("0"))


class Seats(SQLModel):
    """The seats of a training."""

    capacity: Capacity
    taken: Annotated[Count, Field(description="By who is reserved or checked in.")]
    waiting: Annotated[Count, Field(description="How many wait for one.")]
    available: Annotated[
        Count, ReadAs(_available), Field(description="Those that are left; 0 if it is cancelled.")
    ]


class TrainingRead(TrainingBase, Row):
    """A training, with its centre and its seats."""

    status: TrainingStatus
    centre: CentreReference
    seats: Seats


class TrainingPage(Page[TrainingRead]):
    """A page of trainings."""


class TrainingReference(SQLModel):
    """A training, as its bookings refer to it."""

    id: ExampleId
    name: Name
    starts_at: StartsAt
    ends_at: EndsAt
    status: TrainingStatus
    centre: CentreReference


class AthleteReference(SQLModel):
    """An athlete, as bookings refer to them."""

    id: ExampleId
    name: AthleteName


class BookingCreate(Payload):
    """Who wants to train."""

    athlete_id: Annotated[ExampleId, Field(description="The athlete to book.")]
    waitlist: Annotated[
        StrictBool,
        Field(description="Whether to wait for a seat if there is none.", examples=[True]),
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
    booked_at: Annotated[Occasion, Field(description="Those who wait are in this order.")]
    checked_in_at: Occasion | None
    checked_out_at: Occasion | None
    cancelled_at: Occasion | None
    no_show: Annotated[
        bool, ReadAs(_no_show), Field(description="It is reserved, and the training has ended.")
    ]
    expired: Annotated[
        bool, ReadAs(_expired), Field(description="It is waitlisted, and the training has started.")
    ]
    drop_in: Annotated[
        bool, ReadAs(_drop_in), Field(description="The athlete is not enrolled at the centre now.")
    ]


class BookingPage(Page[BookingRead]):
    """A page of bookings."""


class Occupancy(SQLModel):
    """How full a centre is at some time."""

    at: Occasion
    capacity: Annotated[int, Field(description="How many can train here at once.")] | None
    present: Annotated[Count, Field(description="Who has come, and not left.")]
    reserved: Annotated[Count, Field(description="Who has a seat, and is not here yet.")]
    waiting: Annotated[Count, Field(description="Who waits for a seat in what runs then.")]
    available: Annotated[Count, Field(description="How many more it holds.")] | None
    trainings: list[TrainingRead]


class ScheduleQuery(ListQuery):
    """What can be asked of a list by the time of trainings."""

    from_: Moment | SkipJsonSchema[None] = Field(
        default=None, alias="from", description="What starts then or later; `+` is `%2B` in a URL."
    )
    to: Moment | SkipJsonSchema[None] = Field(default=None, description="What starts earlier.")
    sort: Literal["starts_at", "-starts_at"] = Field(
        default="starts_at", description="What to sort by; `-` for descending."
    )


class TrainingsQuery(ScheduleQuery):
    """What can be asked of all trainings."""

    centre_id: Id | SkipJsonSchema[None] = Field(default=None, description="Where they are.")
    status: TrainingStatus | SkipJsonSchema[None] = None
    available: QueryBoolean = Field(
        default=False, description="Whether to list only those with a seat that can be booked now."
    )

    def filters(self) -> dict[str, Any]:
        """Return the filters that were given, by name."""
        return {name: value for name, value in super().filters().items() if value is not False}


class BookingsOfTrainingQuery(ListQuery):
    """What can be asked of the bookings of a training."""

    status: BookingStatus | SkipJsonSchema[None] = None
    sort: Literal["booked_at", "-booked_at"] = Field(
        default="booked_at", description="What to sort by; `-` for descending."
    )


class BookingsOfAthleteQuery(ScheduleQuery):
    """What can be asked of the bookings of an athlete."""

    status: BookingStatus | SkipJsonSchema[None] = None


class OccupancyQuery(SQLModel):
    """When to look at a centre."""

    at: Moment | SkipJsonSchema[None] = Field(
        default=None, description="When; now unless given. `+` is `%2B` in a URL."
    )
