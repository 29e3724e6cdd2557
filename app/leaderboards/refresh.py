"""Standings: computed behind the revision of a board, one computation at a time.

Writers increase the revision of the board (``app.competitions.locks``). A reader that finds the
ranking behind it has the standings computed: one statement reads the results, ranks them, and
writes the standings that differ. Its lock is on the row of ``rankings``, so no writer waits for it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import cache
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from asyncpg import ForeignKeyViolationError
from sqlalchemy.dialects.postgresql import ARRAY, insert

from app.competitions.locks import (
    BOARDS,
    CATEGORY_ID,
    COMPETITION_ID,
    COMPETITIONS,
    NONE,
    of_board,
)
from app.core.db.schema import NOW, table_of
from app.core.db.statements import Statement
from app.core.db.transactions import Runner, Transaction
from app.leaderboards.models import Ranking, Standing
from app.leaderboards.ranking import ranked

SMALL = 2000
"""A board of at most this many entries is computed for each reader that finds it behind."""
LATEST = timedelta(seconds=2)
"""A larger board is computed for a reader only if its ranking may be as old as this."""
PAUSE = timedelta(seconds=0.5)
"""How old the ranking of a larger board is at least when it is computed in the background."""
DELETIONS = 10
"""How often a computation begins again because an entry is deleted before its standing is written.
"""

logger = logging.getLogger(__name__)

RANKINGS, STANDINGS = table_of(Ranking), table_of(Standing)
_EMPTY: sa.ColumnElement[Any] = sa.literal_column("'{}'::integer[]", ARRAY(sa.Integer))


_PLANNING = [
    sa.func.set_config(sa.literal_column(f"'{name}'"), sa.literal_column(f"'{value}'"), sa.true())
    for name, value in (("enable_nestloop", "off"), ("work_mem", "32MB"))
]
"""Settings of the transaction that ranks, each as a column.

