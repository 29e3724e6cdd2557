"""The SQL of trainings and bookings. The statements that lock rows first are in ``seats``."""

import operator
from collections.abc import Iterator, Mapping, Set
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import array
from sqlmodel.sql.sqltypes import UTCDateTime

from app.core.db.journal import with_event_columns
from app.core.db.schema import CALLER_HOLDS, NOW, interval
from app.core.db.statements import Statement
from app.core.resources.queries import (
    REACH_ATHLETE,
    REACH_CENTRES,
    REACH_TODAY,
    Compare,
    Queries,
    View,
    compiled_once,
    next_version,
)
from app.trainings import rights, seats
from app.trainings.models import (
    Booking,
    BookingRead,
    BookingStatus,
    Training,
    TrainingRead,
    TrainingSummary,
)
from app.trainings.seats import (
    ATHLETES,
    BOOKINGS,
    CANCELLED,
    CENTRES,
    CHECK_IN_INTERVAL,
    CHECKED_IN,
    NONE,
    ONE,
    RESERVED,
    SCHEDULED,
    TRAININGS,
)

_BOOKING_ID = sa.bindparam("id", type_=sa.Uuid)
_TRAINING_ID = sa.bindparam("training_id", type_=sa.Uuid)
_ATHLETE_ID = sa.bindparam("athlete_id", type_=sa.Uuid)
_CHECKED_IN_AT = sa.bindparam("checked_in_at", type_=UTCDateTime())
_GIVEN_TIME = sa.bindparam("now", type_=UTCDateTime())
_NO_CENTRES: sa.ColumnElement[Any] = sa.literal_column("'{}'::uuid[]")


