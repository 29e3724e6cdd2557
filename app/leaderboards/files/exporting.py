"""Export: the entries of a competition with their results, places and ranks, as a CSV file."""

import csv
from collections.abc import AsyncIterator
from functools import cache
from io import StringIO
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from app.athletes.files.records import SEPARATOR
from app.athletes.models import Enrolment
from app.centres.models import Centre
from app.competitions.locks import COMPETITIONS, ENTRIES, EVENTS
from app.core.db.schema import table_of
from app.core.db.statements import Statement
from app.core.db.transactions import Reader, Runner
from app.leaderboards.files.lines import COLUMNS
from app.leaderboards.files.statements import ATHLETES, CATEGORIES, boards_query
from app.leaderboards.models import Ranking, Standing
from app.leaderboards.refresh import refresh
from app.results.locks import RESULTS

ENTRIES_AT_ONCE = 500
EXPORTED = (*COLUMNS, "place", "event_points", "rank", "points")
"""The columns of an export. An import ignores the last ones, which follow from the results."""

_RANKINGS, _STANDINGS = table_of(Ranking), table_of(Standing)
_COMPETITION_ID = sa.bindparam("competition_id", type_=sa.Uuid)


async def refresh_boards(database: Runner, competition_id: UUID) -> None:
    """Bring the standings of all boards of a competition up to date."""
    boards = await database.rows(boards_query(), {"competition_id": competition_id})
    for (category_id,) in boards:
        await refresh(database, competition_id, category_id)


async def exported_rows(reader: Reader, competition_id: UUID) -> AsyncIterator[list[Any]]:
    """Yield the rows of an export in pages, at least one: ``EXPORTED``.

    There is a row for each entry and event with results in its category, also without a result, and
    a row without an event for an entry that has none. Entries of athletes who were erased are left
    out: an import would take them for somebody new. An entry that exists from the first page to the
    last is read exactly once.
    """
    values: dict[str, Any] = {"competition_id": competition_id}
    while True:
        statement = _page_query(after="after_id" in values)
        page = await reader.rows(statement, values)
        yield page
        if not page or page[-1]["entries"] < ENTRIES_AT_ONCE:
            return
        values |= {"after_at": page[-1]["entered_at"], "after_id": page[-1]["entry_id"]}


async def exported_competition(reader: Reader, competition_id: UUID) -> AsyncIterator[bytes]:
    """Yield a competition as CSV in UTF-8, in pieces; importing it again changes nothing."""
    rows: list[Any] = [EXPORTED]
    async for page in exported_rows(reader, competition_id):
        rows += [row[: len(EXPORTED)] for row in map(tuple, page) if row[len(EXPORTED)]]
        piece = StringIO()
        csv.writer(piece).writerows(rows)
        yield piece.getvalue().encode()
        rows = []


@cache
def _page_query(*, after: bool) -> Statement:
    """Read a page of entries in order of their creation, each with its events.

    Beside ``EXPORTED``: ``is_shown`` is false for an erased athlete. ``entries`` is the number of
    entries in the page, and ``entered_at`` and ``entry_id`` name the last of them.
    """
    page = (
        sa.select(ENTRIES)
        .where(ENTRIES.c.competition_id == _COMPETITION_ID)
        .order_by(ENTRIES.c.created_at, ENTRIES.c.id)
        .limit(sa.literal_column(str(ENTRIES_AT_ONCE)))
    )
    if after:
        place = sa.tuple_(
            sa.bindparam("after_at", type_=ENTRIES.c.created_at.type),
            sa.bindparam("after_id", type_=sa.Uuid),
        )
        page = page.where(sa.tuple_(ENTRIES.c.created_at, ENTRIES.c.id) > place)
    entry = page.cte("entry")
    event = sa.select(EVENTS).where(EVENTS.c.competition_id == _COMPETITION_ID).cte("event")
    return _with_events(entry, event)


