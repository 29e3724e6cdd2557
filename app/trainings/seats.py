"""Seats: who takes turns for them, who gets them, and who is kept from one by another.

**The order of locks.** Whoever needs several of these locks takes them in this order, so that
nobody waits in a circle:

1. the centres, by id: to schedule, move or resize a training there, or to change what they hold.
   The trigger that adds up the trainings of a centre locks it too; a new training is nobody
   else's yet, so there the centre is the first.
2. the training: to change its seats, that is all bookings of it but for checking in and out.
3. the athletes, by id: to give one a seat, here or elsewhere. That is who books, or all who wait
   where a seat has become free.
4. a booking: to check in or out, which needs nothing else.

One case is left to PostgreSQL, which ends a circle, and to ``Database``, which runs the loser
again: who changes a training that another one moves elsewhere meanwhile has locked the centre that
it was at.

**What a lock is good for.** A statement that had to wait goes on with what it saw before. So locks
are taken by statements of their own, and what they protect is read by the next one. What time it
is then, ``now``, is read after the last wait, and is when all of the change happened.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from app.athletes.models import Athlete
from app.centres.models import Centre
from app.core.db.schema import table_of
from app.core.db.statements import Statement
from app.core.resources.queries import as_expected, next_version
from app.trainings.models import LONGEST, Booking, Training

ATHLETES, CENTRES = table_of(Athlete), table_of(Centre)
BOOKINGS, TRAININGS = table_of(Booking), table_of(Training)


def _constant(text: str) -> sa.ColumnElement[Any]:
    """Write a constant into the text of a statement: a plan is made for its value then."""
    return sa.literal_column(text)


CHECK_IN_BEFORE = timedelta(minutes=60)
"""How long before the start one can check in."""
SEATED = "reserved", "checked_in"
"""The states of a booking with a seat."""
RESERVED, WAITLISTED, CHECKED_IN, CANCELLED, SCHEDULED = (
    _constant(f"'{status}'")
    for status in ("reserved", "waitlisted", "checked_in", "cancelled", "scheduled")
)
NONE, ONE = _constant("0"), _constant("1")
LONGEST_TRAINING = _constant(f"interval '{LONGEST}'")
CHECK_IN_INTERVAL = _constant(f"interval '{CHECK_IN_BEFORE}'")


def seated(bookings: sa.FromClause) -> sa.ColumnElement[bool]:
    """Match bookings that have a seat."""
    return bookings.c.status.in_([RESERVED, CHECKED_IN])


def waitlisted(bookings: sa.FromClause) -> sa.ColumnElement[bool]:
    """Match bookings that wait for a seat."""
    return bookings.c.status == WAITLISTED


def seats_meanwhile(
    athlete_id: sa.ColumnElement[object],
    training_id: sa.ColumnElement[object],
    starts_at: sa.ColumnElement[object],
    ends_at: sa.ColumnElement[object],
) -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
    """Return bookings, and what matches those that keep an athlete from a training."""
    others = BOOKINGS.alias("others")
    return others, sa.and_(
        others.c.athlete_id == athlete_id,
        others.c.training_id != training_id,
        seated(others),
        others.c.starts_at < ends_at,
        others.c.ends_at > starts_at,
        # It follows from the two before, and bounds what is looked at in the index.
        others.c.starts_at > starts_at - LONGEST_TRAINING,
    )


def promoted_cte(training_id: sa.ColumnElement[object], free: sa.ColumnElement[int]) -> sa.CTE:
    """Give so many seats to the longest waiting whom no other training keeps.

    The training and all who wait have to be locked.
    """
    # Sorted by itself, so that only the first of a long line are looked at until there are enough.
    line = (
        sa.select(BOOKINGS)
        .where(BOOKINGS.c.training_id == training_id, waitlisted(BOOKINGS))
        .order_by(BOOKINGS.c.booked_at)
        .offset(NONE)
        .subquery("line")
    )
    others, keep = seats_meanwhile(
        line.c.athlete_id, line.c.training_id, line.c.starts_at, line.c.ends_at
    )
    first = (
        sa.select(line.c.id)
        .where(~sa.select(others.c.id).where(keep).correlate(line).exists())
        .order_by(line.c.booked_at)
        .limit(free)
    )
    return (
        sa.update(BOOKINGS)
        .where(BOOKINGS.c.id.in_(first))
        .values({BOOKINGS.c.status: RESERVED, **next_version(BOOKINGS)})
        .returning(BOOKINGS.c.id)
        .cte("promoted")
    )


def counted_cte(
    training_id: sa.ColumnElement[object],
    taken: sa.ColumnElement[int],
    waiting: sa.ColumnElement[int],
) -> sa.CTE:
    """Add to the numbers of seats that are taken in a training, and of those who wait."""
    return (
        sa.update(TRAININGS)
        .where(TRAININGS.c.id == training_id)
        .values(taken=TRAININGS.c.taken + taken, waiting=TRAININGS.c.waiting + waiting)
        .cte("counted")
    )


def queue_served_ctes(
    training_id: sa.ColumnElement[object], freed: sa.ColumnElement[int]
) -> list[sa.CTE]:
    """Give free seats to those who wait, and count; the same statement frees so many of them."""
    free = sa.select(TRAININGS.c.capacity - TRAININGS.c.taken + freed).where(
        TRAININGS.c.id == training_id
    )
    served = promoted_cte(training_id, free.scalar_subquery())
    number = number_of(served)
    return [served, counted_cte(training_id, number - freed, -number)]


def number_of(rows: sa.CTE) -> sa.ColumnElement[int]:
    """Count rows."""
    return sa.select(sa.func.count()).select_from(rows).scalar_subquery()


@cache
def lock_training_query() -> Statement:
    """Lock a training of an ``id``, if as ``expected``."""
    return _locking_query(*as_expected(TRAININGS))


@cache
def lock_training_at_centres_query() -> Statement:
    """Lock a training of an ``id``, if as ``expected``, after its centre and ``centre_id``."""
    current = sa.select(TRAININGS.c.centre_id).where(TRAININGS.c.id == sa.bindparam("id"))
    new = sa.select(sa.bindparam("centre_id", type_=sa.Uuid))
    centres = (
        sa.select(CENTRES.c.id)
        .where(CENTRES.c.id.in_(sa.union_all(current, new)))
        .order_by(CENTRES.c.id)
        .with_for_update(key_share=True)
        .cte("locked_centres")
    )
    return _locking_query(*as_expected(TRAININGS), number_of(centres) > 0)


@cache
def lock_training_of_booking_query() -> Statement:
    """Lock the training of a booking of an ``id``."""
    of_booking = sa.select(BOOKINGS.c.training_id).where(BOOKINGS.c.id == sa.bindparam("id"))
    return _locking_query(TRAININGS.c.id == of_booking.scalar_subquery())


@cache
def lock_training_and_athlete_query() -> Statement:
    """Lock a training of a ``training_id``, and then the athlete of an ``athlete_id``.

    ``athlete`` is null in the row if there is none.
    """
    training = _locked_training_cte(TRAININGS.c.id == sa.bindparam("training_id"))
    athlete = (
        sa.select(ATHLETES.c.id)
        .where(ATHLETES.c.id == sa.bindparam("athlete_id"), sa.exists().select_from(training))
        .with_for_update(key_share=True)
        .cte("athlete")
    )
    return Statement(
        sa.select(training, _NOW, athlete.c.id.label("athlete")).select_from(
            training.outerjoin(athlete, sa.true())
        )
    )


@cache
def lock_waiting_query() -> Statement:
    """Lock all who wait in the training of a ``training_id``, which is locked; tell ``now``."""
    return Statement(sa.select(_now_after(_locked_waiting_cte())))


@cache
def lock_waiting_for_seat_query() -> Statement:
    """Read the ``status`` of a booking of an ``id``, and lock all who wait if it has a seat.

    Its training, of a ``training_id``, is locked.
    """
    this = BOOKINGS.alias("this")
    of_id = this.c.id == sa.bindparam("id")
    has_seat = sa.select(this.c.id).where(of_id, seated(this)).exists()
    athletes = _locked_waiting_cte(has_seat)
    return Statement(sa.select(this.c.status, _now_after(athletes)).where(of_id))


@cache
def lock_booking_query() -> Statement:
    """Lock a booking of an ``id``."""
    booking = (
        sa.select(BOOKINGS)
        .where(BOOKINGS.c.id == sa.bindparam("id"))
        .with_for_update(key_share=True)
        .cte("booking")
    )
    return Statement(sa.select(booking, _NOW))


_NOW = sa.func.clock_timestamp().label("now")


def _now_after(locked: sa.CTE) -> sa.ColumnElement[datetime]:
    return sa.case((number_of(locked) >= NONE, sa.func.clock_timestamp())).label("now")


def _locked_training_cte(*conditions: sa.ColumnElement[bool]) -> sa.CTE:
    return sa.select(TRAININGS).where(*conditions).with_for_update(key_share=True).cte("training")


def _locked_waiting_cte(*conditions: sa.ColumnElement[bool]) -> sa.CTE:
    waiting = sa.select(BOOKINGS.c.athlete_id).where(
        BOOKINGS.c.training_id == sa.bindparam("training_id"), waitlisted(BOOKINGS), *conditions
    )
    return (
        sa.select(ATHLETES.c.id)
        .where(ATHLETES.c.id == sa.func.any(sa.func.array(waiting.scalar_subquery())))
        .order_by(ATHLETES.c.id)
        .with_for_update(key_share=True)
        .cte("athletes")
    )


def _locking_query(*conditions: sa.ColumnElement[bool]) -> Statement:
    # The time is told outside of what locks: there it would be that before the wait.
    return Statement(sa.select(_locked_training_cte(*conditions), _NOW))
