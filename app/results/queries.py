"""The SQL of results. The statements that lock rows are in ``locks``."""

import operator
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from app.competitions.locks import COMPETITIONS, board_changed_cte
from app.core.db.journal import ids_of, with_event_columns
from app.core.db.schema import CALLER_HOLDS, table_of
from app.core.db.statements import Statement
from app.core.resources.projection import EMPTY_LIST, as_json
from app.core.resources.queries import (
    REACH_ATHLETE,
    REACH_CENTRES,
    REACH_PUBLIC,
    Compare,
    Queries,
    as_expected,
    compiled_once,
    version_after,
)
from app.results.locks import RESULTS
from app.results.models import Result, ResultChange, ResultRead

CHANGES = table_of(ResultChange)
_ID = sa.bindparam("id", type_=sa.Uuid)


class ResultQueries(Queries):
    """Builds the statements of results."""

    def within_reach(self) -> sa.ColumnElement[bool]:
        """Return the condition for own results, those at centres within reach, and of events."""
        return sa.or_(
            RESULTS.c.athlete_id == REACH_ATHLETE,
            RESULTS.c.centre_id == sa.func.any(REACH_CENTRES),
            sa.and_(REACH_PUBLIC, RESULTS.c.event_id.is_not(None)),
        )

    def belongs(self, source: sa.FromClause) -> Mapping[str, sa.ColumnElement[Any]]:
        """Return the centre of a result, its athlete, and whether it is one in an event."""
        return {
            "centres": ids_of(source.c.centre_id),
            "athlete_id": source.c.athlete_id,
            "public": source.c.event_id.is_not(None),
        }

    def event_centres(self, source: sa.CTE) -> sa.ColumnElement[Any]:
        """Return the centre of a result, or the host of its competition."""
        host = (
            sa.select(COMPETITIONS.c.centre_id)
            .where(COMPETITIONS.c.id == source.c.competition_id)
            .correlate(source)
            .scalar_subquery()
        )
        return ids_of(sa.func.coalesce(source.c.centre_id, host))

    @compiled_once
    def insert_query(self) -> Statement:
        """Insert a result, of a locked board if it is one in an event, and read it."""
        inserted = self.inserted_cte()
        created = self.event_cte(inserted, "created")
        read = self.projection.each(inserted)
        return Statement(read.add_cte(created, board_changed_cte(inserted)))

    @compiled_once
    def update_query(self, fields: frozenset[str]) -> Statement:
        """Change the given fields of a result, keep the values of before, and read it."""
        updated = self.updated_cte(fields)
        raised = updated.c.version != updated.c.version_before
        moved = (
            sa.select(updated.c.competition_id, updated.c.category_id).where(raised).cte("moved")
        )
        kept = kept_cte(updated, sa.bindparam("reason", None, type_=sa.Text), raised)
        event = self.updated_event_cte(updated)
        read = self.projection.each(updated)
        return Statement(read.add_cte(event, kept, board_changed_cte(moved)))

    @compiled_once
    def delete_query(self) -> Statement:
        """Delete a result, of a locked board if it is one in an event."""
        board = RESULTS.c.competition_id, RESULTS.c.category_id
        deleted = (
            sa.delete(RESULTS)
            .where(*as_expected(RESULTS), CALLER_HOLDS, self.may_delete())
            .returning(*with_event_columns(RESULTS, board))
            .cte("deleted")
        )
        event = self.event_cte(deleted, "deleted", version=version_after(deleted.c.version))
        return Statement(sa.select(deleted.c.id).add_cte(event, board_changed_cte(deleted)))

    @compiled_once
    def place_query(self) -> Statement:
        """Find the event and the entry of a result, if any; they never change."""
        columns = RESULTS.c.event_id, RESULTS.c.entry_id
        return Statement(sa.select(*columns).where(RESULTS.c.id == _ID))

    @compiled_once
    def of_entry_query(self) -> Statement:
        """Find the id of an entry's result in an event."""
        wanted = (
            RESULTS.c.event_id == sa.bindparam("event_id", type_=sa.Uuid),
            RESULTS.c.entry_id == sa.bindparam("entry_id", type_=sa.Uuid),
        )
        return Statement(sa.select(RESULTS.c.id).where(*wanted))

    @compiled_once
    def changes_query(self) -> Statement:
        """Read the corrections of a result, the oldest first: ``ResultChanges``."""
        change = (
            sa.select(
                CHANGES.c.to_version.label("version"),
                as_json(CHANGES.c.changed_at).label("changed_at"),
                CHANGES.c.reason,
                CHANGES.c.before,
                CHANGES.c.after,
            )
            .where(CHANGES.c.result_id == _ID)
            .order_by(CHANGES.c.changed_at, CHANGES.c.to_version)
            .subquery("change")
        )
        items = sa.select(
            sa.func.coalesce(sa.func.json_agg(change.table_valued()), EMPTY_LIST).label("items")
        ).subquery("changes")
        return Statement(sa.select(sa.func.row_to_json(items.table_valued()).label("body")))


def kept_cte(
    updated: sa.CTE, reason: sa.ColumnElement[Any], *conditions: sa.ColumnElement[bool]
) -> sa.CTE:
    """Keep the values of before and after a change of results, if they differ.

    With conditions, only those of the rows that satisfy them.
    """
    was = RESULTS.alias("was")
    before, after = _values(was), _values(updated)
    row = {
        CHANGES.c.result_id: updated.c.id,
        CHANGES.c.to_version: updated.c.version,
        CHANGES.c.reason: reason,
        CHANGES.c.before: before,
        CHANGES.c.after: after,
    }
    changes = sa.select(*row.values()).join(was, was.c.id == updated.c.id)
    changes = changes.where(*conditions, before != after)
    return sa.insert(CHANGES).from_select(list(row), changes, include_defaults=False).cte("kept")


def _values(rows: sa.FromClause) -> sa.ColumnElement[Any]:
    """Return what decides the place of a result, as ``ChangeValues``."""
    values = {
        "score": rows.c.entered,
        "tie_break": rows.c.tie_break_entered,
        "scaling": rows.c.scaling,
        "outcome": rows.c.outcome,
        "review": rows.c.review,
    }
    pairs = [
        part for name, column in values.items() for part in (sa.literal_column(f"'{name}'"), column)
    ]
    return sa.func.jsonb_build_object(*pairs)


RESULT_QUERIES = ResultQueries(
    Result,
    ResultRead,
    sorts={"performed_at": "performed_at"},
    filters={
        **{
            name: Compare(RESULTS.c[name])
            for name in (
                "athlete_id",
                "workout_id",
                "centre_id",
                "event_id",
                "review",
                "scaling",
            )
        },
        "from_": Compare(RESULTS.c.performed_at, operator.ge),
        "to": Compare(RESULTS.c.performed_at, operator.lt),
    },
)
