"""Leaderboards: tables and responses."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field as TableField
from sqlmodel import Index, SQLModel

from app.athletes.models import AthleteReference, Sex
from app.categories.models import CategoryReference
from app.competitions.models import (
    MOST_EVENTS,
    CompetitionReference,
    EntryStatus,
    WithdrawnBefore,
)
from app.core.resources.fields import FROM_DIGITS, ExampleId, Id, QueryBoolean, QueryInteger
from app.core.resources.paging import LARGEST_PAGE
from app.results.models import Outcome, Review, Scaling


class Ranking(SQLModel, table=True):
    """The last computed ranking of a board. Its lock is the lock on the standings of the board.

    It is apart from the row of ``boards``, so that no judge waits for a computation.
    """

    __tablename__ = "rankings"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["competition_id", "category_id"],
            ["boards.competition_id", "boards.category_id"],
            ondelete="CASCADE",
        ),
    )

    competition_id: UUID = TableField(primary_key=True)
    category_id: UUID = TableField(primary_key=True)
    revision: int = TableField(sa_type=sa.BigInteger)
    """The revision of the board that it has computed; 0 for none."""
    ranked_at: datetime | None
    ordinals: list[int] = TableField(sa_type=ARRAY(sa.Integer))
    """The ordinals of the events with results here: the order of the places in standings."""


class Standing(SQLModel, table=True):
    """The rank, points and places of an entry, as computed for the revision of its ranking."""

    __tablename__ = "standings"
    __table_args__ = (
        Index(None, "competition_id", "category_id", "position", postgresql_include=["entry_id"]),
        sa.ForeignKeyConstraint(
            ["competition_id", "category_id"],
            ["rankings.competition_id", "rankings.category_id"],
            ondelete="CASCADE",
        ),
        # Free space in each page: most writes change the row of a standing.
        {"postgresql_with": {"fillfactor": 70}},
    )

    entry_id: UUID = TableField(primary_key=True, foreign_key="entries.id", ondelete="CASCADE")
    competition_id: UUID
    category_id: UUID
    position: int
    """The place in the list: by rank, then by name and id; the unranked ones last."""
    rank: int | None
    points: int
    places: list[int] = TableField(sa_type=ARRAY(sa.Integer))
    """In the events of the ranking; without a result, the place after the last one."""


class EventStanding(SQLModel):
    """The place of an entry in an event."""

    ordinal: Annotated[int, Field(ge=1, description="Which event.", examples=[1])]
    event_id: ExampleId
    place: Annotated[
        int, Field(description="Without a result, the place after the last one.", examples=[1])
    ]
    points: Annotated[int, Field(examples=[1])]
    result_id: (
        Annotated[ExampleId, Field(description="Null if there is no result with a place.")] | None
    )
    scaling: Scaling | None
    outcome: Outcome | None
    score: Annotated[str | None, Field(description="As typed.", examples=["6:21"])]
    tie_break: Annotated[str | None, Field(description="As typed.", examples=[None])]
    review: Review | None


class LeaderboardRow(SQLModel):
    """An entry on a leaderboard."""

    rank: (
        Annotated[
            int,
            Field(
                description="Equal points may share a rank. Null if disqualified, or withdrawn"
                " without a start.",
                examples=[1],
            ),
        ]
        | None
    )
    points: Annotated[int, Field(examples=[7])]
    entry_id: ExampleId
    athlete: AthleteReference
    status: EntryStatus
    withdrawn_before: WithdrawnBefore | None
    events: Annotated[
        list[EventStanding], Field(description="The events with a result in this category.")
    ]


class BoardState(SQLModel):
    """Which board a leaderboard shows, and how current it is."""

    competition: CompetitionReference
    category: CategoryReference
    revision: Annotated[
        int, Field(ge=0, description="Grows with each change of the board.", examples=[12])
    ]
    as_of: (
        Annotated[
            datetime,
            Field(description="When it was computed.", examples=["2026-12-05T10:00:00.000000Z"]),
        ]
        | None
    )
    provisional: Annotated[bool, Field(description="Whether the competition is not final yet.")]


class Leaderboard(BoardState):
    """A page of a leaderboard."""

    items: list[LeaderboardRow]
    next: str | None = Field(
        description="The relative URL of the next page; null on the last page.",
        examples=[None],
    )


class StandingRead(BoardState):
    """The standing of one entry."""

    standing: LeaderboardRow


class LeaderboardQuery(SQLModel):
    """Query parameters of a leaderboard."""

    category_id: Id = Field(description="The category whose entries are ranked.")
    centre_id: Id | SkipJsonSchema[None] = Field(
        default=None, description="Only athletes who are enrolled at this centre."
    )
    sex: Sex | SkipJsonSchema[None] = None
    event: Annotated[int, Field(ge=1, le=MOST_EVENTS), FROM_DIGITS] | SkipJsonSchema[None] = Field(
        default=None, description="Sort by the place in the event with this ordinal."
    )
    rerank: QueryBoolean = Field(
        default=False,
        description="Whether to rank these athletes as if the others were not there; otherwise they"
        " keep their official ranks.",
    )
    limit: QueryInteger = Field(
        default=20, ge=1, le=LARGEST_PAGE, description="The maximum number of items."
    )
    cursor: Annotated[str, Field(min_length=1)] | SkipJsonSchema[None] = Field(
        default=None, description="An opaque cursor: where the page begins. Copy it from `next`."
    )
