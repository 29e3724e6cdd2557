"""The SQL of athletes and their enrolments."""

from collections.abc import Iterator, Set
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from app.athletes.models import (
    MOST_CENTRES,
    Athlete,
    AthleteRead,
    AthleteSummary,
    Enrolment,
)
from app.centres.models import Centre, CentreRead
from app.core.db.journal import with_event_columns
from app.core.db.schema import table_of
from app.core.db.statements import Statement
from app.core.resources.queries import (
    Compare,
    Queries,
    compiled_once,
    next_version,
)

_ATHLETES = table_of(Athlete)
_CENTRES = table_of(Centre)
_ENROLMENTS = table_of(Enrolment)
_HAS_ID = _ATHLETES.c.id == sa.bindparam("id")


class CentresOfAthleteQueries(Queries):
    """Builds the list of the centres of one athlete."""

    def conditions(self, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each filter that is given."""
        yield from super().conditions(given)
        if "athlete_id" in given:
            of_athlete = _ENROLMENTS.c.athlete_id == sa.bindparam("athlete_id")
            yield _among(_CENTRES.c.id, sa.select(_ENROLMENTS.c.centre_id).where(of_athlete))


class AthleteQueries(Queries):
    """Builds the statements of athletes, whose enrolments are written with them."""

    def conditions(self, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each filter that is given."""
        yield from super().conditions(given)
        if "centre_id" in given:
            at_centre = _ENROLMENTS.c.centre_id == sa.bindparam("centre_id")
            yield _among(_ATHLETES.c.id, sa.select(_ENROLMENTS.c.athlete_id).where(at_centre))

    @compiled_once
    def find_query(self, column: str) -> Statement:
        """Read the athlete with a value in a unique column."""
        return self.read_query(_ATHLETES.c[column] == sa.bindparam(column))

    @compiled_once
    def insert_query(self) -> Statement:
        """Insert an athlete and their enrolments, and read the athlete."""
        athlete = self.inserted_cte()
        wanted = _wanted_query(athlete.c.id.label("athlete_id")).select_from(athlete)
        added = (
            sa.insert(_ENROLMENTS)
            .from_select(["athlete_id", "centre_id"], wanted)
            .returning(_ENROLMENTS.c.athlete_id, _ENROLMENTS.c.centre_id)
            .cte("added")
        )
        event = self.event_cte(athlete, "created", centre_ids=_array(sa.select(added.c.centre_id)))
        return Statement(self.projection.each(athlete, {_ENROLMENTS: added}).add_cte(event))

    @compiled_once
    def update_query(self, fields: frozenset[str]) -> Statement:
        """Change the given fields of an athlete, and read the athlete.

        With ``centre_ids``, the athlete must be locked.
        """
        if "centre_ids" not in fields:
            return super().update_query(fields)
        athlete_id = sa.bindparam("id", type_=sa.Uuid)
        wanted = _wanted_query(athlete_id.label("athlete_id")).cte("wanted")
        removed = (
            sa.delete(_ENROLMENTS)
            .where(
                _ENROLMENTS.c.athlete_id == athlete_id,
                _ENROLMENTS.c.centre_id.not_in(sa.select(wanted.c.centre_id)),
            )
            .returning(_ENROLMENTS.c.centre_id)
            .cte("removed")
        )
        added = _enrolled_cte(sa.select(wanted))
        replaced = sa.or_(sa.exists().select_from(removed), sa.exists().select_from(added))
        athlete = self.updated_cte(fields, {"centre_ids": replaced})
        centre_ids = _array(_centres_before(athlete_id).union(sa.select(wanted.c.centre_id)))
        event = self.updated_event_cte(athlete, centre_ids=centre_ids)
        return Statement(self.projection.each(athlete, {_ENROLMENTS: wanted}).add_cte(event))

    def event_centres(self, source: sa.CTE) -> sa.ColumnElement[Any]:
        """Return the centres of athletes as they were before the statement."""
        return _array(_centres_before(source.c.id))

    @compiled_once
    def enrol_query(self) -> Statement:
        """Enrol an athlete at a centre: whether each of them exists, and ``has_room`` for it.

        Requests at the same time do not count the enrolments of each other, so an athlete may get
        a few more than ``MOST_CENTRES``.
        """
        athlete = _locked_query(_HAS_ID).cte("athlete")
        centre = (
            sa.select(_CENTRES.c.id).where(_CENTRES.c.id == sa.bindparam("centre_id")).cte("centre")
        )
        others = sa.select(sa.func.count()).where(
            _ENROLMENTS.c.athlete_id == sa.bindparam("id"),
            _ENROLMENTS.c.centre_id != sa.bindparam("centre_id"),
        )
        has_room = others.scalar_subquery() < sa.literal_column(str(MOST_CENTRES))
        added = _enrolled_cte(sa.select(athlete.c.id, centre.c.id).where(has_room))
        there = sa.select(
            sa.exists().select_from(athlete),
            sa.exists().select_from(centre),
            has_room.label("has_room"),
        )
        raised = _raised_cte(added)
        centre_ids = _centres_before(raised.c.id).union(sa.select(added.c.centre_id))
        return Statement(there.add_cte(raised, self._moved_cte(raised, "enrolled", centre_ids)))

    @compiled_once
    def withdraw_query(self) -> Statement:
        """Delete an enrolment."""
        athlete = _locked_query(_HAS_ID).cte("athlete")
        removed = (
            sa.delete(_ENROLMENTS)
            .where(
                _ENROLMENTS.c.athlete_id == sa.select(athlete.c.id).scalar_subquery(),
                _ENROLMENTS.c.centre_id == sa.bindparam("centre_id"),
            )
            .returning(_ENROLMENTS.c.centre_id)
            .cte("removed")
        )
        raised = _raised_cte(removed)
        event = self._moved_cte(raised, "withdrawn", _centres_before(raised.c.id))
        return Statement(sa.select(removed.c.centre_id).add_cte(raised, event))

    def _moved_cte(self, raised: sa.CTE, verb: str, centre_ids: sa.SelectBase) -> sa.CTE:
        return self.event_cte(raised, verb, changed=["centre_ids"], centre_ids=_array(centre_ids))


ATHLETE_QUERIES = AthleteQueries(
    Athlete,
    AthleteRead,
    AthleteSummary,
    filters={
        "reference": Compare(_ATHLETES.c.reference),
        "sex": Compare(_ATHLETES.c.sex),
        "category_id": Compare(_ATHLETES.c.category_id),
    },
    athlete="id",
)
CENTRES_OF_ATHLETE_QUERIES = CentresOfAthleteQueries(Centre, CentreRead)


def _among(row_id: sa.Column[UUID], enrolled: sa.Select[UUID]) -> sa.ColumnElement[bool]:
    """Match rows by the ids of enrolments, in a time that depends on the number of those ids.

    ``= ANY (ARRAY(...))`` and not ``IN``, which PostgreSQL plans for an average number of ids: it
    would scan all rows until enough match.
    """
    return row_id == sa.func.any(sa.func.array(enrolled.scalar_subquery()))


def _centres_before(athlete_id: sa.ColumnElement[Any]) -> sa.Select[UUID]:
    """Select the centres of an athlete as they were before the statement."""
    return sa.select(_ENROLMENTS.c.centre_id).where(_ENROLMENTS.c.athlete_id == athlete_id)


def _array(ids: sa.SelectBase) -> sa.ColumnElement[Any]:
    return sa.func.array(ids.scalar_subquery(), type_=ARRAY(sa.Uuid))


def _locked_query(*conditions: sa.ColumnElement[bool]) -> sa.Select[UUID]:
    """Select an athlete for update.

    Every change of enrolments begins with this lock, so that changes of one athlete queue.
    """
    return sa.select(_ATHLETES.c.id).where(*conditions).with_for_update(key_share=True)


def _raised_cte(change: sa.CTE) -> sa.CTE:
    """Increment the athlete's version if a change of enrolments has rows."""
    return (
        sa.update(_ATHLETES)
        .where(_HAS_ID, sa.exists().select_from(change))
        .values(next_version(_ATHLETES))
        .returning(*with_event_columns(_ATHLETES, ()))
        .cte("raised")
    )


def _wanted_query(athlete_id: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Select the enrolments that a payload asks for, without duplicates."""
    given = sa.bindparam("new_centre_ids", type_=ARRAY(sa.Uuid))
    return sa.select(athlete_id, sa.func.unnest(given).label("centre_id")).distinct()


def _enrolled_cte(pairs: sa.Select[Any]) -> sa.CTE:
    """Insert the pairs that do not exist yet, and return their centres."""
    return (
        insert(_ENROLMENTS)
        .from_select(["athlete_id", "centre_id"], pairs)
        .on_conflict_do_nothing()
        .returning(_ENROLMENTS.c.centre_id)
        .cte("added")
    )
