"""Operations on athletes and their enrolments."""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from asyncpg import CheckViolationError, ForeignKeyViolationError

from app.athletes import rights
from app.athletes.errors import TooManyCentres
from app.athletes.models import (
    ERASED_DETAIL,
    MOST_CENTRES,
    AthleteCreate,
    AthleteLookup,
    AthletesAtCentreQuery,
    AthletesOfCategoryQuery,
    AthleteUpdate,
)
from app.athletes.queries import (
    ATHLETE_QUERIES,
    CENTRES_OF_ATHLETE_QUERIES,
    SEEN,
    WIDE_REACH,
)
from app.athletes.rights import TRAINING
from app.categories.crud import CategoriesCRUD
from app.centres.crud import CentresCRUD
from app.core.access import Reach, Right
from app.core.db.constraints import rule_broken
from app.core.db.transactions import Transaction
from app.core.errors import Erased, Forbidden, NotFound, ReferenceMissing
from app.core.resources.crud import CRUD, Resource, Versions
from app.core.resources.paging import NamedListQuery, PageOfJSON
from app.core.resources.queries import FULL, REACH

MANY_CENTRES = 8
"""Above this number of centres, a list checks its rows in their order, one by one."""


class CentresOfAthlete(CentresCRUD):
    """Lists the centres of one athlete."""

    queries = CENTRES_OF_ATHLETE_QUERIES