class TrainingQueries(Queries):
    """Builds the statements of trainings."""

    def conditions(self, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each filter that is given."""
        yield from super().conditions(given)
        if "available" in given:
            yield TRAININGS.c.status == SCHEDULED
            yield TRAININGS.c.taken < TRAININGS.c.capacity
            yield TRAININGS.c.starts_at > NOW

    @compiled_once
    def cancel_query(self) -> Statement:
        """Cancel a locked training and its bookings, and read the training."""
        training_id = sa.bindparam("id", type_=sa.Uuid)
        bookings = (
            sa.update(BOOKINGS)
            .where(BOOKINGS.c.training_id == training_id, BOOKINGS.c.status != CANCELLED)
            .values(
                {
                    BOOKINGS.c.status: CANCELLED,
                    BOOKINGS.c.cancelled_at: _GIVEN_TIME,
                    **next_version(BOOKINGS),
                }
            )
            .returning(*with_event_columns(BOOKINGS, [BOOKINGS.c.training_id]))
            .cte("bookings_of_it")
        )
        training = (
            sa.update(TRAININGS)
            .where(TRAININGS.c.id == training_id)
            .values(
                {
                    TRAININGS.c.status: CANCELLED,
                    TRAININGS.c.taken: NONE,
                    TRAININGS.c.waiting: NONE,
                    TRAININGS.c.over: NONE,
                    **next_version(TRAININGS),
                }
            )
            .returning(*with_event_columns(TRAININGS, self.projection.columns))
            .cte("training")
        )
        events = (
            self.event_cte(training, "cancelled", changed=["status"]),
            seats.booking_event_cte(bookings, "cancelled", "status", "cancelled_at"),
        )
        return Statement(self.projection.each(training).add_cte(bookings, *events))

    @compiled_once
    def promote_query(self) -> Statement:
        """Give the free seats of a locked training to its waitlist; return how many it takes."""
        served, *others = seats.queue_served_ctes(_BOOKING_ID, NONE)
        return Statement(sa.select(seats.number_of(served)).add_cte(served, *others))


class BookingQueries(Queries):
    """Builds the statements of bookings."""

    def within_reach(self) -> sa.ColumnElement[bool]:
        """Return the condition for bookings at centres within reach, or of the caller."""
        centre_id = _centre_of(BOOKINGS, TRAININGS.c.centre_id)
        return sa.or_(
            BOOKINGS.c.athlete_id == REACH_ATHLETE,
            centre_id == sa.func.any(REACH_CENTRES),
            sa.and_(centre_id == sa.func.any(REACH_TODAY), _is_today(BOOKINGS)),
        )

    def belongs(self, source: sa.FromClause) -> Mapping[str, sa.ColumnElement[Any]]:
        """Return the centre of a booking's training, and its athlete."""
        centres = array([_centre_of(source, TRAININGS.c.centre_id)])
        return {
            "centres": centres,
            "athlete_id": source.c.athlete_id,
            "today": sa.case((_is_today(source), centres), else_=_NO_CENTRES),
        }

    @compiled_once
    def book_query(self, status: BookingStatus) -> Statement:
        """Book a place in the waitlist, or a seat, and read the booking.

        No seat is booked if the athlete has one in a training that overlaps. A ``checked_in``
        booking needs the time of the check-in.
        """
        seat = status != "waitlisted"
        # Even if the clock is set back, ``booked_at`` increases: it is the order of the waitlist.
        newest = sa.select(sa.func.max(BOOKINGS.c.booked_at)).where(
            BOOKINGS.c.training_id == _TRAINING_ID
        )
        later = newest.scalar_subquery() + sa.literal_column("interval '1 microsecond'")
        booked: dict[sa.Column[Any], Any] = {
            BOOKINGS.c.id: _BOOKING_ID,
            BOOKINGS.c.training_id: TRAININGS.c.id,
            BOOKINGS.c.athlete_id: _ATHLETE_ID,
            BOOKINGS.c.starts_at: TRAININGS.c.starts_at,
            BOOKINGS.c.ends_at: TRAININGS.c.ends_at,
            BOOKINGS.c.status: sa.literal_column(f"'{status}'"),
            BOOKINGS.c.booked_at: sa.func.greatest(_GIVEN_TIME, later),
        }
        if status == "checked_in":
            booked[BOOKINGS.c.checked_in_at] = _CHECKED_IN_AT
        row = sa.select(*booked.values()).where(TRAININGS.c.id == _TRAINING_ID)
        if seat:
            others, keep = seats.seats_meanwhile(
                _ATHLETE_ID, _TRAINING_ID, TRAININGS.c.starts_at, TRAININGS.c.ends_at
            )
            row = row.where(~sa.select(others.c.id).where(keep).correlate(TRAININGS).exists())
        made = (
            sa.insert(BOOKINGS)
            .from_select(list(booked), row)
            .returning(*with_event_columns(BOOKINGS, self.projection.columns))
            .cte("made")
        )
        number = seats.number_of(made)
        counted = seats.counted_cte(
            _TRAINING_ID, number if seat else NONE, NONE if seat else number
        )
        event = seats.booking_event_cte(made, "created")
        return Statement(self.projection.each(made).add_cte(counted, event))

    @compiled_once
    def seat_waiting_query(self) -> Statement:
        """Check in an athlete ``id`` of a started training who waited, and read the booking.

        Nothing changes if the athlete has a seat in a training that overlaps.
        """
        others, keep = seats.seats_meanwhile(
            BOOKINGS.c.athlete_id, BOOKINGS.c.training_id, BOOKINGS.c.starts_at, BOOKINGS.c.ends_at
        )
        values = {BOOKINGS.c.status: CHECKED_IN, BOOKINGS.c.checked_in_at: _CHECKED_IN_AT}
        is_free = ~sa.select(others.c.id).where(keep).correlate(BOOKINGS).exists()
        read = self._changed_query(values, "checked_in", seats.waitlisted(BOOKINGS), is_free)
        return Statement(read.add_cte(seats.counted_cte(_TRAINING_ID, ONE, -ONE)))

    @compiled_once
    def active_query(self) -> Statement:
        """Find an athlete's active booking of a training: one that is not cancelled."""
        return Statement(
            sa.select(BOOKINGS.c.id, BOOKINGS.c.status).where(
                BOOKINGS.c.training_id == _TRAINING_ID,
                BOOKINGS.c.athlete_id == _ATHLETE_ID,
                BOOKINGS.c.cancelled_at.is_(None),
            )
        )

    @compiled_once
    def other_query(self) -> Statement:
        """Find the first training that overlaps another one, and where an athlete has a seat."""
        this, other = TRAININGS.alias("this"), TRAININGS.alias("other")
        others, keep = seats.seats_meanwhile(
            sa.bindparam("athlete_id"), this.c.id, this.c.starts_at, this.c.ends_at
        )
        return Statement(
            sa.select(
                other.c.id, other.c.name, other.c.starts_at, other.c.ends_at, other.c.centre_id
            )
            .where(
                this.c.id == sa.bindparam("training_id"), keep, other.c.id == others.c.training_id
            )
            .order_by(other.c.starts_at)
            .limit(ONE)
        )

    @compiled_once
    def cancel_query(self, *, seat: bool, late: bool = False) -> Statement:
        """Cancel a booking; if it holds a ``seat``, give that to the waitlist."""
        values: dict[sa.Column[Any], sa.ColumnElement[Any]] = {
            BOOKINGS.c.status: CANCELLED,
            BOOKINGS.c.cancelled_at: _GIVEN_TIME,
        }
        if late:
            values[BOOKINGS.c.late] = sa.true()
        read = self._changed_query(values, "cancelled")
        if not seat:
            return Statement(read.add_cte(seats.counted_cte(_TRAINING_ID, NONE, -ONE)))
        return Statement(read.add_cte(*seats.queue_served_ctes(_TRAINING_ID, ONE)))

    @compiled_once
    def undo_check_in_query(self) -> Statement:
        """Undo the check-in of a locked booking, which keeps its seat."""
        values = {
            BOOKINGS.c.status: RESERVED,
            BOOKINGS.c.checked_in_at: sa.null(),
            BOOKINGS.c.checked_out_at: sa.null(),
        }
        return Statement(self._changed_query(values, "check_in_undone"))

    @compiled_once
    def terms_query(self) -> Statement:
        """Read the rules of the centre of a training: ``opens_at, late_from``, null for none."""
        local = sa.func.timezone(CENTRES.c.time_zone, TRAININGS.c.starts_at)
        days = sa.func.make_interval(NONE, NONE, NONE, CENTRES.c.booking_window_days)
        minutes = sa.func.make_interval(NONE, NONE, NONE, NONE, NONE, CENTRES.c.late_cancel_minutes)
        return Statement(
            sa.select(
                sa.func.timezone(CENTRES.c.time_zone, local - days, type_=UTCDateTime()).label(
                    "opens_at"
                ),
                (TRAININGS.c.starts_at - minutes).label("late_from"),
            )
            .join(CENTRES, CENTRES.c.id == TRAININGS.c.centre_id)
            .where(TRAININGS.c.id == _TRAINING_ID)
        )

    @compiled_once
    def at_door_query(self) -> Statement:
        """Find the athlete with a ``reference``, and their active booking of a training."""
        booking = sa.and_(
            BOOKINGS.c.athlete_id == ATHLETES.c.id,
            BOOKINGS.c.training_id == _TRAINING_ID,
            BOOKINGS.c.cancelled_at.is_(None),
        )
        return Statement(
            sa.select(ATHLETES.c.id.label("athlete_id"), BOOKINGS.c.id, BOOKINGS.c.status)
            .outerjoin(BOOKINGS, booking)
            .where(ATHLETES.c.reference == sa.bindparam("reference"))
        )

    @compiled_once
    def door_query(self) -> Statement:
        """Read of a training what a check-in at the door depends on, and whether it is today."""
        columns = TRAININGS.c.centre_id, TRAININGS.c.starts_at, TRAININGS.c.ends_at
        door = (
            sa.select(TRAININGS.c.id.label("training_id"), *columns)
            .where(TRAININGS.c.id == _TRAINING_ID)
            .subquery("door")
        )
        return Statement(sa.select(door, _is_today(door).label("is_today"), NOW.label("now")))

    @compiled_once
    def note_query(self, column: str) -> Statement:
        """Write ``now`` to a column of a booking, if the booking's state allows it."""
        now = sa.func.coalesce(_GIVEN_TIME, NOW)
        may_be_noted = {
            "checked_in_at": sa.and_(
                BOOKINGS.c.status == RESERVED,
                now >= BOOKINGS.c.starts_at - CHECK_IN_INTERVAL,
                now < BOOKINGS.c.ends_at,
            ),
            "checked_out_at": sa.and_(
                BOOKINGS.c.status == CHECKED_IN, BOOKINGS.c.checked_out_at.is_(None)
            ),
        }
        # A check-out is never before the check-in, even if the clock is set back.
        noted = sa.func.greatest(now, BOOKINGS.c.checked_in_at)
        checks_in = column == "checked_in_at"
        values: dict[sa.Column[Any], sa.ColumnElement[Any]] = {BOOKINGS.c[column]: noted}
        if checks_in:
            values[BOOKINGS.c.status] = CHECKED_IN
        verb = "checked_in" if checks_in else "checked_out"
        conditions = may_be_noted[column], CALLER_HOLDS, self.may_change()
        return Statement(self._changed_query(values, verb, *conditions))

    def _changed_query(
        self,
        values: dict[sa.Column[Any], sa.ColumnElement[Any]],
        verb: str,
        *conditions: sa.ColumnElement[bool],
    ) -> sa.Select[Any, Any, str]:
        """Change a booking, add an event about it, and read it."""
        changed = (
            sa.update(BOOKINGS)
            .where(BOOKINGS.c.id == sa.bindparam("id"), *conditions)
            .values({**values, **next_version(BOOKINGS)})
            .returning(*with_event_columns(BOOKINGS, self.projection.columns))
            .cte("changed")
        )
        event = seats.booking_event_cte(changed, verb, *sorted(column.name for column in values))
        return self.projection.each(changed).add_cte(event)


def _centre_of(bookings: sa.FromClause, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return a column of the training of a booking, or of its centre."""
    training = TRAININGS.alias("training")
    centre = CENTRES.alias("centre")
    of = {TRAININGS: training, CENTRES: centre}[column.table]
    joined = (
        training
        if column.table is TRAININGS
        else training.join(centre, centre.c.id == training.c.centre_id)
    )
    return (
        sa.select(of.c[column.name])
        .select_from(joined)
        .where(training.c.id == bookings.c.training_id)
        .correlate(bookings)
        .scalar_subquery()
    )


def _is_today(bookings: sa.FromClause) -> sa.ColumnElement[bool]:
    """Match bookings of trainings of today, in the zone of the centre, an hour more on each side.

    So a device checks in before a training that starts at midnight, and out after one that ends
    then.
    """
    zone = _centre_of(bookings, CENTRES.c.time_zone)
    day = sa.func.date_trunc(sa.literal_column("'day'"), sa.func.timezone(zone, NOW))
    begins = sa.func.timezone(zone, day) - CHECK_IN_INTERVAL
    ends = sa.func.timezone(zone, day + interval(timedelta(days=1))) + CHECK_IN_INTERVAL
    return sa.and_(bookings.c.ends_at > begins, bookings.c.starts_at < ends)


def _schedule_of(table: sa.Table) -> dict[str, Compare]:
    """Return the filters by the start of trainings."""
    return {
        "from_": Compare(table.c.starts_at, operator.ge),
        "to": Compare(table.c.starts_at, operator.lt),
    }


TRAINING_QUERIES = TrainingQueries(
    Training,
    TrainingRead,
    TrainingSummary,
    views={rights.PUBLIC: View(TrainingSummary, TrainingSummary)},
    sorts={"starts_at": "starts_at"},
    filters={
        **_schedule_of(TRAININGS),
        "centre_id": Compare(TRAININGS.c.centre_id),
        "status": Compare(TRAININGS.c.status),
    },
    centre="centre_id",
)
BOOKING_QUERIES = BookingQueries(
    Booking,
    BookingRead,
    sorts={"booked_at": "booked_at", "starts_at": "starts_at"},
    filters={
        **_schedule_of(BOOKINGS),
        "training_id": Compare(BOOKINGS.c.training_id),
        "athlete_id": Compare(BOOKINGS.c.athlete_id),
        "status": Compare(BOOKINGS.c.status),
    },
)
