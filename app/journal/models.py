"""Events of the journal in responses, and the query parameters of their lists."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from sqlmodel import SQLModel

from app.core.resources.fields import ExampleId, Id, Moment, Text
from app.core.resources.models import LAST_VERSION
from app.core.resources.paging import ListQuery, Page

Centres = Annotated[
    list[UUID],
    Field(
        description="The centres that the row belonged to, before or after the write.",
        examples=[["019aa8a5-3f0c-7c4e-9d0f-6f2d1c7a5b10"]],
    ),
]
EventType = Annotated[
    str, Text(64), Field(description="What happened.", examples=["athlete.updated"])
]
Actor = Annotated[
    str,
    Text(64),
    Field(
        description="The id of the account, or of the token of a device. `command` is `manage.py`,"
        " and `anonymous` a request without a token.",
        examples=["019aa8a5-3f0c-7c4e-9d0f-6f2d1c7a5b10"],
    ),
]
FEW_CENTRES = 10
"""A page of more centres takes longer than 3 ms, if each has many events."""
PLUS = "Write `+` as `%2B` in a URL."


class EventRead(SQLModel):
    """A write of one row. It names the fields that changed, and never their values."""

    model_config = {"json_schema_serialization_defaults_required": True}

    id: ExampleId
    occurred_at: Annotated[datetime, Field(examples=["2026-11-28T08:30:00.123456Z"])]
    actor: Actor
    request_id: Annotated[
        str | None,
        Field(
            description="The `X-Request-ID` of the request; null for a command.",
            examples=["019aa8a53f0c7c4e9d0f6f2d1c7a5b10"],
        ),
    ]
    type: EventType
    resource_id: Annotated[ExampleId, Field(description="The row that was written.")]
    version: Annotated[
        int,
        Field(
            ge=1,
            le=LAST_VERSION,
            description="The version of the row after the write; that of a deletion is the next"
            " one after the last.",
            examples=[2],
        ),
    ]
    centre_ids: Centres
    athlete_id: Annotated[
        ExampleId | None, Field(description="The athlete that the row is, or is about.")
    ]
    changed: Annotated[
        list[str],
        Field(
            description="The names of the fields that changed; empty for new and deleted rows.",
            examples=[["email"]],
        ),
    ]


class EventPage(Page[EventRead]):
    """A page of events."""


class EventsOfAthleteQuery(ListQuery):
    """Query parameters of the list of the events of an athlete."""

    type: EventType | SkipJsonSchema[None] = Field(
        default=None, description="Only events of this type."
    )
    from_: Moment | SkipJsonSchema[None] = Field(
        default=None,
        alias="from",
        description=f"Only events at this time or later. {PLUS}",
    )
    to: Moment | SkipJsonSchema[None] = Field(
        default=None, description=f"Only events before this time. {PLUS}"
    )
    sort: Literal["occurred_at", "-occurred_at"] = Field(
        default="-occurred_at", description="What to sort by; `-` for descending."
    )


class EventsQuery(EventsOfAthleteQuery):
    """Query parameters of the list of all events."""

    resource_id: Id | SkipJsonSchema[None] = Field(
        default=None, description="Only events of this row."
    )
    athlete_id: Id | SkipJsonSchema[None] = Field(
        default=None, description="Only events that are about this athlete."
    )
    actor: Actor | SkipJsonSchema[None] = Field(
        default=None, description="Only events of this actor."
    )

    @property
    def is_costly(self) -> bool:
        """Whether the query may read many more rows than those of the page."""
        wide = self.type is not None or self.actor is not None
        return super().is_costly or (wide and not (self.resource_id or self.athlete_id))


class EventsAtCentresQuery(EventsQuery):
    """The same for a number of centres only."""

    number: int

    NO_FILTERS: ClassVar = {*ListQuery.NO_FILTERS, "number"}

    @property
    def is_costly(self) -> bool:
        """Whether the query may read many more rows than those of the page."""
        return super().is_costly or self.offset is not None or self.number > FEW_CENTRES
