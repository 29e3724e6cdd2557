"""The SQL of the journal."""

from collections.abc import Iterator, Set
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from app.core.db.journal import EVENTS, Event
from app.core.db.schema import NOW
from app.core.db.statements import Statement
from app.core.resources.paging import LARGEST_PAGE
from app.core.resources.queries import FULL, Compare, Queries, Start, compiled_once
from app.journal.models import EventRead

_LONGEST_WRITE: sa.ColumnElement[Any] = sa.literal_column("interval '1 hour'")
"""No statement takes longer, so the id of an event is at most that much later than its time."""
_SETTLED = EVENTS.c.transaction_id < sa.literal_column(
    "pg_snapshot_xmin(pg_current_snapshot())::text::bigint", sa.BigInteger
)
"""No transaction that is still open, or begins later, has such an id: see ``followed_query``."""


class EventQueries(Queries):
    """Builds the lists of events.

    They are sorted by id, which contains the time. So each filter by time also bounds the ids.
    """

    @compiled_once
    def list_query(
        self, filters: frozenset[str], sort: str, start: Start, total: bool, view: str = FULL
    ) -> Statement:
        """Read a page of the events that match: ``items, key, id, total``."""
        if "centre_ids" not in filters or start == "offset" or total:
            return super().list_query(filters, sort, start, total)
        return Queries.list_query(_FirstOfCentres(sort, start), filters, sort, start, total)

    def conditions(self, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each filter that is given."""
        yield from super().conditions(given)
        if "from_" in given:
            begin = sa.bindparam("from_", type_=EVENTS.c.occurred_at.type)
            yield EVENTS.c.occurred_at >= begin
            yield EVENTS.c.id >= first_id_at(begin)
        if "to" in given:
            end = sa.bindparam("to", type_=EVENTS.c.occurred_at.type)
            yield EVENTS.c.occurred_at < end
            yield EVENTS.c.id < first_id_at(end + _LONGEST_WRITE)
        if "centre_ids" in given:
            yield EVENTS.c.centre_ids.overlap(sa.bindparam("centre_ids", type_=ARRAY(sa.Uuid)))


class _FirstOfCentres(EventQueries):
    """Builds the page of some centres in an order, from the top or from a place.

    An index finds the first events of each centre. Without, a page of a small centre would read
    all events until enough are of that centre.
    """

    def __init__(self, sort: str, start: Start) -> None:
        super().__init__(Event, EventRead, sorts=_SORTS, filters=_FILTERS)
        self._is_descending = sort.startswith("-")
        end = "f" if self._is_descending else "0"
        self._begin: sa.ColumnElement[Any] = sa.literal_column(f"'{end * 32}'::uuid", sa.Uuid)
        if start == "place":
            self._begin = sa.bindparam("place_id", type_=sa.Uuid)

    def conditions(self, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each filter that is given."""
        others = list(super().conditions(given - {"centre_ids"}))
        yield from others
        centre_ids = sa.bindparam("centre_ids", type_=ARRAY(sa.Uuid))
        centres = sa.func.unnest(centre_ids).table_valued(sa.column("id", sa.Uuid))
        given_ones = centres.render_derived("given")
        # Not "=": PostgreSQL would then prefer a scan of all events in the order of their ids.
        one, wanted = EVENTS.c.centre_ids[sa.literal_column("1")], given_ones.c.id
        of_one = one >= wanted if self._is_descending else one <= wanted
        first = self._first([one, EVENTS.c.id], [wanted, self._begin], of_one, *others)
        of_each = first.correlate(given_ones).lateral("of_each")
        found = sa.select(of_each.c.id).select_from(given_ones.join(of_each, sa.true()))
        # Most events are about one centre. Those of several have an index of their own.
        several = sa.func.cardinality(EVENTS.c.centre_ids) > sa.literal_column("1")
        of_several = several, EVENTS.c.centre_ids.overlap(centre_ids)
        rest = self._first([EVENTS.c.id], [self._begin], *of_several, *others)
        others_found = sa.select(rest.correlate(None).subquery("of_several").c.id)
        both = sa.union_all(found, others_found)
        yield EVENTS.c.id == sa.func.any(sa.func.array(both.scalar_subquery()))

    def _first(
        self,
        keys: list[sa.ColumnElement[Any]],
        begin: list[sa.ColumnElement[Any]],
        *conditions: sa.ColumnElement[bool],
    ) -> sa.Select[Any]:
        """Select the first events from a place in the order of some keys."""
        here, place = sa.tuple_(*keys), sa.tuple_(*begin)
        order = [key.desc() if self._is_descending else key.asc() for key in keys]
        return (
            sa.select(EVENTS.c.id)
            .where(here <= place if self._is_descending else here >= place, *conditions)
            .order_by(*order)
            .limit(sa.literal_column(str(LARGEST_PAGE + 1)))
        )


_SORTS = {"occurred_at": "id"}
_FILTERS = {
    name: Compare(EVENTS.c[name]) for name in ("resource_id", "athlete_id", "actor", "type")
}
EVENT_QUERIES = EventQueries(Event, EventRead, sorts=_SORTS, filters=_FILTERS)


def first_id_at(moment: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return the lowest id that an event of a time, in whole milliseconds, can have."""
    milliseconds = sa.cast(
        sa.func.floor(sa.func.greatest(sa.extract("epoch", moment), 0) * 1000), sa.BigInteger
    )
    begin = sa.func.lpad(sa.func.to_hex(milliseconds), 12, "0")
    return sa.cast(sa.func.rpad(begin, 32, "0"), sa.Uuid)


@cache
def followed_query() -> Statement:
    """Read at most 1000 events after the position ``transaction_id, id``, in their order.

    An event of a transaction that is still open, or of one after it, waits until that has ended:
    nothing can be added before the last event that is returned. ``now()`` or a sequence would not
    give that, because transactions commit in any order.
    """
    position = sa.tuple_(
        sa.bindparam("transaction_id", type_=sa.BigInteger), sa.bindparam("id", type_=sa.Uuid)
    )
    events = (
        sa.select(EVENTS)
        .where(sa.tuple_(EVENTS.c.transaction_id, EVENTS.c.id) > position, _SETTLED)
        .order_by(EVENTS.c.transaction_id, EVENTS.c.id)
        .limit(sa.literal_column("1000"))
    )
    return Statement(events)


@cache
def latest_query(*, of_kind: bool) -> Statement:
    """Read the ``number`` latest events that can be followed, the latest first.

    ``of_kind``: only those whose type is ``kind``, or begins with it and a full stop.
    """
    events = sa.select(EVENTS).where(_SETTLED)
    if of_kind:
        kind = sa.bindparam("kind", type_=sa.Text)
        exactly, within = EVENTS.c.type == kind, sa.func.starts_with(EVENTS.c.type, kind + ".")
        events = events.where(sa.or_(exactly, within))
    latest = events.order_by(EVENTS.c.transaction_id.desc(), EVENTS.c.id.desc())
    return Statement(latest.limit(sa.bindparam("number", type_=sa.Integer)))


@cache
def begin_retention_query() -> Statement:
    """Let this transaction delete events, if no other one does: whether it may."""
    # The number is of this lock only.
    alone = sa.func.pg_try_advisory_xact_lock(sa.literal_column("7209342"))
    allowed = sa.func.set_config(
        sa.literal_column("'crossfit.retention'"), sa.literal_column("'on'"), sa.true()
    )
    return Statement(sa.select(sa.case((alone, allowed == "on"), else_=sa.false())))


@cache
def delete_old_query() -> Statement:
    """Delete at most ``most`` events that are older than ``days``; return how many."""
    days = sa.func.make_interval(0, 0, 0, sa.bindparam("days", type_=sa.Integer))
    oldest = (
        sa.select(EVENTS.c.id)
        .where(EVENTS.c.id < first_id_at(NOW - days))
        .order_by(EVENTS.c.id)
        .limit(sa.bindparam("most", type_=sa.Integer))
    )
    deleted = sa.delete(EVENTS).where(EVENTS.c.id.in_(oldest)).returning(EVENTS.c.id).cte("deleted")
    return Statement(sa.select(sa.func.count()).select_from(deleted))
