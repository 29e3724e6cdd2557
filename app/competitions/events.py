"""Operations on the events of competitions."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from asyncpg import ForeignKeyViolationError

from app.competitions import rights
from app.competitions.crud import CompetitionsCRUD, refuse_final
from app.competitions.locks import lock_competition_of_event_query
from app.competitions.models import (
    MOST_EVENTS,
    CompetitionEventCreate,
    CompetitionEventsQuery,
    CompetitionEventUpdate,
)
from app.competitions.queries import EVENT_QUERIES
from app.core.access import Caller
from app.core.db.statements import new_values
from app.core.db.transactions import Runner, Transaction
from app.core.errors import AlreadyTaken, Invalid, StillInUse, WrongState
from app.core.resources.crud import CRUD, Resource, Versions
from app.core.resources.fields import new_id
from app.core.resources.paging import PageOfJSON


class CompetitionEventsCRUD(CRUD[CompetitionEventCreate, CompetitionEventUpdate]):
    """Creates, reads, lists, updates and deletes the events of competitions."""

    queries = EVENT_QUERIES
    sees = rights.SEE
    changes = rights.CHANGE

    def __init__(self, database: Runner, caller: Caller) -> None:
        super().__init__(database, caller)
        self.competitions = CompetitionsCRUD(database, caller)

    async def add(self, competition_id: UUID, payload: CompetitionEventCreate) -> Resource:
        """Add an event to a competition.

        Raise ``NotFound``, ``Forbidden``, ``WrongState``, ``AlreadyTaken``, ``ReferenceMissing``
        or ``Invalid``.
        """

        async def work(transaction: Transaction) -> Resource:
            competition = await self.competitions.lock(
                transaction, competition_id, rights.CHANGE, to_change=True
            )
            refuse_final(competition)
            _check_points(competition, payload.points_table)
            fields = payload.model_dump()
            if payload.ordinal is None:
                ids = {"competition_id": competition_id}
                (last,) = await transaction.row(self.queries.last_ordinal_query(), ids)
                if last == MOST_EVENTS:
                    raise WrongState(f"A competition has at most {MOST_EVENTS} events.")
                fields["ordinal"] = last + 1
            fields |= {"id": new_id(), "competition_id": competition_id}
            return await self._insert(transaction, new_values(self.queries.table, fields))

        return await self._database.transaction(work)

    async def of_competition(
        self, competition_id: UUID, query: CompetitionEventsQuery
    ) -> PageOfJSON:
        """List the events of a competition; raise ``NotFound`` if there is no such competition."""
        return await self.page_within(self.competitions, competition_id, query)

    async def delete(self, row_id: UUID, expected: Versions = None) -> None:
        """Delete an event without results, as in the base class."""

        async def work(transaction: Transaction) -> bool:
            competition = await self._lock(transaction, row_id)
            if competition is None:
                return False
            reach = self.changes.reach(self._caller)
            values = {"id": row_id, "expected": expected, **reach.values()}
            try:
                return bool(await transaction.row(self.queries.delete_query(), values))
            except ForeignKeyViolationError:
                raise StillInUse("This event has results.") from None

        if not await self._database.transaction(work):
            raise await self._why_unchanged(row_id, self.changes.reach(self._caller))

    async def _update(self, fields: frozenset[str], values: Mapping[str, Any]) -> Resource | None:
        async def change(transaction: Transaction) -> Resource | None:
            competition = await self._lock(transaction, values["id"])
            if competition is None:
                return None
            if "points_table" in fields:
                _check_points(competition, values["new_points_table"])
            return await self._write(transaction, self.queries.update_query(fields), values)

        return await self._database.transaction(change)

    async def _lock(self, transaction: Transaction, event_id: UUID) -> Any:
        """Lock the competition of an event that the caller may change; None if there is none."""
        competition = await transaction.row(lock_competition_of_event_query(), {"id": event_id})
        if competition is None:
            return None
        if not self.changes.reach(self._caller).includes([competition["centre_id"]]):
            await self._see(transaction, event_id)
            raise self.forbidden()
        refuse_final(competition)
        return competition

    @staticmethod
    async def _write(runner: Runner, statement: Any, values: Mapping[str, Any]) -> Resource | None:
        try:
            return await CRUD._write(runner, statement, values)
        except AlreadyTaken:
            detail = "Another event of this competition has this ordinal."
            raise AlreadyTaken.of_field("/ordinal", "taken", detail) from None


def _check_points(competition: Any, points_table: list[int] | None) -> None:
    """Raise ``Invalid`` if an event may not have this points table, or none."""
    by_table = competition["points"] == "table"
    if by_table == (points_table is not None):
        return
    detail = (
        "An event needs a points table, as the competition has `points: table`."
        if by_table
        else "Only a competition with `points: table` has points tables."
    )
    raise Invalid.of_field("/points_table", "points", detail)