class AthletesCRUD(CRUD[AthleteCreate, AthleteUpdate]):
    """Creates, reads, lists, updates, deletes and enrols athletes."""

    queries = ATHLETE_QUERIES
    sees = rights.SEE
    changes = rights.CHANGE

    async def lookup(self, whom: AthleteLookup) -> Resource:
        """Find an athlete by a unique field; raise ``NotFound``."""
        column, value = whom.unique_column()
        row = await self._database.row(self.queries.find_query(column), {column: value})
        reach = rights.LOOK_UP.reach(self._caller)
        seen = row and self._seen(row, FULL, reach)
        if not seen:
            raise self.not_found()
        return seen.resource

    async def update(
        self, row_id: UUID, payload: AthleteUpdate, expected: Versions = None
    ) -> Resource:
        """Change the given fields, as in the base class; return what the caller sees."""
        updated = await super().update(row_id, payload, expected)
        if payload.model_fields_set == {"category_id"} and not self._caller.is_admin:
            return await self.get(row_id)  # maybe in another view
        return updated

    async def lock_named(self, transaction: Transaction, athlete_id: UUID) -> Any:
        """Lock the athlete that an ``athlete_id`` in a body names; read ``category_id``.

        Raise ``ReferenceMissing`` if the caller does not see them, or ``Erased``.
        """
        whom = {"athlete_id": athlete_id, **self.reach().values()}
        athlete = await transaction.row(self.queries.lock_named_query(), whom)
        check_named(athlete, athlete and athlete["erased_at"])
        return athlete

    async def of_category(self, category_id: UUID, query: AthletesOfCategoryQuery) -> PageOfJSON:
        """List the athletes of a category; raise ``NotFound`` if there is no such category."""
        return await self.page_within(
            CategoriesCRUD(self._database, self._caller), category_id, query
        )

    async def at_centre(self, centre_id: UUID, query: AthletesAtCentreQuery) -> PageOfJSON:
        """List the athletes of a centre; raise ``NotFound`` if there is no such centre."""
        return await self.page_within(CentresCRUD(self._database, self._caller), centre_id, query)

    async def centres_of(self, athlete_id: UUID, query: NamedListQuery) -> PageOfJSON:
        """List the centres of an athlete that the caller sees; raise ``NotFound``."""
        centres = CentresOfAthlete(self._database, self._caller)
        if self._caller.is_admin:
            return await centres.page_within(self, athlete_id, query)
        seen = await self._see(self._database, athlete_id)
        within = {} if seen.view == FULL else {SEEN: tuple(sorted(self._caller.roles))}
        return await centres.page(query, {"athlete_id": athlete_id, **within})

    async def enrol(self, athlete_id: UUID, centre_id: UUID) -> None:
        """Enrol an athlete at a centre (idempotent).

        Raise ``NotFound``, ``Forbidden``, ``TooManyCentres`` or ``Erased``.
        """
        await self._require_right_to_enrol(rights.ENROL, athlete_id, centre_id)
        ids = {"id": athlete_id, "centre_id": centre_id}
        try:
            found = await self._database.row(self.queries.enrol_query(), ids)
            athlete, centre, has_room = found
        except CheckViolationError as error:
            raise rule_broken(error, ()) or error from None
        except ForeignKeyViolationError:
            # Another request deletes the centre at the same time.
            athlete, centre, has_room = True, False, True
        if not athlete:
            raise self.not_found()
        if not centre:
            raise CentresCRUD.not_found()
        if not has_room:
            raise too_many_centres()

    async def withdraw(self, athlete_id: UUID, centre_id: UUID) -> None:
        """Withdraw an athlete from a centre; raise ``Forbidden`` or ``NotFound``."""
        right = rights.LEAVE.reach(self._caller)
        if not right.includes([centre_id], athlete_id):
            await self._require_right_to_enrol(rights.LEAVE, athlete_id, centre_id)
        ids = {"id": athlete_id, "centre_id": centre_id}
        if await self._database.row(self.queries.withdraw_query(), ids) is None:
            # As for a deleted row: to a retry, this error says that the first request succeeded.
            await self._database.row(self.queries.exists_query(), ids)
            raise NotFound("This athlete does not train at this centre.")

    async def require_all_within(self, right: Right, athlete_id: UUID) -> None:
        """Raise ``ReferenceMissing`` for an unseen athlete, ``Forbidden`` for one elsewhere too.

        The right must reach all centres of the athlete.
        """
        try:
            seen = await self._see(self._database, athlete_id)
        except NotFound:
            raise no_such_athlete() from None
        if not right.reach(self._caller).centres.issuperset(seen.belongs["centres"]):
            raise Forbidden("This athlete is also enrolled at centres that are not yours.")

    async def delete(self, row_id: UUID, expected: Versions = None) -> None:
        """Delete an athlete, as in the base class.

        For others than administrators, the athlete is locked in a statement of its own first: the
        next one sees an enrolment elsewhere that another request has just added.
        """
        if self._caller.is_admin:
            return await super().delete(row_id, expected)
        values = {"id": row_id, "expected": expected, **self.changes.reach(self._caller).values()}

        async def work(transaction: Transaction) -> None:
            await transaction.row(self.queries.lock_query(), values)
            await super(AthletesCRUD, AthletesCRUD(transaction, self._caller)).delete(
                row_id, expected
            )

        return await self._database.transaction(work)

    async def _require_right_to_enrol(
        self, right: Right, athlete_id: UUID, centre_id: UUID
    ) -> None:
        if self._caller.is_admin:
            return
        seen = await self._see(self._database, athlete_id)
        await CentresCRUD(self._database, self._caller).require_right(right, centre_id)
        if seen.view != FULL:
            # The enrolment would give its caller the full view, which a coach does not have.
            raise self.forbidden()

    async def _check_creation(self, payload: AthleteCreate) -> None:
        if not payload.centre_ids:
            raise Forbidden("Enrol the athlete at one of your centres, in `centre_ids`.")
        centres = CentresCRUD(self._database, self._caller)
        for centre_id in payload.centre_ids:
            with suppress(NotFound):  # the insert reports it
                await centres.require_right(rights.CREATE, centre_id)

    def _right_to_change(self, fields: Collection[str]) -> Right:
        return rights.right_to_change(fields)

    def _may_delete(self, reach: Reach, belongs: Mapping[str, Any]) -> bool:
        return reach.includes(**belongs) and reach.centres.issuperset(belongs["centres"])

    def _shown(self, body: str, view: str) -> str:
        """Leave out the centres where the caller has no role, which are last in the JSON."""
        if view == FULL:
            return body
        # No text in JSON has this key: its quotation marks would be escaped.
        head, key, centres = body.rpartition('"centres":')
        roles = {str(centre_id) for centre_id in self._caller.roles}
        seen = [centre for centre in json.loads(centres[:-1]) if centre["id"] in roles]
        return f"{head}{key}{json.dumps(seen, ensure_ascii=False)}}}"

    def _within(
        self, reach: Reach, given: Mapping[str, Any]
    ) -> tuple[frozenset[str], dict[str, Any]]:
        if reach.is_all:
            return super()._within(reach, given)
        full = rights.SEE[FULL].reach(self._caller)
        centre_id = given.get("centre_id")
        if centre_id is not None and centre_id not in self._caller.roles:
            # The caller sees enrolments there only of athletes in full view.
            reach = full
        filters, values = super()._within(reach, given)
        if centre_id in reach.centres:
            filters -= {REACH}  # all athletes there are within it
        elif len(reach.centres) > MANY_CENTRES:
            filters |= {WIDE_REACH}
        if rights.SEE[TRAINING].reach(self._caller):
            filters |= {SEEN}
        seen = {SEEN: list(self._caller.roles), "full_centres": list(full.centres)}
        return filters, {**values, **seen}

    async def _check_new_centres(self, transaction: Transaction, values: Mapping[str, Any]) -> None:
        """Raise ``Forbidden`` or ``TooManyCentres`` for new centres of a locked athlete."""
        kept, new = await transaction.row(self.queries.beyond_reach_query(), values)
        if new:
            raise Forbidden("You may not enrol athletes at all of these centres.")
        if kept + len(set(values["new_centre_ids"])) > MOST_CENTRES:
            raise too_many_centres()

    async def _update(self, fields: frozenset[str], values: Mapping[str, Any]) -> Resource | None:
        if "centre_ids" not in fields:
            return await super()._update(fields, values)

        async def work(transaction: Transaction) -> Resource | None:
            # Lock in a statement of its own: a statement that waits for the lock continues with
            # its old snapshot, and would replace outdated enrolments.
            if await transaction.row(self.queries.lock_query(), values) is None:
                return None
            if not values["reach_all"]:
                await self._check_new_centres(transaction, values)
            return await self._write(transaction, self.queries.update_query(fields), values)

        return await self._database.transaction(work)


def check_named(athlete: object, erased_at: object) -> None:
    """Raise an error if an ``athlete_id`` in a body names nobody, or somebody who was erased."""
    if athlete is None:
        raise no_such_athlete()
    if erased_at is not None:
        raise Erased.of_field("/athlete_id", "erased", ERASED_DETAIL)


def no_such_athlete() -> ReferenceMissing:
    """Make the error for an ``athlete_id`` in a body that names nobody whom the caller sees."""
    return ReferenceMissing.of_field("/athlete_id", "missing", "There is no such athlete.")


def too_many_centres() -> TooManyCentres:
    """Make the error for an athlete who would be enrolled at too many centres."""
    return TooManyCentres(f"An athlete can be enrolled at {MOST_CENTRES} centres.")
