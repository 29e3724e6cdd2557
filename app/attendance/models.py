"""The attendance of a centre: query parameters and responses."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from sqlmodel import SQLModel

from app.athletes.models import AthleteReference
from app.centres.models import CentreReference, Zone
from app.core.resources.fields import CalendarDate, ExampleId
from app.trainings.models import Capacity, Coach, Count, Name, Occasion, TrainingStatus

MOST_DAYS = 366

Rows = Literal["trainings", "athletes"]
FirstDay = Annotated[
    CalendarDate,
    Field(description="The first day, local at the centre.", examples=["2026-11-01"]),
]
LastDay = Annotated[
    CalendarDate,
    Field(
        description=f"The last day, included; at most {MOST_DAYS} days in all.",
        examples=["2026-11-30"],
    ),
]
Seats = Annotated[Count, Field(description="Number of seats.")]
Taken = Annotated[Count, Field(description="Number of `reserved` and `checked_in` bookings.")]
Present = Annotated[Count, Field(description="Number of `checked_in` bookings.")]
Late = Annotated[Count, Field(description="Number of seats that were cancelled too late.")]
NoShows = Annotated[
    Count, Field(description="Number of `reserved` bookings, once the training has ended.")
]
Waitlisted = Annotated[Count, Field(description="Number of bookings that never got a seat.")]


class AttendedTraining(SQLModel):
    """A training, with the number of its bookings by what became of them."""

    id: ExampleId
    name: Name
    coach: Coach | None
    starts_at: Occasion
    ends_at: Occasion
    status: TrainingStatus
    capacity: Capacity
    taken: Taken
    present: Present
    late: Late
    no_shows: NoShows
    waitlisted: Waitlisted


class AttendingAthlete(SQLModel):
    """An athlete with a visit, a no-show or a late cancellation."""

    athlete: AthleteReference
    visits: Present
    no_shows: NoShows
    late: Late


class AttendanceTotals(SQLModel):
    """The sums of the trainings that are not cancelled."""

    trainings: Count
    capacity: Seats
    taken: Taken
    present: Present
    late: Late
    no_shows: NoShows
    waitlisted: Waitlisted


class Attendance(SQLModel):
    """The attendance of a centre on some days, local there.

    `trainings` are sorted by their start, and `athletes` by name. A cancelled training is listed,
    but neither `totals` nor `athletes` count it.
    """

    centre: CentreReference
    time_zone: Zone
    from_: FirstDay = Field(alias="from")
    to: LastDay
    trainings: list[AttendedTraining]
    athletes: list[AttendingAthlete]
    totals: AttendanceTotals


class AttendanceQuery(BaseModel):
    """Query parameters of the attendance of a centre."""

    from_: FirstDay = Field(alias="from")
    to: LastDay

    @field_validator("to")
    @classmethod
    def _follows(cls, last: date, info: ValidationInfo) -> date:
        first = info.data.get("from_")
        if first is not None and not 0 <= (last - first).days < MOST_DAYS:
            raise PydanticCustomError(
                "span",
                "Input should be the day of `from` or later, with at most {most} days in all",
                {"most": MOST_DAYS},
            )
        return last


class AttendanceExportQuery(AttendanceQuery):
    """Query parameters of an export of the attendance."""

    rows: Rows = Field(default="trainings", description="What each row of the file is about.")
