"""Operations on competitions."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from app.centres.crud import CentresCRUD
from app.competitions import rights
from app.competitions.locks import lock_competition_query
from app.competitions.models import CompetitionCreate, CompetitionUpdate
from app.competitions.queries import AFTER, COMPETITION_QUERIES
from app.core.access import Right
from app.core.db.transactions import Runner, Transaction
from app.core.errors import NotFound, WrongState
from app.core.resources.crud import CRUD, Resource
from app.core.resources.queries import FULL
from app.workouts.errors import Frozen

RANKING = {"points", "overall_tie"}
"""Fields on which all ranks depend."""
BEFORE: Mapping[str, Collection[str]] = {
    "opened": ("draft",),
    "closed": ("open",),
    "finalised": ("open", "closed"),
    "reopened": ("closed", "final"),
}
"""The statuses from which a competition can be opened, closed and so on."""


class CompetitionsCRUD(CRUD[CompetitionCreate, CompetitionUpdate]):
    """Creates, reads, lists, updates and deletes competitions, and opens and closes them."""

    queries = COMPETITION_QUERIES
    sees = rights.SEE
    changes = rights.CHANGE

    async def move(self, competition_id: UUID, verb: str, reason: str | None = None) -> Resource:
        """Open, close, finalise or reopen a competition: ``verb`` is one of ``BEFORE``.

        It changes nothing if that is done already, for the same reason. Raise ``NotFound``,
        ``Forbidden`` or ``WrongState``.
        """

        async def work(transaction: Transaction) -> Resource:
            competition = await self.lock(
                transaction, competition_id, rights.CHANGE, to_change=True
            )
            status = competition["status"]
            is_same = verb != "reopened" or reason == competition["reopened_because"]
            if status == AFTER[verb] and is_same:
                return await self._read(transaction, competition_id)
            if status not in BEFORE[verb]:
                raise WrongState(f"A competition that is {status} cannot be {verb}.")
            values = {"id": competition_id, "reason": reason}
            return self._found(await transaction.row(self.queries.status_query(verb), values))

        return await self._database.transaction(work)

    async def lock(
        self,
        transaction: Transaction,
        competition_id: UUID,
        right: Right,
        athlete_id: UUID | None = None,
        *,
        to_change: bool = False,
    ) -> Any:
        """Lock a competition and return its columns, if the caller has a right to it.

        Raise ``NotFound`` if the caller does not see it, else ``Forbidden``.
        """
        statement = lock_competition_query(to_change=to_change)
        competition = await transaction.row(statement, {"competition_id": competition_id})
        self.check(right, competition, athlete_id)
        return competition

    def check(self, right: Right, competition: Any, athlete_id: UUID | None = None) -> None:
        """Check a right to a competition, or to an athlete's entry in it, given its columns.

        Raise ``NotFound`` if the caller does not see the competition, else ``Forbidden``.
        """
        if competition is None:
            raise self.not_found()
        centres = [competition["centre_id"]]
        if right.reach(self._caller).includes(centres, athlete_id):
            return
        seen = rights.SEE[FULL].reach(self._caller)
        if seen.includes(centres, public=competition["published"]):
            raise self.forbidden()
        raise self.not_found()

    async def _check_creation(self, payload: CompetitionCreate) -> None:
        await self._check_host(self._database, payload.centre_id)

    async def _update(self, fields: frozenset[str], values: Mapping[str, Any]) -> Resource | None:
        async def change(transaction: Transaction) -> Resource | None:
            competition = await self.lock(transaction, values["id"], rights.CHANGE, to_change=True)
            expected = values["expected"]
            if expected is not None and competition["version"] not in expected:
                return None
            refuse_final(competition)
            published_at = values.get("new_published_at", competition["published_at"])
            if competition["status"] != "draft" and published_at != competition["published_at"]:
                detail = "A competition that was opened stays published."
                raise Frozen.of_field("/published_at", "frozen", detail)
            if "centre_id" in fields and not self._caller.is_admin:
                await self._check_host(transaction, values["new_centre_id"])
            if values.get("new_points", competition["points"]) != competition[
                "points"
            ] and await transaction.row(self.queries.has_events_query(), values):
                detail = "It has events already, whose results get points in this way."
                raise Frozen.of_field("/points", "frozen", detail)
            ranks = not fields.isdisjoint(RANKING)
            query = self.queries.ranked_anew_query if ranks else self.queries.update_query
            return await self._write(transaction, query(fields), values)

        return await self._database.transaction(change)

    async def _check_host(self, runner: Runner, centre_id: UUID | None) -> None:
        """Raise ``Forbidden`` if the caller may not run competitions of a host."""
        if centre_id is None:
            raise self.forbidden()
        with suppress(NotFound):  # the write reports it
            await CentresCRUD(runner, self._caller).require_right(rights.CHANGE, centre_id)


def refuse_final(competition: Any) -> None:
    """Raise ``WrongState`` if a competition is final."""
    if competition["status"] == "final":
        raise WrongState("This competition is final: reopen it first, with a reason.")
