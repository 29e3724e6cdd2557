"""Places, points and ranks in SQL.

A place in an event follows from the ``place_key`` of results, by ``rank()``: equal results share a
place, and the next place skips (1, 2, 2, 4). An entry without a result has the place after the last
one. An event without any result in the category does not count there.

Points are the sum of places, or by table; an entry without a result gets none of these. Entries
are ranked by points, then by their places, the best ones compared first, if the competition breaks
ties so. Withdrawn entries rank below all others, those that left later first. Disqualified entries
have no rank, and nor have withdrawn ones that never started; their places stay.
"""

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from app.athletes.models import Athlete
from app.competitions.locks import (
    BOARDS,
    CATEGORY_ID,
    COMPETITION_ID,
    COMPETITIONS,
    ENTRIES,
    EVENTS,
    NONE,
    ONE,
    of_board,
)
from app.competitions.models import MOST_EVENTS
from app.core.db.schema import table_of
from app.results.models import Result

ATHLETES, RESULTS = table_of(Athlete), table_of(Result)
_INTEGERS = ARRAY(sa.Integer)


class Ranked(NamedTuple):
    """The ranking of a board, or of some of its entries."""

    board: sa.CTE
    """One row: the ``revision`` of the board, and how the competition is ranked."""
    entries: sa.CTE
    """``entry_id, rank, points, places, position`` of each entry."""
    ordinals: sa.ColumnElement[Any]
    """The ordinals of the events that count: the order of ``places``."""


def ranked(*conditions: sa.ColumnElement[bool], breaks_ties: bool) -> Ranked:
    """Rank the entries of a board: all of them, or as if only those that match were there.

    ``breaks_ties`` says whether the competition breaks ties by the better places.
    """
    board = (
        sa.select(BOARDS.c.revision, COMPETITIONS.c.points, COMPETITIONS.c.overall_tie)
        .join(COMPETITIONS, COMPETITIONS.c.id == BOARDS.c.competition_id)
        .where(of_board(BOARDS))
        .cte("board")
    )
    taking = (
        sa.select(ENTRIES.c.id, ENTRIES.c.status, ENTRIES.c.withdrawn_before, ATHLETES.c.name_key)
        .join(ATHLETES, ATHLETES.c.id == ENTRIES.c.athlete_id)
        .where(
            of_board(ENTRIES),
            *conditions,
        )
        .cte("taking")
    )
    counted = _counted(taking, restricted=bool(conditions))
    missing = sa.select(
        _array(counted.c.size + ONE, counted.c.n).label("places"),
        sa.func.coalesce(sa.func.sum(counted.c.size + ONE), NONE).label("total"),
        sa.func.count().label("events"),
        _array(counted.c.ordinal, counted.c.n).label("ordinals"),
    ).cte("missing")
    placed = _placed(counted, taking, restricted=bool(conditions))
    totals = _totals(taking, missing, placed, board)
    ranks = _ranks(totals, board, breaks_ties=breaks_ties)
    return Ranked(board, ranks, sa.select(missing.c.ordinals).scalar_subquery())


def _counted(taking: sa.CTE, *, restricted: bool) -> sa.CTE:
    """Select the events with results, numbered: ``id, ordinal, points_table, size, n``."""
    sizes = (
        sa.select(sa.cast(sa.func.count(), sa.Integer).label("size"))
        .where(*_results_of(EVENTS.c.id, taking, restricted))
        .correlate(EVENTS, taking)
        .lateral("sizes")
    )
    return (
        sa.select(
            EVENTS.c.id,
            EVENTS.c.ordinal,
            EVENTS.c.points_table,
            sizes.c.size,
            sa.func.row_number().over(order_by=EVENTS.c.ordinal).label("n"),
        )
        .select_from(EVENTS.join(sizes, sa.true()))
        .where(EVENTS.c.competition_id == COMPETITION_ID, sizes.c.size > NONE)
        .cte("counted")
    )


def _results_of(
    event_id: sa.ColumnElement[Any], taking: sa.CTE, restricted: bool
) -> list[sa.ColumnElement[bool]]:
    """Match the results with a place in an event: an index scan in the order of places."""
    conditions = [
        RESULTS.c.event_id == event_id,
        RESULTS.c.category_id == CATEGORY_ID,
        RESULTS.c.place_key.is_not(None),
    ]
    if restricted:
        conditions.append(RESULTS.c.entry_id.in_(sa.select(taking.c.id)))
    return conditions


