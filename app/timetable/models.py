"""The timetable of a centre: the response and its query parameters."""

import datetime as dt
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from sqlmodel import SQLModel

from app.centres.models import CentreReference
from app.core.resources.fields import ExampleId, Id, LocalTime, Week
from app.core.resources.projection import ReadAs
from app.trainings.models import (
    BookingStatus,
    Coach,
    EndsAt,
    Moved,
    Name,
    Seats,
    StartsAt,
    TrainingStatus,
)
from app.workouts.models import ProgrammeOfDay


class TimetableBooking(SQLModel):
    """The active booking of an athlete, as part of a training in the timetable."""

    id: ExampleId
    status: BookingStatus


class TimetableTraining(SQLModel):
    """A training in the timetable."""

    id: ExampleId
    name: Name
    coach: Coach | None
    starts_at: StartsAt
    ends_at: EndsAt
    start: Annotated[
        LocalTime,
        ReadAs(lambda training: training.c.start),
        Field(description="The local time of the start, `HH:MM`.", examples=["18:00"]),
    ]
    end: Annotated[
        LocalTime,
        ReadAs(lambda training: training.c.end),
        Field(description="The local time of the end, maybe of the next day.", examples=["19:00"]),
    ]
    status: TrainingStatus
    seats: Seats
    series_id: Annotated[UUID | None, Field(description="The series that scheduled it.")]
    moved_from: Moved
    booking: Annotated[
        TimetableBooking | None,
        ReadAs(lambda training: training.c.booking),
        Field(
            description="The active booking of `athlete_id`, if that is given. A booking that is"
            " cancelled is not active."
        ),
    ]


class TimetableDay(SQLModel):
    """A local day of a centre."""

    date: Annotated[dt.date, Field(examples=["2026-11-23"])]
    programme: Annotated[
        list[ProgrammeOfDay],
        Field(
            description="The published workouts, in their order; empty for callers who do not see"
            " the programme."
        ),
    ]
    trainings: Annotated[
        list[TimetableTraining],
        Field(description="The trainings that start on this day, also cancelled ones."),
    ]


class Timetable(SQLModel):
    """A week of a centre, by local days."""

    centre: CentreReference
    time_zone: Annotated[str, Field(examples=["Europe/Lisbon"])]
    week: Annotated[
        str, Field(description="The week by ISO 8601: it starts on Monday.", examples=["2026-W48"])
    ]
    starts_at: Annotated[
        datetime,
        Field(
            description="When the Monday begins there.", examples=["2026-11-23T00:00:00.000000Z"]
        ),
    ]
    ends_at: Annotated[
        datetime,
        Field(
            description="When the next Monday begins there.",
            examples=["2026-11-30T00:00:00.000000Z"],
        ),
    ]
    days: Annotated[list[TimetableDay], Field(min_length=7, max_length=7)]


class TimetableQuery(SQLModel):
    """Query parameters of the timetable."""

    week: Week | SkipJsonSchema[None] = Field(
        default=None,
        description="The week by ISO 8601, `YYYY-Www`; by default the current one at the centre.",
    )
    athlete_id: Id | SkipJsonSchema[None] = Field(
        default=None, description="Show the active booking of this athlete in each training."
    )
