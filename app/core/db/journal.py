"""The journal: the table ``events``, to which each write adds one row in its own statement.

An event names the fields that a write changed, never their values. So the journal holds no personal
data. It is append-only: a trigger refuses changes, except deletions by the retention.
"""

from collections.abc import Iterable
from contextvars import ContextVar
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import array as _array
from sqlmodel import Field, Index, SQLModel

from app.core.db.schema import NOW, table_of

ACTOR, REQUEST_ID = "event_actor", "event_request_id"
"""The parameters of statements that add events; ``Statement`` takes them from ``WRITER``."""
COMMAND, ANONYMOUS = "command", "anonymous"
"""The actors of writes without a caller: those of ``manage.py``, and of public endpoints."""

WRITER: ContextVar[tuple[str, str | None]] = ContextVar("writer", default=(COMMAND, None))
"""The actor and the request ID of the writes of this task."""


def acts_as(actor: UUID) -> None:
    """Name the account, or the token of a device, that writes from now on in this request."""
    WRITER.set((str(actor), WRITER.get()[1]))


class Event(SQLModel, table=True):
    """A write of one row: which row, who wrote it, and which fields changed.

    It has no foreign keys, because it outlives what it is about.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index(None, "resource_id", "id"),
        Index(None, "athlete_id", "id", postgresql_where=sa.text("athlete_id IS NOT NULL")),
        # Few events have more than one centre: see the lists of some centres.
        Index("ix_events_first_centre_id", sa.text("(centre_ids[1])"), "id"),
        Index(
            "ix_events_more_centres", "id", postgresql_where=sa.text("cardinality(centre_ids) > 1")
        ),
        # Its values only increase, so it costs little.
        Index(None, "transaction_id"),
    )

    id: UUID = Field(primary_key=True, sa_column_kwargs={"server_default": sa.func.event_id()})
    """A UUIDv7 of the time at which the row is written, to the microsecond."""
    occurred_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    transaction_id: int = Field(
        sa_type=sa.BigInteger,
        sa_column_kwargs={"server_default": sa.text("pg_current_xact_id()::text::bigint")},
    )
    """The transaction that wrote it: readers follow the journal by it."""
    actor: str
    """The id of an account or of a device's token, or ``command`` or ``anonymous``."""
    request_id: str | None
    type: str
    """What happened: ``athlete.updated``."""
    resource_id: UUID
    version: int
    """The version of the row after the write; that of a deletion is one more than the last."""
    centre_ids: list[UUID] = Field(sa_type=ARRAY(sa.Uuid))
    athlete_id: UUID | None
    changed: list[str] = Field(sa_type=ARRAY(sa.Text))
    """The names of the fields that changed; empty for a new and for a deleted row."""


EVENTS = table_of(Event)
_NEEDED = "id", "version", "centre_id", "competition_id", "athlete_id", "kind"
_IDS, _NAMES = ARRAY(sa.Uuid), ARRAY(sa.Text)


def journal_cte(
    source: sa.CTE,
    kind: str | sa.ColumnElement[str],
    *,
    conditions: Iterable[sa.ColumnElement[bool]] = (),
    changed: sa.ColumnElement[Any] | Iterable[str] = (),
    version: sa.ColumnElement[int] | None = None,
    centre_ids: sa.ColumnElement[Any] | None = None,
    athlete_id: sa.ColumnElement[Any] | None = None,
) -> sa.CTE:
    """Add one event for each row of a CTE that writes rows and returns ``with_event_columns``.

    ``kind`` is the type of the events. ``version`` and ``athlete_id`` are by default the columns of
    the source, and ``centre_ids`` its ``centre_id``. With conditions, only rows that satisfy them
    get an event. The statement must name the CTE by ``add_cte``.
    """
    columns = source.c
    if centre_ids is None and "centre_id" in columns:
        centre_ids = ids_of(columns.centre_id)
    if athlete_id is None:
        athlete_id = columns.get("athlete_id", sa.null())
    row = {
        EVENTS.c.actor: sa.bindparam(ACTOR, type_=sa.Text),
        EVENTS.c.request_id: sa.bindparam(REQUEST_ID, type_=sa.Text),
        EVENTS.c.type: _constant(kind) if isinstance(kind, str) else kind,
        EVENTS.c.resource_id: columns.id,
        EVENTS.c.version: columns.version if version is None else version,
        EVENTS.c.centre_ids: sa.literal_column("'{}'::uuid[]")
        if centre_ids is None
        else centre_ids,
        EVENTS.c.athlete_id: athlete_id,
        EVENTS.c.changed: changed
        if isinstance(changed, sa.ColumnElement)
        else sa.literal_column(f"'{{{','.join(changed)}}}'::text[]"),
    }
    events = sa.select(*row.values()).select_from(source).where(*conditions)
    return (
        sa.insert(EVENTS)
        .from_select(list(row), events, include_defaults=False)
        .cte(f"events_of_{source.name}")
    )


def with_event_columns(table: sa.Table, columns: Iterable[sa.Column[Any]]) -> list[sa.Column[Any]]:
    """Return some columns of a table, and those that ``journal_cte`` needs."""
    needed = [table.c[name] for name in _NEEDED if name in table.c]
    return list(dict.fromkeys([*columns, *needed]))


def ids_of(*ids: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return an array of the ids that are not null."""
    return sa.func.array_remove(_array[Any]([*ids], type_=sa.Uuid), sa.null(), type_=_IDS)


def names_of(fields: dict[str, sa.ColumnElement[bool]]) -> sa.ColumnElement[Any]:
    """Return an array of the names whose conditions hold."""
    named: list[sa.ColumnElement[Any]] = [
        sa.case((condition, _constant(name))) for name, condition in fields.items()
    ]
    return sa.func.array_remove(_array[Any](named, type_=sa.Text), sa.null(), type_=_NAMES)


def _constant(text: str) -> sa.ColumnElement[Any]:
    return sa.literal_column(f"'{text}'", sa.Text)
