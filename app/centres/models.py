"""The centre: its table, request bodies and responses."""

from typing import Annotated

import sqlalchemy as sa
from pydantic import AfterValidator, Field, RootModel
from pydantic_core import PydanticCustomError
from sqlmodel import Index, SQLModel

from app.core.resources.fields import ExampleId, JSONNumber, Text, TimeZone, text_pattern
from app.core.resources.models import ABSENT, Payload, Row, derived_from
from app.core.resources.paging import Page
from app.core.resources.text import name_key


def _without_semicolon(name: str) -> str:
    if ";" in name:
        # CSV files separate the centres of an athlete with it.
        raise PydanticCustomError("semicolon", "The name of a centre cannot contain a semicolon")
    return name


Name = Annotated[
    str,
    AfterValidator(_without_semicolon),
    Text(100, name=True),
    Field(
        description="Unique; case and accents are ignored. Cannot contain `;`.",
        examples=["CrossFit Northside"],
        json_schema_extra={"pattern": text_pattern(without=";")},
    ),
]
Address = Annotated[str, Text(255), Field(examples=["12 Harbour Street, Lisbon"])]
Owner = Annotated[str, Text(100), Field(examples=["Ana Torres"])]
Zone = Annotated[TimeZone, Field(description="IANA time zone.", examples=["Europe/Lisbon"])]
Capacity = Annotated[
    int,
    Field(
        ge=1,
        le=100_000,
        description="How many athletes can train here at the same time; null for no limit.",
        examples=[40],
    ),
    JSONNumber,
]
BookingWindow = Annotated[
    int,
    Field(
        ge=1,
        le=365,
        description="How many days before a training its booking opens, at the same local time;"
        " null for no limit. Staff may book earlier.",
        examples=[14],
    ),
    JSONNumber,
]
LateCancel = Annotated[
    int,
    Field(
        ge=1,
        le=10_080,
        description="A seat that an athlete cancels less than this many minutes before the start"
        " is a late cancellation; null for none. Staff are exempt.",
        examples=[120],
    ),
    JSONNumber,
]


class CentreBase(SQLModel):
    """The fields of a centre that clients write."""

    name: Name
    address: Address | None = None
    owner: Owner | None = None
    time_zone: Zone = "UTC"
    capacity: Capacity | None = None
    booking_window_days: BookingWindow | None = None
    late_cancel_minutes: LateCancel | None = None


class Centre(CentreBase, Row, table=True):
    """A box: a place where athletes train."""

    __tablename__ = "centres"
    __table_args__ = (
        Index(None, "created_at", "id"),
        sa.CheckConstraint("capacity BETWEEN 1 AND 100000", name="capacity"),
        sa.CheckConstraint("booking_window_days BETWEEN 1 AND 365", name="booking_window_days"),
        sa.CheckConstraint("late_cancel_minutes BETWEEN 1 AND 10080", name="late_cancel_minutes"),
    )

    name_key: str = derived_from("name", name_key, unique=True)


class CentreCreate(CentreBase, Payload):
    """A new centre."""


class CentreUpdate(Payload):
    """The fields of a centre to change. Absent fields stay unchanged."""

    name: Name = ABSENT
    address: Address | None = None
    owner: Owner | None = None
    time_zone: Zone = ABSENT
    capacity: Capacity | None = None
    booking_window_days: BookingWindow | None = None
    late_cancel_minutes: LateCancel | None = None


class CentreRead(CentreBase, Row):
    """A centre."""


class CentrePublic(SQLModel):
    """A centre, for everybody: without its owner and the rules of its desk."""

    id: ExampleId
    name: Name
    address: Address | None
    time_zone: Zone


class CentreView(RootModel[CentreRead | CentrePublic]):
    """A centre as the caller sees it."""


class CentrePage(Page[CentreRead | CentrePublic]):
    """A page of centres."""


class CentreReference(SQLModel):
    """A centre, as part of other resources."""

    id: ExampleId
    name: Name