Before autovacuum has analyzed a table that has just grown, the planner expects few rows, and would
join thousands of entries in nested loops: 30,000 would take minutes instead of 0.3 s.
"""


class Board(NamedTuple):
    """The key of a board."""

    competition_id: UUID
    category_id: UUID


class Refreshes:
    """Computes boards for readers, each at most once at a time in this process."""

    def __init__(self) -> None:
        self._running: dict[Board, asyncio.Task[None]] = {}
        self._seen_current: dict[Board, float] = {}

    @asynccontextmanager
    async def ended(self) -> AsyncIterator[None]:
        """Cancel what still runs at the end of an ``async with``."""
        try:
            yield
        finally:
            running = list(self._running.values())
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def saw_current(self, board: Board) -> None:
        """Note that a reader has just found the ranking of a large board up to date."""
        self._seen_current[board] = monotonic()

    def age(self, board: Board, computed: timedelta) -> timedelta:
        """Return how old a ranking may be: since it was computed, or last seen up to date."""
        seen = self._seen_current.get(board)
        return computed if seen is None else min(computed, timedelta(seconds=monotonic() - seen))

    async def run(self, database: Runner, board: Board) -> None:
        """Bring a board up to date, together with others who want that now.

        A computation that runs already may have begun before the write that this caller waits for,
        so look again afterwards.
        """
        await asyncio.shield(self.start(database, board))

    def start(self, database: Runner, board: Board) -> asyncio.Task[None]:
        """Begin to bring a board up to date, unless that is running, and return the task."""
        if task := self._running.get(board):
            return task
        task = asyncio.create_task(refresh(database, *board))
        self._running[board] = task
        task.add_done_callback(lambda done: self._ended(board, done))
        return task

    def _ended(self, board: Board, task: asyncio.Task[None]) -> None:
        del self._running[board]
        if not task.cancelled() and (error := task.exception()):
            logger.warning("a board could not be computed: %s", error)


async def refresh(database: Runner, competition_id: UUID, category_id: UUID) -> None:
    """Bring the standings of a board up to date, unless they are."""
    board = {"competition_id": competition_id, "category_id": category_id}

    async def work(transaction: Transaction) -> None:
        found = await transaction.row(lock_ranking_query(), board)
        if found is None:
            await transaction.row(first_ranking_query(), board)
            found = await transaction.row(lock_ranking_query(), board)
        if found is not None and found["computed"] < found["revision"]:
            statement = refresh_query(breaks_ties=found["overall_tie"] == "best_places")
            await transaction.row(statement, board)

    for _ in range(DELETIONS):
        with suppress(ForeignKeyViolationError):
            return await database.transaction(work)
    await database.transaction(work)


@cache
def lock_ranking_query() -> Statement:
    """Lock the ranking of a board: ``computed, revision, overall_tie``.

    ``revision`` is that of the board.

    A transaction that has waited for the lock reads the new ranking, and the board as it was when
    the statement began. If the other transaction has computed that revision, there is nothing left
    to do.
    """
    computed = RANKINGS.c.revision.label("computed")
    return Statement(
        sa.select(computed, BOARDS.c.revision, COMPETITIONS.c.overall_tie, *_PLANNING)
        .join(COMPETITIONS, COMPETITIONS.c.id == RANKINGS.c.competition_id)
        .join(
            BOARDS,
            sa.and_(
                BOARDS.c.competition_id == RANKINGS.c.competition_id,
                BOARDS.c.category_id == RANKINGS.c.category_id,
            ),
        )
        .where(of_board(RANKINGS))
        .with_for_update(of=RANKINGS, key_share=True)
    )


@cache
def first_ranking_query() -> Statement:
    """Add the ranking of a board that has none, with nothing computed."""
    columns = "competition_id", "category_id", "revision", "ordinals"
    board = sa.select(BOARDS.c.competition_id, BOARDS.c.category_id, NONE, _EMPTY)
    board = board.where(of_board(BOARDS))
    row = insert(RANKINGS).from_select(columns, board, include_defaults=False)
    return Statement(row.on_conflict_do_nothing().returning(RANKINGS.c.revision))


@cache
def refresh_query(*, breaks_ties: bool) -> Statement:
    """Rank the entries of a locked ranking, and write the standings that differ.

    If the competition breaks ties in another way by now, the ranking stays behind.
    """
    ranking = ranked(breaks_ties=breaks_ties)
    now, were = ranking.entries, STANDINGS.alias("were")
    columns = "rank", "points", "places", "position"
    differs = sa.or_(*(were.c[name].is_distinct_from(now.c[name]) for name in columns))
    changed = (
        sa.select(now.c.entry_id, COMPETITION_ID, CATEGORY_ID, *(now.c[name] for name in columns))
        .select_from(now.outerjoin(were, were.c.entry_id == now.c.entry_id))
        .where(sa.or_(were.c.entry_id.is_(None), differs))
    )
    rows = insert(STANDINGS).from_select(
        ["entry_id", "competition_id", "category_id", *columns], changed, include_defaults=False
    )
    written = (
        rows.on_conflict_do_update(
            index_elements=[STANDINGS.c.entry_id],
            set_={name: rows.excluded[name] for name in columns},
        )
        .returning(STANDINGS.c.entry_id)
        .cte("written")
    )
    tie: sa.ColumnElement[str] = sa.literal_column("'best_places'" if breaks_ties else "'shared'")
    board = ranking.board
    revision = sa.select(
        sa.case((board.c.overall_tie == tie, board.c.revision), else_=RANKINGS.c.revision)
    )
    marked = (
        sa.update(RANKINGS)
        .where(of_board(RANKINGS))
        .values(
            revision=revision.correlate(RANKINGS).scalar_subquery(),
            ranked_at=NOW,
            ordinals=sa.func.coalesce(ranking.ordinals, _EMPTY),
        )
        .returning(RANKINGS.c.revision)
        .cte("marked")
    )
    return Statement(sa.select(marked.c.revision).add_cte(written))
