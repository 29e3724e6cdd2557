"""What is done with athletes and their enrolments."""

from collections.abc import Iterator, Mapping, Set
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from asyncpg import ForeignKeyViolationError
from sqlalchemy.dialects.postgresql import ARRAY, insert

from app.athletes.models import (
    Athlete,
    AthleteCreate,
    AthleteListQuery,
    AthleteLookup,
    AthleteRead,
    AthleteSummary,
    AthleteUpdate,
    Enrolment,
)
from app.categories.crud import CategoriesCRUD
from app.centres.crud import CentresCRUD
from app.core.db.statements import Statement
from app.core.db.transactions import Unit
from app.core.errors import NotFound
from app.core.resources.crud import CRUD, SHAPES, Resource, as_expected
from app.core.resources.models import one_change_more, table_of
from app.core.resources.paging import ListQuery, PageOfJSON
from app.core.resources.projection import Projection

_ATHLETES = table_of(Athlete)
_ENROLMENTS = table_of(Enrolment)
_HAS_ID = _ATHLETES.c.id == sa.bindparam("id")


class CentresOfAthlete(CentresCRUD):
    """Lists the centres of one athlete."""

    @classmethod
    def filters(cls, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each filter that is given."""
        yield from super().filters(given)
        enrolled = sa.select(_ENROLMENTS.c.centre_id).where(
            _ENROLMENTS.c.athlete_id == sa.bindparam("athlete_id")
        )
        yield _among(table_of(cls.row).c.id, enrolled)


class AthletesCRUD(CRUD[AthleteCreate, AthleteUpdate]):
    """Creates, reads, lists, changes, deletes and enrols athletes."""

    row = Athlete
    read = AthleteRead
    summary = AthleteSummary

    async def lookup(self, whom: AthleteLookup) -> Resource:
        """Read the athlete with a unique value; raise ``NotFound``."""
        return await self._find(*whom.unique_column())

    async def of_category(self, category_id: UUID, query: AthleteListQuery) -> PageOfJSON:
        """List the athletes of a category; raise ``NotFound`` if there is no such category."""
        page = await self.page(query, {"category_id": category_id})
        if page.is_empty:
            await CategoriesCRUD(self._database).require(category_id)
        return page

    async def at_centre(self, centre_id: UUID, query: AthleteListQuery) -> PageOfJSON:
        """List the athletes who train at a centre; raise ``NotFound`` if there is no such one."""
        page = await self.page(query, {"centre_id": centre_id})
        if page.is_empty:
            await CentresCRUD(self._database).require(centre_id)
        return page

    async def centres_of(self, athlete_id: UUID, query: ListQuery) -> PageOfJSON:
        """List the centres of an athlete; raise ``NotFound`` if there is no such athlete."""
        page = await CentresOfAthlete(self._database).page(query, {"athlete_id": athlete_id})
        if page.is_empty:
            await self.require(athlete_id)
        return page

    async def enrol(self, athlete_id: UUID, centre_id: UUID) -> None:
        """Make an athlete train at a centre; raise ``NotFound`` if there is no such one."""
        ids = {"id": athlete_id, "centre_id": centre_id}
        try:
            athlete, centre = await self._database.row(self.enrol_statement(), ids)
        except ForeignKeyViolationError:
            athlete, centre = True, False  # somebody deletes the centre at this moment
        if not athlete:
            raise self.not_found()
        if not centre:
            raise CentresCRUD.not_found()

    async def withdraw(self, athlete_id: UUID, centre_id: UUID) -> None:
        """Make an athlete no longer train at a centre; raise ``NotFound`` if they do not."""
        ids = {"id": athlete_id, "centre_id": centre_id}
        if await self._database.row(self.withdraw_statement(), ids) is None:
            raise NotFound("This athlete does not train at this centre.")

    async def _changed(self, fields: frozenset[str], values: Mapping[str, Any]) -> Resource | None:
        if "centre_ids" not in fields:
            changed = await super()._changed(fields, values)
            # Without a body it was not alone: see the statement.
            if changed and changed.body is None:
                return await self.get(changed.id)
            return changed

        async def change(unit: Unit) -> Resource | None:
            # Locked first: a statement that had to wait would replace the centres of before.
            if await unit.row(self.lock_statement(), values) is None:
                return None
            return await self._written_row(unit, self.update_statement(fields), values)

        return await self._database.transaction(change)

    @classmethod
    def filters(cls, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each filter that is given."""
        yield from super().filters(given)
        if "reference" in given:
            yield _ATHLETES.c.reference == sa.bindparam("reference")
        if "sex" in given:
            yield _ATHLETES.c.sex == sa.bindparam("sex")
        if "category_id" in given:
            yield _ATHLETES.c.category_id == sa.bindparam("category_id")
        if "centre_id" in given:
            enrolled = sa.select(_ENROLMENTS.c.athlete_id).where(
                _ENROLMENTS.c.centre_id == sa.bindparam("centre_id")
            )
            yield _among(_ATHLETES.c.id, enrolled)

    @classmethod
    @cache
    def insert_statement(cls) -> Statement:
        """Insert an athlete and their enrolments, and read the athlete."""
        athlete = cls.inserted()
        wanted = _wanted(athlete.c.id.label("athlete_id")).select_from(athlete)
        added = (
            sa.insert(_ENROLMENTS)
            .from_select(["athlete_id", "centre_id"], wanted)
            .returning(_ENROLMENTS.c.athlete_id, _ENROLMENTS.c.centre_id)
            .cte("added")
        )
        return Statement(Projection(cls.read, cls.row).each(athlete, {_ENROLMENTS: added}))

    @classmethod
    @lru_cache(maxsize=SHAPES)
    def update_statement(cls, fields: frozenset[str]) -> Statement:
        """Change the given fields of an athlete, and read the athlete.

        The body is null if others changed the athlete while this waited for them: it would show the
        centres of before. With ``centre_ids``, the athlete has to be locked.
        """
        if "centre_ids" not in fields:
            updated = cls.updated(fields)
            before = sa.select(_ATHLETES.c.version).where(_HAS_ID).scalar_subquery()
            counted = sa.case((updated.c.updated_at == sa.func.statement_timestamp(), 1), else_=0)
            read = Projection(cls.read, cls.row).each(updated)
            row_id, version, body = read.selected_columns
            alone = sa.case((version == before + counted, body)).label("body")
            return Statement(read.with_only_columns(row_id, version, alone))
        athlete_id = sa.bindparam("id", type_=sa.Uuid)
        wanted = _wanted(athlete_id.label("athlete_id")).cte("wanted")
        removed = (
            sa.delete(_ENROLMENTS)
            .where(
                _ENROLMENTS.c.athlete_id == athlete_id,
                _ENROLMENTS.c.centre_id.not_in(sa.select(wanted.c.centre_id)),
            )
            .returning(_ENROLMENTS.c.centre_id)
            .cte("removed")
        )
        added = _enrolling(sa.select(wanted)).cte("added")
        differs = [sa.exists().select_from(removed), sa.exists().select_from(added)]
        athlete = cls.updated(fields, *differs)
        return Statement(Projection(cls.read, cls.row).each(athlete, {_ENROLMENTS: wanted}))

    @classmethod
    @cache
    def lock_statement(cls) -> Statement:
        """Keep others from changing an athlete, if as expected, until the transaction ends."""
        return Statement(_locked(*as_expected(_ATHLETES)))

    @classmethod
    @cache
    def enrol_statement(cls) -> Statement:
        """Enrol an athlete at a centre, and tell whether each of them exists."""
        centres = table_of(CentresCRUD.row)
        athlete = _locked(_HAS_ID).cte("athlete")
        centre = (
            sa.select(centres.c.id).where(centres.c.id == sa.bindparam("centre_id")).cte("centre")
        )
        added = _enrolling(sa.select(athlete.c.id, centre.c.id)).cte("added")
        there = sa.select(sa.exists().select_from(athlete), sa.exists().select_from(centre))
        return Statement(there.add_cte(_raised_by(added)))

    @classmethod
    @cache
    def withdraw_statement(cls) -> Statement:
        """Remove an enrolment."""
        athlete = _locked(_HAS_ID).cte("athlete")
        removed = (
            sa.delete(_ENROLMENTS)
            .where(
                _ENROLMENTS.c.athlete_id == sa.select(athlete.c.id).scalar_subquery(),
                _ENROLMENTS.c.centre_id == sa.bindparam("centre_id"),
            )
            .returning(_ENROLMENTS.c.centre_id)
            .cte("removed")
        )
        return Statement(sa.select(removed.c.centre_id).add_cte(_raised_by(removed)))


def _among(row_id: sa.Column[UUID], enrolled: sa.Select[UUID]) -> sa.ColumnElement[bool]:
    """Match the rows of the enrolled, in a time that depends on how many those are.

    As ``IN``, it would be planned for the average: by looking at every row until enough match.
    """
    return row_id == sa.func.any(sa.func.array(enrolled.scalar_subquery()))


def _locked(*conditions: sa.ColumnElement[bool]) -> sa.Select[UUID]:
    """Select an athlete for change.

    Every change of enrolments begins here, so that two of one athlete take turns.
    """
    return sa.select(_ATHLETES.c.id).where(*conditions).with_for_update(key_share=True)


def _raised_by(change: sa.CTE) -> sa.CTE:
    """Raise the athlete's version if a change of enrolments has rows."""
    return (
        sa.update(_ATHLETES)
        .where(_HAS_ID, sa.exists().select_from(change))
        .values(one_change_more(_ATHLETES))
        .cte("raised")
    )


def _wanted(athlete_id: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Select the enrolments that a payload asks for, each once."""
    given = sa.bindparam("new_centre_ids", type_=ARRAY(sa.Uuid))
    return sa.select(athlete_id, sa.func.unnest(given).label("centre_id")).distinct()


def _enrolling(pairs: sa.Select[Any]) -> Any:
    """Insert those of the pairs that are new, and return their centres."""
    return (
        insert(_ENROLMENTS)
        .from_select(["athlete_id", "centre_id"], pairs)
        .on_conflict_do_nothing()
        .returning(_ENROLMENTS.c.centre_id)
    )
