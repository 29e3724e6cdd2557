"""The series: its table, request bodies and responses."""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import AfterValidator, Field, StrictBool
from pydantic.json_schema import SkipJsonSchema
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field as TableField
from sqlmodel import Index, Relationship, SQLModel

from app.centres.models import Centre, CentreReference
from app.core.resources.fields import (
    CalendarDate,
    ExampleId,
    Id,
    JSONNumber,
    LocalTime,
    QueryBoolean,
)
from app.core.resources.models import ABSENT, Payload, Row, derived_from
from app.core.resources.paging import NamedListQuery, Page
from app.core.resources.projection import ReadAs
from app.core.resources.text import name_key
from app.trainings.models import Capacity, Coach, Name
from app.workouts.models import ProgrammeCreate

MOST_PROGRAMMED = 100


def _once_each(values: list[int]) -> list[int]:
    return sorted(set(values))


def _days_once_each(values: list[dt.date]) -> list[dt.date]:
    return sorted(set(values))


Weekdays = Annotated[
    list[Annotated[int, Field(ge=1, le=7), JSONNumber]],
    Field(
        min_length=1,
        max_length=7,
        description="ISO weekdays: 1 is Monday, 7 is Sunday.",
        examples=[[1, 3, 5]],
    ),
    AfterValidator(_once_each),
]
Start = Annotated[
    LocalTime,
    Field(description="The local time at the centre, `HH:MM`.", examples=["18:00"]),
]
Minutes = Annotated[
    int,
    Field(ge=1, le=1440, description="How long each training takes.", examples=[60]),
    JSONNumber,
]
StartsOn = Annotated[
    CalendarDate, Field(description="The first local day.", examples=["2026-12-01"])
]
EndsOn = Annotated[
    CalendarDate,
    Field(
        description="The last local day, at most a year after the first one, or after today.",
        examples=["2027-02-28"],
    ),
]
Skip = Annotated[
    list[CalendarDate],
    Field(
        max_length=366,
        description="Local days without a training, holidays for example.",
        examples=[["2026-12-25"]],
    ),
    AfterValidator(_days_once_each),
]


class SeriesBase(SQLModel):
    """The fields of a series that clients write and may change."""

    name: Name
    coach: Coach | None = None
    weekdays: Weekdays = TableField(sa_type=ARRAY(sa.SmallInteger))
    start: Start = TableField(sa_type=sa.Time)
    minutes: Minutes
    capacity: Capacity
    starts_on: StartsOn
    ends_on: EndsOn
    skip: Skip = TableField(default=[], sa_type=ARRAY(sa.Date))


class Series(SeriesBase, Row, table=True):
    """Trainings at a centre, each week on some days at one local time."""

    __tablename__ = "series"
    __table_args__ = (
        Index(None, "name_key", "id"),
        Index(None, "created_at", "id"),
        Index(None, "centre_id", "name_key", "id"),
        sa.CheckConstraint(
            "cardinality(weekdays) BETWEEN 1 AND 7 AND 1 <= ALL (weekdays) AND 7 >= ALL (weekdays)",
            name="weekdays",
        ),
        sa.CheckConstraint("minutes BETWEEN 1 AND 1440", name="minutes"),
        sa.CheckConstraint("capacity BETWEEN 1 AND 1000", name="capacity"),
        # A series that is cancelled from its first day ends on the day before.
        sa.CheckConstraint("ends_on >= starts_on - 1", name="ends_on"),
    )

    centre_id: UUID = TableField(foreign_key="centres.id")
    name_key: str = derived_from("name", name_key)

    centre: Centre = Relationship(sa_relationship_kwargs={"lazy": "raise"})


class ProgrammeOfSeries(ProgrammeCreate):
    """A workout to add to the programme of the centre, on a day of the series."""


class SeriesCreate(SeriesBase, Payload):
    """A new series."""

    centre_id: Annotated[ExampleId, Field(description="The centre where the trainings take place.")]
    programme: Annotated[
        list[ProgrammeOfSeries],
        Field(
            max_length=MOST_PROGRAMMED,
            description="Workouts to add to the programme of the centre in the same transaction.",
        ),
    ] = []


class SeriesUpdate(Payload):
    """The fields of a series to change. Absent fields stay unchanged."""

    name: Name = ABSENT
    coach: Coach | None = None
    weekdays: Weekdays = ABSENT
    start: Start = ABSENT
    minutes: Minutes = ABSENT
    capacity: Capacity = ABSENT
    ends_on: EndsOn = ABSENT
    skip: Skip = ABSENT
    include_booked: Annotated[
        StrictBool,
        Field(
            description="Whether to change trainings with bookings too. They are moved with all"
            " their bookings, or cancelled if the series has them no more.",
            examples=[False],
        ),
    ] = False


class SeriesCancel(Payload):
    """From when on to cancel a series."""

    from_: Annotated[
        CalendarDate,
        Field(
            alias="from",
            description="The first local day that is cancelled.",
            examples=["2027-01-15"],
        ),
    ]


def _start(series: sa.FromClause) -> sa.ColumnElement[str]:
    return sa.func.to_char(series.c.start, sa.literal_column("'HH24:MI'"))


class SeriesRead(Row):
    """A series."""

    name: Name
    coach: Coach | None
    weekdays: Weekdays
    start: Annotated[Start, ReadAs(_start)]
    minutes: Minutes
    capacity: Capacity
    starts_on: StartsOn
    ends_on: Annotated[
        EndsOn,
        Field(description="The last local day; the day before the first if it was cancelled then."),
    ]
    skip: Skip
    centre: CentreReference


class SeriesPage(Page[SeriesRead]):
    """A page of series."""


Number = Annotated[int, Field(ge=0, examples=[3])]
Instant = Annotated[dt.datetime, Field(examples=["2026-12-01T17:00:00.000000Z"])]


class KeptTraining(SQLModel):
    """A training of the series that a change left as it was."""

    id: ExampleId
    date: Annotated[dt.date, Field(description="The local day that the series has it on.")]
    starts_at: Instant
    reason: Annotated[
        Literal["booked", "changed_alone", "past"],
        Field(
            description="It has bookings, or it was changed apart from the series, or its new start"
            " would be in the past."
        ),
    ]


class ClockChange(SQLModel):
    """A day on which the clocks change at the start of the series."""

    date: dt.date
    starts_at: Instant
    clock: Annotated[
        Literal["skipped", "repeated"],
        Field(
            description="`skipped`: the local time does not exist that day, so the training starts"
            " later by the gap. `repeated`: it comes twice, and the first counts."
        ),
    ]


class SeriesChange(SeriesRead):
    """A series after a change, and what became of its trainings."""

    created: Annotated[Number, Field(description="Trainings that were created.")]
    changed: Annotated[Number, Field(description="Trainings that were changed or moved.")]
    cancelled: Annotated[Number, Field(description="Trainings that were cancelled.")]
    deleted: Annotated[Number, Field(description="Trainings that were deleted.")]
    kept: Annotated[
        list[KeptTraining], Field(description="Trainings that were left as they are, by date.")
    ]
    clock_changes: Annotated[
        list[ClockChange],
        Field(description="Days ahead on which the clocks change at the start of the series."),
    ]


class SeriesQuery(NamedListQuery):
    """Query parameters of the list of series."""

    centre_id: Id | SkipJsonSchema[None] = Field(
        default=None, description="Only series at this centre."
    )


class SeriesDeletion(SQLModel):
    """Query parameters of the deletion of a series."""

    include_booked: QueryBoolean = Field(
        default=False, description="Whether to cancel its trainings with bookings."
    )