def _with_events(entry: sa.CTE, event: sa.CTE) -> Statement:
    centre, enrolment = table_of(Centre), table_of(Enrolment)
    # Grouped once for the page, which is far cheaper than a subquery for each athlete.
    names = sa.func.string_agg(
        centre.c.name, aggregate_order_by(sa.literal_column(f"'{SEPARATOR}'"), centre.c.name_key)
    )
    centres = (
        sa.select(enrolment.c.athlete_id, names.label("names"))
        .select_from(entry)
        .join(enrolment, enrolment.c.athlete_id == entry.c.athlete_id)
        .join(centre, centre.c.id == enrolment.c.centre_id)
        .group_by(enrolment.c.athlete_id)
        .subquery("centres_of_each")
    )
    integers = ARRAY(sa.Integer)
    ordinals = sa.type_coerce(_RANKINGS.c.ordinals, integers)
    standing = (
        sa.select(_STANDINGS, ordinals.label("ordinals"))
        .select_from(entry)
        .join(_STANDINGS, _STANDINGS.c.entry_id == entry.c.id)
        .join(
            _RANKINGS,
            sa.and_(
                _RANKINGS.c.competition_id == _STANDINGS.c.competition_id,
                _RANKINGS.c.category_id == _STANDINGS.c.category_id,
            ),
        )
        .cte("standing")
    )
    # Each event with results in the category, and each with a result that has no place.
    nth = sa.func.array_position(standing.c.ordinals, event.c.ordinal)
    done = (
        sa.select(
            entry.c.id.label("entry_id"),
            event.c.ordinal,
            event.c.points_table,
            RESULTS.c.entered,
            RESULTS.c.tie_break_entered,
            RESULTS.c.scaling,
            RESULTS.c.place_key,
            sa.type_coerce(standing.c.places, integers)[nth].label("place"),
        )
        .select_from(entry)
        .join(event, sa.true())
        .outerjoin(standing, standing.c.entry_id == entry.c.id)
        .outerjoin(
            RESULTS, sa.and_(RESULTS.c.entry_id == entry.c.id, RESULTS.c.event_id == event.c.id)
        )
        .where(sa.or_(nth.is_not(None), RESULTS.c.id.is_not(None)))
        .cte("done")
    )
    by_table = COMPETITIONS.c.points == sa.literal_column("'table'")
    none: sa.ColumnClause[int] = sa.literal_column("0")
    reward = sa.func.coalesce(sa.type_coerce(done.c.points_table, integers)[done.c.place], none)
    event_points = sa.case(
        (done.c.place.is_(None), sa.null()),
        (sa.not_(by_table), done.c.place),
        (done.c.place_key.is_(None), none),
        else_=reward,
    )
    columns = {
        "id": ATHLETES.c.id,
        "reference": ATHLETES.c.reference,
        "name": ATHLETES.c.name,
        "sex": ATHLETES.c.sex,
        "category": CATEGORIES.c.name,
        "centres": centres.c.names,
        "status": entry.c.status,
        "withdrawn_before": entry.c.withdrawn_before,
        "event": done.c.ordinal,
        "score": done.c.entered,
        "tie_break": done.c.tie_break_entered,
        "scaling": done.c.scaling,
        "place": done.c.place,
        "event_points": event_points,
        "rank": standing.c.rank,
        "points": standing.c.points,
        "is_shown": ATHLETES.c.erased_at.is_(None),
        "entries": sa.select(sa.func.count()).select_from(entry).scalar_subquery(),
        "entered_at": entry.c.created_at,
        "entry_id": entry.c.id,
    }
    return Statement(
        sa.select(*(column.label(name) for name, column in columns.items()))
        .select_from(entry)
        .join(COMPETITIONS, COMPETITIONS.c.id == entry.c.competition_id)
        .join(ATHLETES, ATHLETES.c.id == entry.c.athlete_id)
        .join(CATEGORIES, CATEGORIES.c.id == entry.c.category_id)
        .outerjoin(standing, standing.c.entry_id == entry.c.id)
        .outerjoin(centres, centres.c.athlete_id == entry.c.athlete_id)
        .outerjoin(done, done.c.entry_id == entry.c.id)
        .order_by(entry.c.created_at, entry.c.id, done.c.ordinal)
    )
