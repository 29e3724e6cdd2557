"""The calendar feed of an athlete: its table, response and parameter."""

from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from fastapi import Query
from pydantic import Field
from sqlmodel import Field as TableField

from app.athletes.models import ERASED_DETAIL
from app.core.db.constraints import RULES, Rule
from app.core.errors import Erased
from app.core.resources.fields import Text
from app.core.resources.models import Row

EXAMPLE = "Zm9yIGRvY3VtZW50YXRpb24gb25seSwgbm8gdG9rZW4"

FeedToken = Annotated[
    str,
    Text(100),
    Query(
        description="The secret in the URL that `POST /athletes/{athlete_id}/calendar-feed` made.",
        examples=[EXAMPLE],
    ),
]


class CalendarFeed(Row, table=True):
    """The secret in the URL of the calendar of an athlete. A new one replaces it."""

    __tablename__ = "calendar_feeds"
    __table_args__ = (
        sa.UniqueConstraint("athlete_id"),
        sa.CheckConstraint("octet_length(secret_hash) = 32", name="secret_hash"),
        # A trigger reports this one: an erased athlete gets no feed.
        {
            "info": {
                RULES: {
                    "ck_calendar_feeds_erased": Rule(Erased, "erased_at", "erased", ERASED_DETAIL)
                }
            }
        },
    )

    athlete_id: UUID = TableField(foreign_key="athletes.id", ondelete="CASCADE")
    secret_hash: bytes
    """The SHA-256 hash of the secret: fast hashing is enough for 256 random bits."""


class CalendarFeedRead(Row):
    """The calendar feed of an athlete, without its secret."""


class CalendarFeedCreated(CalendarFeedRead):
    """A new calendar feed, with its URL."""

    url: Annotated[
        str,
        Field(
            description="The relative URL of the calendar. Shown only in this response. Keep it"
            " secret: everybody who has it reads the bookings of the athlete.",
            examples=[
                "/api/v1/athletes/019aa8a5-3f0c-7c4e-9d0f-6f2d1c7a5b10/calendar.ics"
                f"?token={EXAMPLE}"
            ],
        ),
    ]
