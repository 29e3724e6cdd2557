"""The series: its table, request bodies and responses."""

import datetime as dt
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from pydantic import AfterValidator, Field
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field as TableField
from sqlmodel import Index, Relationship, SQLModel

from app.centres.models import Centre
from app.core.resources.fields import CalendarDate, JSONNumber, LocalTime
from app.core.resources.models import Row, derived_from
from app.core.resources.text import name_key
from app.trainings.models import Capacity, Coach, Name

LONGEST = dt.timedelta(days=366)
"""How far ahead of its first day, or of today, a series may end: a year."""
MOST_PROGRAMMED = 100


def _once_each(values: list[int]) -> list[int]:
    return sorted(set(values))


def _days_once_each(values: list[dt.date]) -> list[dt.date]:
    return sorted(set(values))


Weekdays = Annotated[
    list[Annotated[int, Field(ge=1, le=7), JSONNumber]],
    AfterValidator(_once_each),
    Field(
        min_length=1,
        max_length=7,
        description="ISO weekdays: 1 is Monday, 7 is Sunday.",
        examples=[[1, 3, 5]],
    ),
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
    AfterValidator(_days_once_each),
    Field(
        max_length=366,
        description="Local days without a training, holidays for example.",
        examples=[["2026-12-25"]],
    ),
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
