"""Reading leaderboards: from stored standings, which are brought up to date first if needed."""

from typing import Any, NamedTuple
from uuid import UUID

from app.categories.crud import CategoriesCRUD
from app.competitions import rights
from app.competitions.crud import CompetitionsCRUD
from app.competitions.entries import EntriesCRUD
from app.core.access import Caller
from app.core.db.transactions import Runner
from app.core.resources.paging import bad_cursor, cursor_of, name_of_list, text_of
from app.core.resources.queries import FULL
from app.leaderboards.models import LeaderboardQuery
from app.leaderboards.queries import (
    board_of_entry_query,
    page_query,
    standing_query,
    state_query,
)
from app.leaderboards.refresh import LATEST, PAUSE, SMALL, Board, Refreshes

ROUNDS = 5
"""How often a reader has a small board computed, at most: others may change how it is ranked."""


class LeaderboardPage(NamedTuple):
    """A page of a leaderboard."""

    state: str
    """The JSON of the fields of ``BoardState``, without braces."""
    items: str
    """A JSON array."""
    cursor: str | None
    """The cursor of the next page; None on the last page."""


class LeaderboardsCRUD:
    """Reads leaderboards and standings.

    Computations outlive the request that begins them, so they run on the ``pool`` of the app.
    """

    def __init__(
        self, database: Runner, caller: Caller, pool: Runner, refreshes: Refreshes
    ) -> None:
        self._database = database
        self._caller = caller
        self._pool = pool
        self._refreshes = refreshes
        self._entries = EntriesCRUD(database, caller)

    async def page(self, competition_id: UUID, query: LeaderboardQuery) -> LeaderboardPage:
        """Return a page of a leaderboard; raise ``NotFound`` or ``Invalid``."""
        board = Board(competition_id, query.category_id)
        filters = query.model_dump(include={"centre_id", "sex"}, exclude_none=True)
        anew = query.rerank and bool(filters)
        named = {**board._asdict(), **filters, "event": query.event, "rerank": anew}
        list_name = name_of_list("leaderboard", named, "place")
        key, position = _place_of(query.cursor, list_name)
        state = await self._state(board)
        if state["revision"] == 0:
            return LeaderboardPage(_state_json(state), "[]", None)
        statement = page_query(
            frozenset(filters),
            by_event=query.event is not None,
            after=query.cursor is not None,
            anew=anew,
            breaks_ties=anew and state["overall_tie"] == "best_places",
        )
        reads_all = bool(filters) or query.event is not None
        is_costly = reads_all and state["entries"] > SMALL
        reader = self._database.costly if is_costly else self._database
        values = {
            **board._asdict(),
            **filters,
            "event": query.event,
            "limit": query.limit,
            "after_key": key,
            "after": position,
        }
        items, next_key, next_position = await reader.row(statement, values)
        cursor = None
        if next_position is not None:
            cursor = cursor_of(list_name, f"{next_key}.{next_position}")
        return LeaderboardPage(_state_json(state), items, cursor)

    async def standing(self, entry_id: UUID) -> str:
        """Return the standing of an entry, as the JSON of ``StandingRead``; raise ``NotFound``."""
        await self._entries.require(entry_id)
        found = await self._database.row(board_of_entry_query(), {"entry_id": entry_id})
        if found is None:
            raise EntriesCRUD.not_found()
        board = Board(*found)
        state = await self._state(board, is_seen=True)
        values = {**board._asdict(), "entry_id": entry_id}
        row = await self._database.row(standing_query(), values)
        if row is None:
            raise EntriesCRUD.not_found()
        return f'{{{_state_json(state)}, "standing": {row["item"]}}}'

    async def _state(self, board: Board, *, is_seen: bool = False) -> Any:
        """Return the state of a board that is current enough; raise ``NotFound``.

        A small board is brought up to the revision that it has now, so that readers see their own
        writes, and do not wait for later ones of others. A large one is so if its ranking is old;
        else it is computed while this request gets the last ranking.
        """
        wanted = None
        for _ in range(ROUNDS):
            state = await self._database.row(state_query(), board._asdict())
            self._check(state, is_seen)
            wanted = state["revision"] if wanted is None else wanted
            is_large = state["entries"] > SMALL
            if state["computed"] >= wanted:
                if is_large:
                    self._refreshes.saw_current(board)
                return state
            if is_large and state["age"] is not None:
                age = self._refreshes.age(board, state["age"])
                if age < LATEST:
                    if age > PAUSE:
                        self._refreshes.start(self._pool, board)
                    return state
            await self._refreshes.run(self._pool, board)
        return state

    def _check(self, state: Any, is_seen: bool) -> None:
        if state is None:
            raise CompetitionsCRUD.not_found()
        reach = rights.SEE[FULL].reach(self._caller)
        if not (is_seen or reach.includes([state["centre_id"]], public=state["published"])):
            raise CompetitionsCRUD.not_found()
        if state["category"] is None:
            raise CategoriesCRUD.not_found()


def _place_of(cursor: str | None, list_name: str) -> tuple[int, int]:
    """Return the key and the position of a cursor; raise ``Invalid``."""
    if cursor is None:
        return 0, 0
    try:
        key, position = map(int, text_of(cursor, list_name).split("."))
    except ValueError:
        raise bad_cursor() from None
    if not (0 <= key < 2**31 and 0 <= position < 2**31):
        raise bad_cursor()
    return key, position


def _state_json(state: Any) -> str:
    as_of = "null" if state["as_of"] is None else f'"{state["as_of"]}"'
    provisional = "false" if state["status"] == "final" else "true"
    return (
        f'"competition": {state["competition"]}, "category": {state["category"]},'
        f' "revision": {state["computed"]}, "as_of": {as_of}, "provisional": {provisional}'
    )
