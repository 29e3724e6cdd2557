"""The SQL of athletes and their enrolments."""

from collections.abc import Iterator, Mapping, Set
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from app.athletes.models import (
    MOST_CENTRES,
    Athlete,
    AthleteRead,
    AthleteSummary,
    AthleteTraining,
    Enrolment,
)
from app.athletes.rights import TRAINING
from app.centres.models import Centre, CentreRead
from app.core.db.journal import with_event_columns
from app.core.db.schema import table_of
from app.core.db.statements import Statement
from app.core.resources.projection import Links
from app.core.resources.queries import (
    REACH,
    REACH_ATHLETE,
    REACH_CENTRES,
    Compare,
    Queries,
    View,
    compiled_once,
    next_version,
)

_ATHLETES = table_of(Athlete)
_CENTRES = table_of(Centre)
_ENROLMENTS = table_of(Enrolment)
_HAS_ID = _ATHLETES.c.id == sa.bindparam("id")
SEEN = "seen_centres"
"""The filter of a list that leaves out enrolments which the caller does not see."""
WIDE_REACH = "wide_reach"
"""In place of ``REACH``, for many centres."""
_SEEN_CENTRES: sa.ColumnElement[Any] = sa.bindparam(SEEN, type_=ARRAY(sa.Uuid))
_FULL_CENTRES: sa.ColumnElement[Any] = sa.bindparam("full_centres", type_=ARRAY(sa.Uuid))
ONE: sa.ColumnElement[int] = sa.literal_column("1")


