"""The SQL of leaderboards, over the stored standings or over some entries that are ranked anew."""

from collections.abc import Set
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlmodel.sql.sqltypes import UTCDateTime

from app.athletes.models import Enrolment
from app.categories.models import Category
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
    published,
)
from app.core.db.schema import table_of
from app.core.db.statements import Statement
from app.core.resources.paging import LARGEST_PAGE
from app.core.resources.projection import EMPTY_LIST, as_json, reference
from app.leaderboards.ranking import ATHLETES, RESULTS, ranked
from app.leaderboards.refresh import RANKINGS, STANDINGS

CATEGORIES, ENROLMENTS = table_of(Category), table_of(Enrolment)
_EVENT = sa.bindparam("event", type_=sa.Integer)
_AFTER_KEY = sa.bindparam("after_key", type_=sa.Integer)
_AFTER = sa.bindparam("after", type_=sa.Integer)
_LIMIT = sa.bindparam("limit", type_=sa.Integer)


@lru_cache
def state_query() -> Statement:
    """Read the state of a board: what ``BoardState`` has, its size, and how far it is computed."""
    board = sa.and_(
        BOARDS.c.competition_id == COMPETITIONS.c.id, BOARDS.c.category_id == CATEGORIES.c.id
    )
    ranking = sa.and_(
        RANKINGS.c.competition_id == COMPETITIONS.c.id, RANKINGS.c.category_id == CATEGORIES.c.id
    )
    now = sa.func.statement_timestamp(type_=UTCDateTime())
    columns = (
        COMPETITIONS.c.centre_id,
        published(COMPETITIONS).label("published"),
        COMPETITIONS.c.status,
        COMPETITIONS.c.overall_tie,
        reference(COMPETITIONS).label("competition"),
        sa.case((CATEGORIES.c.id.is_not(None), reference(CATEGORIES))).label("category"),
        sa.func.coalesce(BOARDS.c.entries, NONE).label("entries"),
        sa.func.coalesce(BOARDS.c.revision, NONE).label("revision"),
        sa.func.coalesce(RANKINGS.c.revision, NONE).label("computed"),
        as_json(RANKINGS.c.ranked_at).label("as_of"),
        (now - RANKINGS.c.ranked_at).label("age"),
    )
    return Statement(
        sa.select(*columns)
        .select_from(
            COMPETITIONS.outerjoin(CATEGORIES, CATEGORIES.c.id == CATEGORY_ID)
            .outerjoin(BOARDS, board)
            .outerjoin(RANKINGS, ranking)
        )
        .where(COMPETITIONS.c.id == COMPETITION_ID)
    )


@lru_cache
def page_query(
    filters: Set[str], *, by_event: bool, after: bool, anew: bool, breaks_ties: bool
) -> Statement:
    """Read a page of a board: ``items, key, position``, which is the place of the next row.

    The rows are sorted by position, or by the place in an event first. ``anew`` ranks the entries
    that match as if the others were not there.
    """
    conditions = list(_conditions(filters))
    if anew:
        ranking = ranked(*conditions, breaks_ties=breaks_ties)
        source: sa.FromClause = ranking.entries
        candidates = sa.select(source, ranking.ordinals.label("ordinals"))
    else:
        source = STANDINGS
        columns = [STANDINGS.c[name] for name in ("entry_id", "rank", "points", "places")]
        candidates = sa.select(*columns, STANDINGS.c.position, _ordinals())
        candidates = candidates.where(of_board(STANDINGS))
        if conditions:
            candidates = candidates.join(ENTRIES, ENTRIES.c.id == STANDINGS.c.entry_id)
            candidates = candidates.join(ATHLETES, ATHLETES.c.id == ENTRIES.c.athlete_id)
            candidates = candidates.where(*conditions)
    candidate = candidates.subquery("candidate")
    key: sa.ColumnElement[Any] = NONE
    if by_event:
        nth = sa.func.array_position(candidate.c.ordinals, _EVENT)
        place = sa.type_coerce(candidate.c.places, STANDINGS.c.places.type)[nth]
        key = sa.func.coalesce(place, NONE)
    rows = sa.select(candidate, key.label("key")).subquery("rows")
    order = (rows.c.key, rows.c.position) if by_event else (rows.c.position,)
    page = sa.select(rows).order_by(*order).limit(sa.literal_column(str(LARGEST_PAGE + 1)))
    if after:
        start = (_AFTER_KEY, _AFTER) if by_event else (_AFTER,)
        page = page.where(sa.tuple_(*order) >= sa.tuple_(*start))
    limited = page.subquery("limited")
    number = sa.func.row_number().over(order_by=[limited.c.key, limited.c.position])
    found = (
        sa.select(limited, number.label("number"))
        .order_by(limited.c.key, limited.c.position)
        .limit(_LIMIT + ONE)
        .cte("found")
    )
    item = _item(found, by_event=by_event)
    listed = (
        sa.select(found.c.number, found.c.key, found.c.position, item.label("item"))
        .order_by(found.c.number)
        .subquery("listed")
    )
    after_page = listed.c.number > _LIMIT
    items = sa.func.json_agg(listed.c.item).filter(listed.c.number <= _LIMIT)
    return Statement(
        sa.select(
            sa.func.coalesce(items, EMPTY_LIST).label("items"),
            sa.func.min(listed.c.key).filter(after_page).label("key"),
            sa.func.min(listed.c.position).filter(after_page).label("position"),
        )
    )


