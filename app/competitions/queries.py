"""The SQL of competitions, events and entries. The statements that lock rows are in ``locks``."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from app.competitions.locks import (
    COMPETITIONS,
    ENTRIES,
    EVENTS,
    board_changed_cte,
    boards_changed_cte,
    published,
)
from app.competitions.models import (
    Competition,
    CompetitionEvent,
    CompetitionEventRead,
    CompetitionRead,
    Entry,
    EntryRead,
)
from app.core.db.journal import ids_of, with_event_columns
from app.core.db.schema import NOW
from app.core.db.statements import Statement
from app.core.resources.queries import (
    REACH_ATHLETE,
    REACH_CENTRES,
    REACH_PUBLIC,
    Compare,
    Queries,
    compiled_once,
    next_version,
)

_ID = sa.bindparam("id", type_=sa.Uuid)
AFTER = {"opened": "open", "closed": "closed", "finalised": "final", "reopened": "open"}
"""The status of a competition after it was opened, closed and so on."""
_BY_CREATION = {"created_at": "created_at"}


class CompetitionQueries(Queries):
    """Builds the statements of competitions."""

    def within_reach(self) -> sa.ColumnElement[bool]:
        """Return the condition for competitions of hosts within reach, and for published ones."""
        return sa.or_(
            COMPETITIONS.c.centre_id == sa.func.any(REACH_CENTRES),
            sa.and_(REACH_PUBLIC, published(COMPETITIONS)),
        )

    def belongs(self, source: sa.FromClause) -> Mapping[str, sa.ColumnElement[Any]]:
        """Return the host of a competition, and whether it is published."""
        return {"centres": ids_of(source.c.centre_id), "public": published(source)}

    @compiled_once
    def status_query(self, verb: str) -> Statement:
        """Give a locked competition the status of a verb, such as ``opened``, and read it."""
        new: dict[sa.Column[Any], Any] = {
            COMPETITIONS.c.status: sa.literal_column(f"'{AFTER[verb]}'"),
            **next_version(COMPETITIONS),
        }
        changed = ["status"]
        if verb == "opened":
            new[COMPETITIONS.c.published_at] = sa.func.least(COMPETITIONS.c.published_at, NOW)
            changed.append("published_at")
        elif verb == "reopened":
            new[COMPETITIONS.c.reopened_because] = sa.bindparam("reason", type_=sa.Text)
            changed.append("reopened_because")
        moved = (
            sa.update(COMPETITIONS)
            .where(COMPETITIONS.c.id == _ID)
            .values(new)
            .returning(*with_event_columns(COMPETITIONS, self.projection.columns))
            .cte("moved")
        )
        event = self.event_cte(moved, verb, changed=changed)
        return Statement(self.projection.each(moved).add_cte(event))

    @compiled_once
    def ranked_anew_query(self, fields: frozenset[str]) -> Statement:
        """Change fields of a locked competition on which all its ranks depend, and read it."""
        updated = self.updated_cte(fields)
        boards = boards_changed_cte(_ID)
        event = self.updated_event_cte(updated)
        return Statement(self.projection.each(updated).add_cte(event, boards))

    @compiled_once
    def has_events_query(self) -> Statement:
        """Return a row if a competition has events."""
        return Statement(sa.select(EVENTS.c.id).where(EVENTS.c.competition_id == _ID).limit(1))


class CompetitionEventQueries(Queries):
    """Builds the statements of the events of competitions."""

    def within_reach(self) -> sa.ColumnElement[bool]:
        """Return the condition for events of hosts within reach, and for published ones."""
        return sa.or_(
            _of_competition(EVENTS, "centre_id") == sa.func.any(REACH_CENTRES),
            sa.and_(REACH_PUBLIC, published(EVENTS), _is_published(EVENTS)),
        )

    def belongs(self, source: sa.FromClause) -> Mapping[str, sa.ColumnElement[Any]]:
        """Return the host of an event, and whether it is published."""
        return {
            "centres": ids_of(_of_competition(source, "centre_id")),
            "public": sa.and_(published(source), _is_published(source)),
        }

    def event_centres(self, source: sa.CTE) -> sa.ColumnElement[Any]:
        """Return the host of the competition."""
        return ids_of(_of_competition(source, "centre_id"))

    @compiled_once
    def last_ordinal_query(self) -> Statement:
        """Return the ordinal of the last event of a competition, or 0."""
        last = sa.func.coalesce(sa.func.max(EVENTS.c.ordinal), sa.literal_column("0"))
        of_competition = EVENTS.c.competition_id == sa.bindparam("competition_id", type_=sa.Uuid)
        return Statement(sa.select(last).where(of_competition))

    @compiled_once
    def update_query(self, fields: frozenset[str]) -> Statement:
        """Change the given fields of an event of a locked competition, and read it."""
        updated = self.updated_cte(fields)
        boards = boards_changed_cte(sa.select(updated.c.competition_id).scalar_subquery())
        event = self.updated_event_cte(updated)
        return Statement(self.projection.each(updated).add_cte(event, boards))


class EntryQueries(Queries):
    """Builds the statements of entries."""

    def within_reach(self) -> sa.ColumnElement[bool]:
        """Return the condition for entries at hosts within reach, published ones, and own ones."""
        return sa.or_(
            ENTRIES.c.athlete_id == REACH_ATHLETE,
            _of_competition(ENTRIES, "centre_id") == sa.func.any(REACH_CENTRES),
            sa.and_(REACH_PUBLIC, _is_published(ENTRIES)),
        )

    def belongs(self, source: sa.FromClause) -> Mapping[str, sa.ColumnElement[Any]]:
        """Return the host of the competition, the athlete, and whether it is published."""
        return {
            "centres": ids_of(_of_competition(source, "centre_id")),
            "athlete_id": source.c.athlete_id,
            "public": _is_published(source),
        }

    def event_centres(self, source: sa.CTE) -> sa.ColumnElement[Any]:
        """Return the host of the competition."""
        return ids_of(_of_competition(source, "centre_id"))

    @compiled_once
    def status_query(self, verb: str) -> Statement:
        """Give an entry of a locked board the status of a verb, such as ``withdrawn``; read it."""
        status = {"withdrawn": "withdrawn", "disqualified": "disqualified", "reinstated": "entered"}
        new = {
            ENTRIES.c.status: sa.literal_column(f"'{status[verb]}'"),
            ENTRIES.c.withdrawn_before: sa.bindparam("withdrawn_before", type_=sa.Integer),
            **next_version(ENTRIES),
        }
        columns = [*self.projection.columns, ENTRIES.c.competition_id, ENTRIES.c.category_id]
        moved = (
            sa.update(ENTRIES)
            .where(ENTRIES.c.id == _ID)
            .values(new)
            .returning(*with_event_columns(ENTRIES, columns))
            .cte("moved")
        )
        event = self.event_cte(moved, verb, changed=["status", "withdrawn_before"])
        return Statement(self.projection.each(moved).add_cte(event, board_changed_cte(moved)))

    @compiled_once
    def state_query(self) -> Statement:
        """Read an entry of a locked board: ``status, withdrawn_before``."""
        columns = ENTRIES.c.status, ENTRIES.c.withdrawn_before
        return Statement(sa.select(*columns).where(ENTRIES.c.id == _ID))


def _of_competition(rows: sa.FromClause, column: str) -> sa.ColumnElement[Any]:
    """Return a column of the competition of an event or entry."""
    competition = COMPETITIONS.alias("of_competition")
    return (
        sa.select(competition.c[column])
        .where(competition.c.id == rows.c.competition_id)
        .correlate(rows)
        .scalar_subquery()
    )


def _is_published(rows: sa.FromClause) -> sa.ColumnElement[bool]:
    """Match rows whose competition is published by now."""
    is_published: sa.ColumnElement[bool] = _of_competition(rows, "published_at") <= NOW
    return sa.func.coalesce(is_published, sa.false())


COMPETITION_QUERIES = CompetitionQueries(
    Competition,
    CompetitionRead,
    filters={
        "centre_id": Compare(COMPETITIONS.c.centre_id),
        "status": Compare(COMPETITIONS.c.status),
    },
)
EVENT_QUERIES = CompetitionEventQueries(
    CompetitionEvent,
    CompetitionEventRead,
    sorts={"ordinal": "ordinal"},
    filters={"competition_id": Compare(EVENTS.c.competition_id)},
    noun="competition event",
)
ENTRY_QUERIES = EntryQueries(
    Entry,
    EntryRead,
    sorts=_BY_CREATION,
    filters={
        "competition_id": Compare(ENTRIES.c.competition_id),
        "category_id": Compare(ENTRIES.c.category_id),
        "status": Compare(ENTRIES.c.status),
    },
)
