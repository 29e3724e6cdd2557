"""The order of locks in competitions, and the statements that take them.

**Lock order.** A transaction that needs several of these locks takes them in this order:

1. The competition: ``FOR SHARE`` to write what belongs to it, ``FOR NO KEY UPDATE`` to change its
   status, its settings or its events. So a competition becomes final after the writes that began
   before, and the later ones see that it is. Before it, an advisory lock of the same kind: these
   form a FIFO queue, while row locks that share a row would never let a change have it.
2. The event and its workout, ``FOR SHARE``: so that their settings do not change meanwhile.
3. The boards, by category: for each change of what is ranked there. So results and entries of one
   board change one after the other.
4. The entry, and then its results.

A statement that waits for a lock continues with its old snapshot. So the next statement reads what
the lock protects.
"""

from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.competitions.models import Board, Competition, CompetitionEvent, Entry
from app.core.db.schema import NOW, table_of
from app.core.db.statements import Statement

COMPETITIONS, EVENTS = table_of(Competition), table_of(CompetitionEvent)
ENTRIES, BOARDS = table_of(Entry), table_of(Board)

COMPETITION_ID = sa.bindparam("competition_id", type_=sa.Uuid)
CATEGORY_ID = sa.bindparam("category_id", type_=sa.Uuid)
"""The key of a board."""
ONE: sa.ColumnClause[int] = sa.literal_column("1")
NONE: sa.ColumnClause[int] = sa.literal_column("0")


def published(rows: sa.FromClause) -> sa.ColumnElement[bool]:
    """Match rows that are published by now."""
    is_published: sa.ColumnElement[bool] = rows.c.published_at <= NOW
    return sa.func.coalesce(is_published, sa.false())


def of_board(rows: sa.FromClause) -> sa.ColumnElement[bool]:
    """Match rows of the board of ``COMPETITION_ID`` and ``CATEGORY_ID``."""
    return sa.and_(rows.c.competition_id == COMPETITION_ID, rows.c.category_id == CATEGORY_ID)


def turn_cte(competition_id: sa.ColumnElement[Any], *, to_change: bool = False) -> sa.CTE:
    """Wait for a turn to lock a competition, behind all who began to wait before (FIFO queue)."""
    lock = sa.func.pg_advisory_xact_lock if to_change else sa.func.pg_advisory_xact_lock_shared
    key = sa.func.hashtextextended(sa.cast(competition_id, sa.Text), sa.literal_column("7209343"))
    return sa.select(lock(key).label("turn")).cte("turn")


def of_row(rows: sa.Table, row_id: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return the competition of an event or entry."""
    return sa.select(rows.c.competition_id).where(rows.c.id == row_id).scalar_subquery()


def _locked(source: sa.FromClause, wanted: sa.ColumnElement[bool], turn: sa.CTE) -> sa.Select[Any]:
    columns = (
        COMPETITIONS.c.id,
        COMPETITIONS.c.version,
        COMPETITIONS.c.centre_id,
        COMPETITIONS.c.status,
        COMPETITIONS.c.reopened_because,
        COMPETITIONS.c.points,
        COMPETITIONS.c.published_at,
        published(COMPETITIONS).label("published"),
    )
    return sa.select(*columns).select_from(source, turn).where(wanted)


@cache
def lock_competition_query(*, to_change: bool = False) -> Statement:
    """Lock a competition, to write what belongs to it, or ``to_change`` it or its events."""
    turn = turn_cte(COMPETITION_ID, to_change=to_change)
    locked = _locked(COMPETITIONS, COMPETITIONS.c.id == COMPETITION_ID, turn)
    if to_change:
        return Statement(locked.with_for_update(key_share=True, of=COMPETITIONS))
    return Statement(locked.with_for_update(read=True, of=COMPETITIONS))


@cache
def lock_competition_of_event_query() -> Statement:
    """Lock the competition of an event, to change that event."""
    of_event = COMPETITIONS.join(EVENTS, EVENTS.c.competition_id == COMPETITIONS.c.id)
    event_id = sa.bindparam("id", type_=sa.Uuid)
    turn = turn_cte(of_row(EVENTS, event_id), to_change=True)
    locked = _locked(of_event, EVENTS.c.id == event_id, turn)
    return Statement(locked.with_for_update(key_share=True, of=COMPETITIONS))


@cache
def lock_competition_of_entry_query() -> Statement:
    """Lock the competition of an entry, to change that entry: also its ``category_id``."""
    of_entry = COMPETITIONS.join(ENTRIES, ENTRIES.c.competition_id == COMPETITIONS.c.id)
    entry_id = sa.bindparam("id", type_=sa.Uuid)
    turn = turn_cte(of_row(ENTRIES, entry_id))
    locked = _locked(of_entry, ENTRIES.c.id == entry_id, turn).add_columns(ENTRIES.c.category_id)
    return Statement(locked.with_for_update(read=True, of=COMPETITIONS))


@cache
def lock_board_query() -> Statement:
    """Lock the board of a competition and a category, which exists."""
    board = sa.select(BOARDS.c.revision).where(of_board(BOARDS))
    return Statement(board.with_for_update(key_share=True))


@cache
def grow_board_query() -> Statement:
    """Lock a board that gets ``more`` entries, and increase its revision; create it if needed."""
    more = sa.bindparam("more", type_=sa.Integer)
    row = insert(BOARDS).values(
        {
            "competition_id": COMPETITION_ID,
            "category_id": CATEGORY_ID,
            "entries": more,
            "revision": ONE,
        }
    )
    grown = row.on_conflict_do_update(
        index_elements=[BOARDS.c.competition_id, BOARDS.c.category_id],
        set_={
            BOARDS.c.entries: BOARDS.c.entries + more,
            BOARDS.c.revision: BOARDS.c.revision + ONE,
        },
    )
    return Statement(grown.returning(BOARDS.c.revision))


@cache
def drop_board_query() -> Statement:
    """Delete a locked board that has no entries any more, so that its category can be deleted."""
    empty = sa.delete(BOARDS).where(of_board(BOARDS), BOARDS.c.entries == NONE)
    return Statement(empty.returning(BOARDS.c.revision))


def board_changed_cte(changed: sa.CTE) -> sa.CTE:
    """Increase the revision of the board of the changed rows: a competition and a category."""
    return (
        sa.update(BOARDS)
        .where(
            sa.tuple_(BOARDS.c.competition_id, BOARDS.c.category_id).in_(
                sa.select(changed.c.competition_id, changed.c.category_id)
            )
        )
        .values({BOARDS.c.revision: BOARDS.c.revision + ONE})
        .returning(BOARDS.c.revision)
        .cte("board_changed")
    )


def boards_changed_cte(competition_id: sa.ColumnElement[Any]) -> sa.CTE:
    """Increase the revisions of all boards of a locked competition.

    Other transactions that lock a board lock its competition before, so no lock is awaited here.
    """
    return (
        sa.update(BOARDS)
        .where(BOARDS.c.competition_id == competition_id)
        .values({BOARDS.c.revision: BOARDS.c.revision + ONE})
        .returning(BOARDS.c.revision)
        .cte("boards_changed")
    )