class CentresOfAthleteQueries(Queries):
    """Builds the list of the centres of one athlete."""

    def conditions(self, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each filter that is given."""
        yield from super().conditions(given)
        if "athlete_id" in given:
            of_athlete = _ENROLMENTS.c.athlete_id == sa.bindparam("athlete_id")
            yield _among(_CENTRES.c.id, sa.select(_ENROLMENTS.c.centre_id).where(of_athlete))
        if SEEN in given:
            yield _CENTRES.c.id == sa.func.any(_SEEN_CENTRES)


class AthleteQueries(Queries):
    """Builds the statements of athletes, whose enrolments are written with them."""

    def conditions(self, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each filter that is given."""
        yield from super().conditions(given - {REACH})
        if "centre_id" in given:
            at_centre = _ENROLMENTS.c.centre_id == sa.bindparam("centre_id")
            yield _among(_ATHLETES.c.id, sa.select(_ENROLMENTS.c.athlete_id).where(at_centre))
        if WIDE_REACH in given:
            # A subquery that the planner does not turn into a join: it is checked row by row, in
            # the order of the list, until the page is full.
            enrolled = sa.select(sa.true()).where(_enrolled_at(REACH_CENTRES)).limit(ONE)
            own = _ATHLETES.c.id == REACH_ATHLETE
            yield sa.or_(own, enrolled.correlate(_ATHLETES).scalar_subquery())
        elif REACH in given:
            within = _ENROLMENTS.c.centre_id == sa.func.any(REACH_CENTRES)
            themselves = sa.select(REACH_ATHLETE.label("athlete_id"))
            enrolments = sa.select(_ENROLMENTS.c.athlete_id).where(within)
            yield _among(_ATHLETES.c.id, enrolments.union_all(themselves))

    def within_reach(self) -> sa.ColumnElement[bool]:
        """Return the condition for athletes at centres within reach, and for the caller."""
        enrolled = sa.exists().where(_enrolled_at(REACH_CENTRES))
        return sa.or_(_ATHLETES.c.id == REACH_ATHLETE, enrolled)

    def belongs(self, source: sa.FromClause) -> Mapping[str, sa.ColumnElement[Any]]:
        """Return the centres of an athlete, and the athlete."""
        enrolled = sa.select(_ENROLMENTS.c.centre_id).where(_ENROLMENTS.c.athlete_id == source.c.id)
        return {
            "centres": sa.func.array(enrolled.correlate(source).scalar_subquery()),
            "athlete_id": source.c.id,
        }

    def may_delete(self) -> sa.ColumnElement[bool]:
        """Return the condition for athletes whose centres are all within reach."""
        elsewhere = sa.exists().where(
            _ENROLMENTS.c.athlete_id == _ATHLETES.c.id, _is_beyond_reach(_ENROLMENTS)
        )
        return sa.and_(self.may_change(), ~elsewhere)

    def links(self, filters: Set[str]) -> Links | None:
        """Return the enrolments that the caller sees, of athletes in a list.

        These are the ones at centres where the caller has a role, and all of an athlete in full
        view.
        """
        if SEEN not in filters:
            return None
        full = _ENROLMENTS.alias("full")
        in_full_view = sa.exists().where(
            full.c.athlete_id == _ENROLMENTS.c.athlete_id,
            (full.c.centre_id == sa.func.any(_FULL_CENTRES)).is_(sa.true()),
        )
        is_seen = sa.or_(
            _ENROLMENTS.c.centre_id == sa.func.any(_SEEN_CENTRES),
            _ENROLMENTS.c.athlete_id == REACH_ATHLETE,
            in_full_view,
        )
        return {_ENROLMENTS: sa.select(_ENROLMENTS).where(is_seen).subquery("seen")}

    def counted(self, filters: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the conditions of the rows to count: for many centres, not row by row."""
        return self.conditions(filters - {WIDE_REACH})

    @compiled_once
    def find_query(self, column: str) -> Statement:
        """Read the athlete with a value in a unique column."""
        return self.read_query(_ATHLETES.c[column] == sa.bindparam(column))

    @compiled_once
    def lock_named_query(self) -> Statement:
        """Lock the athlete ``athlete_id`` against erasure and deletion: ``category_id, erased_at``.

        The athlete is within the reach of what the caller sees.
        """
        wanted = _ATHLETES.c.id == sa.bindparam("athlete_id", type_=sa.Uuid), self.may_change()
        columns = _ATHLETES.c.category_id, _ATHLETES.c.erased_at
        locked = sa.select(*columns).where(*wanted)
        return Statement(locked.with_for_update(read=True, key_share=True))

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
        # The caller does not replace enrolments at centres beyond their reach.
        kept = sa.select(_ENROLMENTS.c.athlete_id, _ENROLMENTS.c.centre_id).where(
            _ENROLMENTS.c.athlete_id == athlete_id, _is_beyond_reach(_ENROLMENTS)
        )
        wanted = _wanted_query(athlete_id.label("athlete_id")).union(kept).cte("wanted")
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
    def beyond_reach_query(self) -> Statement:
        """Return how many enrolments are beyond reach, and the new centres that are so."""
        ours = _ENROLMENTS.c.athlete_id == sa.bindparam("id")
        kept = sa.select(sa.func.count()).where(ours, _is_beyond_reach(_ENROLMENTS))
        given = sa.bindparam("new_centre_ids", type_=ARRAY(sa.Uuid))
        new = sa.select(_CENTRES.c.id).where(
            _CENTRES.c.id == sa.func.any(given),
            _CENTRES.c.id != sa.func.all(REACH_CENTRES),
            _CENTRES.c.id.not_in(sa.select(_ENROLMENTS.c.centre_id).where(ours)),
        )
        return Statement(
            sa.select(
                kept.scalar_subquery().label("kept"),
                sa.func.array(new.scalar_subquery()).label("new"),
            )
        )

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
    views={TRAINING: View(AthleteTraining, AthleteSummary)},
    athlete="id",
)
CENTRES_OF_ATHLETE_QUERIES = CentresOfAthleteQueries(Centre, CentreRead)


def _enrolled_at(centre_ids: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Match the enrolments of an athlete at some centres.

    With ``IS TRUE``, the index of the athlete's enrolments is used: they are few, and the centres
    may be many.
    """
    at_one = _ENROLMENTS.c.centre_id == sa.func.any(centre_ids)
    return sa.and_(_ENROLMENTS.c.athlete_id == _ATHLETES.c.id, at_one.is_(sa.true()))


def _is_beyond_reach(enrolments: sa.FromClause) -> sa.ColumnElement[bool]:
    """Match enrolments at centres for which the caller lacks the right."""
    return sa.and_(
        ~sa.bindparam("reach_all", type_=sa.Boolean),
        enrolments.c.centre_id != sa.func.all(REACH_CENTRES),
    )


def _among(
    row_id: sa.Column[UUID], enrolled: sa.Select[UUID] | sa.CompoundSelect[UUID]
) -> sa.ColumnElement[bool]:
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
