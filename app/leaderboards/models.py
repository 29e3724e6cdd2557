"""Leaderboards: tables and responses."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field as TableField
from sqlmodel import Index, SQLModel


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
