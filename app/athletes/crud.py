"""Operations on athletes and their enrolments."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from asyncpg import ForeignKeyViolationError

from app.athletes.errors import TooManyCentres
from app.athletes.models import (
    MOST_CENTRES,
    AthleteCreate,
    AthleteLookup,
    AthletesAtCentreQuery,
    AthletesOfCategoryQuery,
    AthleteUpdate,
)
from app.athletes.queries import ATHLETE_QUERIES, CENTRES_OF_ATHLETE_QUERIES
from app.categories.crud import CategoriesCRUD
from app.centres.crud import CentresCRUD
from app.core.db.transactions import Transaction
from app.core.errors import NotFound
from app.core.resources.crud import CRUD, Resource
from app.core.resources.paging import NamedListQuery, PageOfJSON


class CentresOfAthlete(CentresCRUD):
    """Lists the centres of one athlete."""

    queries = CENTRES_OF_ATHLETE_QUERIES


class AthletesCRUD(CRUD[AthleteCreate, AthleteUpdate]):
    """Creates, reads, lists, updates, deletes and enrols athletes."""

    queries = ATHLETE_QUERIES

    async def lookup(self, whom: AthleteLookup) -> Resource:
        """Find an athlete by a unique field; raise ``NotFound``."""
        column, value = whom.unique_column()
        found = await self._database.row(self.queries.find_query(column), {column: value})
        return self._found(found)

    async def of_category(self, category_id: UUID, query: AthletesOfCategoryQuery) -> PageOfJSON:
        """List the athletes of a category; raise ``NotFound`` if there is no such category."""
        return await self.page_within(CategoriesCRUD(self._database), category_id, query)

    async def at_centre(self, centre_id: UUID, query: AthletesAtCentreQuery) -> PageOfJSON:
        """List the athletes of a centre; raise ``NotFound`` if there is no such centre."""
        return await self.page_within(CentresCRUD(self._database), centre_id, query)

    async def centres_of(self, athlete_id: UUID, query: NamedListQuery) -> PageOfJSON:
        """List the centres of an athlete; raise ``NotFound`` if there is no such athlete."""
        return await CentresOfAthlete(self._database).page_within(self, athlete_id, query)

    async def enrol(self, athlete_id: UUID, centre_id: UUID) -> None:
        """Enrol an athlete at a centre (idempotent); raise ``NotFound`` or ``TooManyCentres``."""
        ids = {"id": athlete_id, "centre_id": centre_id}
        try:
            found = await self._database.row(self.queries.enrol_query(), ids)
            athlete, centre, has_room = found
        except ForeignKeyViolationError:
            # Another request deletes the centre at the same time.
            athlete, centre, has_room = True, False, True
        if not athlete:
            raise self.not_found()
        if not centre:
            raise CentresCRUD.not_found()
        if not has_room:
            raise TooManyCentres(f"This athlete is enrolled at {MOST_CENTRES} centres already.")

    async def withdraw(self, athlete_id: UUID, centre_id: UUID) -> None:
        """Withdraw an athlete from a centre; raise ``NotFound`` if they are not enrolled there."""
        ids = {"id": athlete_id, "centre_id": centre_id}
        if await self._database.row(self.queries.withdraw_query(), ids) is None:
            # As for a deleted row: to a retry, this error says that the first request succeeded.
            await self._database.row(self.queries.exists_query(), ids)
            raise NotFound("This athlete does not train at this centre.")

    async def _update(self, fields: frozenset[str], values: Mapping[str, Any]) -> Resource | None:
        if "centre_ids" not in fields:
            return await super()._update(fields, values)

        async def work(transaction: Transaction) -> Resource | None:
            # Lock in a statement of its own: a statement that waits for the lock continues with
            # its old snapshot, and would replace outdated enrolments.
            if await transaction.row(self.queries.lock_query(), values) is None:
                return None
            return await self._write(transaction, self.queries.update_query(fields), values)

        return await self._database.transaction(work)
