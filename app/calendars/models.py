"""The calendar feed of an athlete: its table and response."""

from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field as TableField

from app.core.resources.models import Row


class CalendarFeed(Row, table=True):
    """The secret in the URL of the calendar of an athlete. A new one replaces it."""

    __tablename__ = "calendar_feeds"
    __table_args__ = (
        sa.UniqueConstraint("athlete_id"),
        sa.CheckConstraint("octet_length(secret_hash) = 32", name="secret_hash"),
    )

    athlete_id: UUID = TableField(foreign_key="athletes.id", ondelete="CASCADE")
    secret_hash: bytes
    """The SHA-256 of the secret."""