def _placed(counted: sa.CTE, taking: sa.CTE, *, restricted: bool) -> sa.CTE:
    """Select for each entry with a result: its places, their sum and that of missing ones."""
    place = sa.cast(sa.func.rank().over(order_by=RESULTS.c.place_key), sa.Integer)
    in_event = (
        sa.select(RESULTS.c.entry_id, place.label("place"))
        .where(*_results_of(counted.c.id, taking, restricted))
        .correlate(counted, taking)
        .lateral("in_event")
    )
    reward = sa.func.coalesce(
        sa.type_coerce(counted.c.points_table, _INTEGERS)[in_event.c.place], NONE
    )
    return (
        sa.select(
            in_event.c.entry_id,
            _array(in_event.c.place, counted.c.n).label("places"),
            _array(counted.c.n, counted.c.n).label("ns"),
            sa.func.sum(in_event.c.place).label("total"),
            sa.func.sum(counted.c.size + ONE).label("instead"),
            sa.func.sum(reward).label("rewards"),
            sa.func.count().label("number"),
        )
        .select_from(counted.join(in_event, sa.true()))
        .group_by(in_event.c.entry_id)
        .cte("placed")
    )


def _totals(taking: sa.CTE, missing: sa.CTE, placed: sa.CTE, board: sa.CTE) -> sa.CTE:
    """Select for each entry its points and places, also those without a result."""
    own = (
        sa.func.unnest(placed.c.places, placed.c.ns)
        .table_valued("place", "n")
        .render_derived(name="own")
    )
    instead = (
        sa.func.unnest(missing.c.places)
        .table_valued("place", with_ordinality="n")
        .render_derived(name="instead")
    )
    filled = (
        sa.select(_array(sa.func.coalesce(own.c.place, instead.c.place), instead.c.n))
        .select_from(instead.outerjoin(own, own.c.n == instead.c.n))
        .correlate(missing, placed)
        .scalar_subquery()
    )
    none: sa.ColumnClause[Any] = sa.literal_column("'{}'::integer[]")
    places = sa.case(
        (placed.c.entry_id.is_(None), sa.func.coalesce(missing.c.places, none)),
        (placed.c.number == missing.c.events, placed.c.places),
        else_=filled,
    )
    by_place = missing.c.total + sa.func.coalesce(placed.c.total - placed.c.instead, NONE)
    points = sa.case(
        (board.c.points == sa.literal_column("'table'"), sa.func.coalesce(placed.c.rewards, NONE)),
        else_=by_place,
    )
    started = (
        sa.select(RESULTS.c.id)
        .where(RESULTS.c.entry_id == taking.c.id, RESULTS.c.outcome != sa.literal_column("'dns'"))
        .correlate(taking)
        .exists()
    )
    is_out = sa.or_(
        taking.c.status == sa.literal_column("'disqualified'"),
        sa.and_(
            taking.c.status == sa.literal_column("'withdrawn'"),
            placed.c.entry_id.is_(None),
            ~started,
        ),
    )
    return (
        sa.select(
            taking.c.id,
            taking.c.name_key,
            is_out.label("is_out"),
            sa.func.coalesce(
                sa.literal_column(str(MOST_EVENTS + 1)) - taking.c.withdrawn_before, NONE
            ).label("left"),
            sa.cast(points, sa.Integer).label("points"),
            places.label("places"),
        )
        .select_from(
            taking.join(missing, sa.true())
            .join(board, sa.true())
            .outerjoin(placed, placed.c.entry_id == taking.c.id)
        )
        .cte("totals")
    )


def _ranks(totals: sa.CTE, board: sa.CTE, *, breaks_ties: bool) -> sa.CTE:
    """Select the rank of each entry, and its position in the list."""
    own = sa.func.unnest(totals.c.places).table_valued("place").render_derived(name="own")
    sorted_places = sa.select(_array(own.c.place, own.c.place)).correlate(totals).scalar_subquery()
    by_table = sa.select(board.c.points).scalar_subquery() == sa.literal_column("'table'")
    order = [
        totals.c.left,
        sa.case((by_table, -totals.c.points), else_=totals.c.points),
    ]
    if breaks_ties:
        order.append(sorted_places)
    rank = sa.cast(sa.func.rank().over(partition_by=totals.c.is_out, order_by=order), sa.Integer)
    numbered = sa.select(
        totals.c.id,
        totals.c.name_key,
        sa.case((~totals.c.is_out, rank)).label("rank"),
        totals.c.points,
        totals.c.places,
    ).subquery("numbered")
    shown = [numbered.c.rank.asc().nulls_last(), numbered.c.name_key, numbered.c.id]
    position = sa.cast(sa.func.row_number().over(order_by=shown), sa.Integer)
    return sa.select(
        numbered.c.id.label("entry_id"),
        numbered.c.rank,
        numbered.c.points,
        numbered.c.places,
        position.label("position"),
    ).cte("ranked")


def _array(value: sa.ColumnElement[Any], order: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.type_coerce(sa.func.array_agg(aggregate_order_by(value, order)), _INTEGERS)