@lru_cache
def standing_query() -> Statement:
    """Read the standing of an entry as ``item``: a ``LeaderboardRow``."""
    found = (
        sa.select(STANDINGS, _ordinals())
        .where(STANDINGS.c.entry_id == sa.bindparam("entry_id", type_=sa.Uuid))
        .cte("found")
    )
    return Statement(sa.select(_item(found, by_event=False).label("item")).select_from(found))


@lru_cache
def board_of_entry_query() -> Statement:
    """Find the board of an entry."""
    columns = ENTRIES.c.competition_id, ENTRIES.c.category_id
    wanted = ENTRIES.c.id == sa.bindparam("entry_id", type_=sa.Uuid)
    return Statement(sa.select(*columns).where(wanted))


def _ordinals() -> sa.Label[Any]:
    """Return the ordinals of the events of the board: the order of ``places``."""
    return (
        sa.select(RANKINGS.c.ordinals).where(of_board(RANKINGS)).scalar_subquery().label("ordinals")
    )


def _conditions(filters: Set[str]) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of the filters, on entries and their athletes."""
    conditions: list[sa.ColumnElement[bool]] = []
    if "centre_id" in filters:
        enrolled = sa.select(ENROLMENTS.c.athlete_id).where(
            ENROLMENTS.c.centre_id == sa.bindparam("centre_id", type_=sa.Uuid)
        )
        conditions.append(ENTRIES.c.athlete_id.in_(enrolled))
    if "sex" in filters:
        conditions.append(ATHLETES.c.sex == sa.bindparam("sex", type_=sa.Text))
    return conditions


def _item(found: sa.CTE, *, by_event: bool) -> sa.ColumnElement[Any]:
    """Return a ``LeaderboardRow`` for each row of a page, as JSON."""
    athlete = reference(ATHLETES).label("athlete")
    row = (
        sa.select(
            found.c.rank,
            found.c.points,
            found.c.entry_id,
            athlete,
            ENTRIES.c.status,
            ENTRIES.c.withdrawn_before,
            sa.func.coalesce(_events(found, by_event=by_event), EMPTY_LIST).label("events"),
        )
        .select_from(ENTRIES.join(ATHLETES, ATHLETES.c.id == ENTRIES.c.athlete_id))
        .where(ENTRIES.c.id == found.c.entry_id)
        .correlate(found)
        .subquery("row")
    )
    return sa.select(sa.func.row_to_json(row.table_valued())).correlate(found).scalar_subquery()


def _events(found: sa.CTE, *, by_event: bool) -> sa.ColumnElement[Any]:
    """Return the places of a row of a page in the events, as JSON."""
    each = (
        sa.func.unnest(found.c.ordinals, found.c.places)
        .table_valued("ordinal", "place")
        .render_derived(name="each")
    )
    has_place = RESULTS.c.place_key.is_not(None)
    reward = sa.case(
        (EVENTS.c.points_table.is_(None), each.c.place),
        (has_place, sa.func.coalesce(EVENTS.c.points_table[each.c.place], NONE)),
        else_=NONE,
    )
    of_entry = sa.and_(RESULTS.c.entry_id == found.c.entry_id, RESULTS.c.event_id == EVENTS.c.id)
    of_competition = sa.and_(
        EVENTS.c.competition_id == COMPETITION_ID, EVENTS.c.ordinal == each.c.ordinal
    )
    event = (
        sa.select(
            each.c.ordinal,
            EVENTS.c.id.label("event_id"),
            each.c.place,
            reward.label("points"),
            sa.case((has_place, RESULTS.c.id)).label("result_id"),
            RESULTS.c.scaling,
            RESULTS.c.outcome,
            RESULTS.c.entered.label("score"),
            RESULTS.c.tie_break_entered.label("tie_break"),
            RESULTS.c.review,
        )
        .select_from(each.join(EVENTS, of_competition).outerjoin(RESULTS, of_entry))
        .order_by(each.c.ordinal)
    )
    if by_event:
        event = event.where(each.c.ordinal == _EVENT)
    listed = event.correlate(found).subquery("event")
    return sa.select(sa.func.json_agg(listed.table_valued())).correlate(found).scalar_subquery()
