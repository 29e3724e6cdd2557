"""Operations on entries: enter, withdraw, disqualify, reinstate."""

from typing import Any
from uuid import UUID

from asyncpg import ForeignKeyViolationError

from app.athletes.crud import AthletesCRUD
from app.competitions import rights
from app.competitions.crud import CompetitionsCRUD, refuse_final
from app.competitions.locks import (
    drop_board_query,
    grow_board_query,
    lock_board_query,
    lock_competition_of_entry_query,
)
from app.competitions.models import EntriesQuery, EntryCreate
from app.competitions.queries import ENTRY_QUERIES
from app.core.access import Caller, Right
from app.core.db.constraints import reference_missing
from app.core.db.statements import new_values
from app.core.db.transactions import Runner, Transaction
from app.core.errors import AlreadyTaken, StillInUse, WrongState
from app.core.resources.crud import CRUD, Resource, Versions
from app.core.resources.fields import new_id
from app.core.resources.models import Payload
from app.core.resources.paging import PageOfJSON


class EntriesCRUD(CRUD[EntryCreate, Payload]):
    """Creates, reads, lists and deletes entries, and changes their status."""

    queries = ENTRY_QUERIES
    sees = rights.SEE_ENTRIES
    changes = rights.CHANGE

    def __init__(self, database: Runner, caller: Caller) -> None:
        super().__init__(database, caller)
        self.competitions = CompetitionsCRUD(database, caller)
        self._athletes = AthletesCRUD(database, caller)

    async def enter(self, competition_id: UUID, payload: EntryCreate) -> Resource:
        """Enter an athlete in a competition.

        Raise ``NotFound``, ``Forbidden``, ``ReferenceMissing``, ``AlreadyTaken``, ``WrongState`` or
        ``Erased``.
        """

        async def work(transaction: Transaction) -> Resource:
            competition = await self._lock_to_enter(transaction, competition_id, payload.athlete_id)
            athlete = await self._athletes.lock_named(transaction, payload.athlete_id)
            refuse_final(competition)
            category_id = payload.category_id or athlete["category_id"]
            board = {"competition_id": competition_id, "category_id": category_id}
            try:
                await transaction.row(grow_board_query(), {**board, "more": 1})
            except ForeignKeyViolationError as error:
                raise reference_missing(error) from None
            fields = {"id": new_id(), "athlete_id": payload.athlete_id, **board}
            try:
                return await self._insert(transaction, new_values(self.queries.table, fields))
            except AlreadyTaken:
                detail = "This athlete has entered already."
                raise AlreadyTaken.of_field("/athlete_id", "taken", detail) from None

        return await self._database.transaction(work)

    async def withdraw(self, entry_id: UUID, before_event: int) -> Resource:
        """Withdraw an athlete before an event, given its ordinal (idempotent).

        Raise ``NotFound``, ``Forbidden`` or ``WrongState``.
        """
        return await self._move(entry_id, rights.ENTER, "withdrawn", before_event)

    async def disqualify(self, entry_id: UUID) -> Resource:
        """Disqualify an athlete (idempotent); raise ``NotFound``, ``Forbidden``, ``WrongState``."""
        return await self._move(entry_id, rights.CHANGE, "disqualified")

    async def reinstate(self, entry_id: UUID) -> Resource:
        """Take back a withdrawal or disqualification (idempotent).

        Raise ``NotFound``, ``Forbidden`` or ``WrongState``.
        """
        return await self._move(entry_id, rights.CHANGE, "reinstated")

    async def delete(self, row_id: UUID, expected: Versions = None) -> None:
        """Delete an entry without results, as in the base class."""

        async def work(transaction: Transaction) -> None:
            competition = await self._lock(transaction, row_id, rights.CHANGE)
            board = _board_of(competition)
            await transaction.row(grow_board_query(), {**board, "more": -1})
            reach = self.changes.reach(self._caller)
            values = {"id": row_id, "expected": expected, **reach.values()}
            try:
                deleted = await transaction.row(self.queries.delete_query(), values)
            except ForeignKeyViolationError:
                raise StillInUse("This entry has results.") from None
            if deleted is None:
                still = await transaction.row(self.queries.state_query(), {"id": row_id})
                raise self.not_found() if still is None else self.changed_meanwhile()
            await transaction.row(drop_board_query(), board)

        await self._after_standby(row_id, self._database.transaction(work))

    async def of_competition(self, competition_id: UUID, query: EntriesQuery) -> PageOfJSON:
        """List the entries of a competition; raise ``NotFound`` if there is no such competition."""
        return await self.page_within(self.competitions, competition_id, query)

    async def _lock_to_enter(
        self, transaction: Transaction, competition_id: UUID, athlete_id: UUID
    ) -> Any:
        """Lock a competition in which the caller may enter an athlete."""
        competition = await self.competitions.lock(
            transaction, competition_id, rights.ENTER, athlete_id
        )
        if rights.CHANGE.reach(self._caller).includes([competition["centre_id"]]):
            return competition
        if not competition["published"]:
            raise CompetitionsCRUD.not_found()
        if competition["status"] != "open":
            raise WrongState("Athletes can enter only while the competition is open.")
        return competition

    async def _move(
        self, entry_id: UUID, right: Right, verb: str, withdrawn_before: int | None = None
    ) -> Resource:
        async def work(transaction: Transaction) -> Resource:
            competition = await self._lock(transaction, entry_id, right)
            await transaction.row(lock_board_query(), _board_of(competition))
            state = await transaction.row(self.queries.state_query(), {"id": entry_id})
            if state is None:
                raise self.not_found()
            after = "entered" if verb == "reinstated" else verb
            if tuple(state) == (after, withdrawn_before):
                return await self._read(transaction, entry_id)
            if verb == "withdrawn" and state["status"] == "disqualified":
                raise WrongState("A disqualified athlete cannot withdraw.")
            runs_it = rights.CHANGE.reach(self._caller).includes([competition["centre_id"]])
            if state["status"] == "withdrawn" and not runs_it:
                raise WrongState("Only a coach of the host can change a withdrawal.")
            values = {"id": entry_id, "withdrawn_before": withdrawn_before}
            moved = await self._write(transaction, self.queries.status_query(verb), values)
            assert moved is not None
            return moved

        return await self._database.transaction(work)

    async def _lock(self, transaction: Transaction, entry_id: UUID, right: Right) -> Any:
        """Lock the competition of an entry that the caller may change."""
        competition = await transaction.row(lock_competition_of_entry_query(), {"id": entry_id})
        if competition is None:
            raise self.not_found()
        if not self._caller.is_admin:
            seen = await self._see(transaction, entry_id)
            if not right.reach(self._caller).includes(**seen.belongs):
                raise self.forbidden()
        refuse_final(competition)
        return competition


def _board_of(competition: Any) -> dict[str, UUID]:
    """Return the key of the board of an entry, given its locked competition."""
    return {"competition_id": competition["id"], "category_id": competition["category_id"]}
