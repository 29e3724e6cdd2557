"""Seat allocation: lock order, waitlist promotion, overlap.

**Lock order.** A transaction that needs several of these locks takes them in this order, to avoid
deadlocks:

1. The series: to change or cancel its trainings.
2. The centres, by id: to schedule, move or resize trainings there, or to change their capacity.
   The trigger that adds up the trainings of a centre locks it too. It runs after a new training is
   inserted, but no other transaction can see that training yet, so the order holds.
3. The trainings, by id: to change their seats. All changes of their bookings need this lock, except
   check-in and check-out.
4. The athletes, by id, all in one statement: to give them a seat, or to move the one that they
   have. These are the athlete who books, all athletes in the waitlist if there is a free seat, or
   all athletes with an active booking of the trainings that are moved.
5. The booking: to check in or out, and to undo that, which needs no other lock.

A training may be moved to another centre while a transaction waits for it. That transaction has
then locked the former centre. It must not lock the new one after the training, so it begins again
(``CentreChanged``).

**Locks and snapshots.** A statement that waits for a lock continues with its old snapshot. So a
statement of its own takes the locks, and the next statement reads what they protect. ``now`` is
read after the last wait. It is the time of the whole change.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from app.athletes.models import Athlete
from app.athletes.queries import ATHLETE_QUERIES
from app.centres.models import Centre
from app.core.db.journal import journal_cte, with_event_columns
from app.core.db.schema import table_of
from app.core.db.statements import Statement
from app.core.resources.queries import as_expected, next_version
from app.trainings.models import LONGEST, Booking, Training

ATHLETES, CENTRES = table_of(Athlete), table_of(Centre)
BOOKINGS, TRAININGS = table_of(Booking), table_of(Training)


def _constant(text: str) -> sa.ColumnElement[Any]:
    """Write a constant into the text of a statement, so that the query plan is for its value."""
    return sa.literal_column(text)


CHECK_IN_BEFORE = timedelta(minutes=60)
"""How long before the start check-in opens."""
MENDABLE = timedelta(days=7)
"""How long after the end staff may correct attendance."""
SEATED = "reserved", "checked_in"
"""The statuses of a booking that holds a seat."""
RESERVED, WAITLISTED, CHECKED_IN, CANCELLED, SCHEDULED = (
    _constant(f"'{status}'")
    for status in ("reserved", "waitlisted", "checked_in", "cancelled", "scheduled")
)
NONE, ONE = _constant("0"), _constant("1")
LONGEST_TRAINING = _constant(f"interval '{LONGEST}'")
CHECK_IN_INTERVAL = _constant(f"interval '{CHECK_IN_BEFORE}'")


def seated(bookings: sa.FromClause) -> sa.ColumnElement[bool]:
    """Match bookings that hold a seat."""
    return bookings.c.status.in_([RESERVED, CHECKED_IN])


def waitlisted(bookings: sa.FromClause) -> sa.ColumnElement[bool]:
    """Match bookings in the waitlist."""
    return bookings.c.status == WAITLISTED


def seats_meanwhile(
    athlete_id: sa.ColumnElement[object],
    training_id: sa.ColumnElement[object],
    starts_at: sa.ColumnElement[object],
    ends_at: sa.ColumnElement[object],
) -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
    """Return bookings, and the condition for those that give an athlete an overlapping seat."""
    others = BOOKINGS.alias("others")
    return others, sa.and_(
        others.c.athlete_id == athlete_id,
        others.c.training_id != training_id,
        seated(others),
        others.c.starts_at < ends_at,
        others.c.ends_at > starts_at,
        # Implied by the end, as no training is longer than that. It bounds the index scan.
        others.c.starts_at > starts_at - LONGEST_TRAINING,
    )


def promoted_cte(training_id: sa.ColumnElement[object], free: sa.ColumnElement[int]) -> sa.CTE:
    """Give at most ``free`` seats to the waitlist, in its order (FIFO).

    An athlete with a seat in a training that overlaps is skipped. The training and all athletes in
    its waitlist must be locked.
    """
    # Sorted in a subquery of its own (``OFFSET 0``): of a long waitlist, only the first bookings
    # are checked until there are enough.
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
        .returning(*with_event_columns(BOOKINGS, [BOOKINGS.c.training_id]))
        .cte("promoted")
    )


def counted_cte(
    training_id: sa.ColumnElement[object],
    taken: sa.ColumnElement[int],
    waiting: sa.ColumnElement[int],
    *,
    frees: bool = False,
) -> sa.CTE:
    """Add to a training's numbers of taken seats and of bookings in the waitlist.

    If the statement ``frees`` seats, the seats over the capacity become fewer. Others leave that
    column: to write it runs triggers, and a training with seats over its capacity gives none.
    """
    values = {
        TRAININGS.c.taken: TRAININGS.c.taken + taken,
        TRAININGS.c.waiting: TRAININGS.c.waiting + waiting,
    }
    if frees:
        over = sa.func.greatest(TRAININGS.c.taken + taken - TRAININGS.c.capacity, NONE)
        values[TRAININGS.c.over] = sa.func.least(TRAININGS.c.over, over)
    return sa.update(TRAININGS).where(TRAININGS.c.id == training_id).values(values).cte("counted")


def queue_served_ctes(
    training_id: sa.ColumnElement[object], freed: sa.ColumnElement[int]
) -> list[sa.CTE]:
    """Give free seats to the waitlist, and update the counters.

    ``freed`` is the number of seats that the same statement frees.
    """
    free = sa.select(
        sa.func.greatest(TRAININGS.c.capacity - TRAININGS.c.taken + freed, NONE)
    ).where(TRAININGS.c.id == training_id)
    served = promoted_cte(training_id, free.scalar_subquery())
    number = number_of(served)
    event = booking_event_cte(served, "promoted", "status")
    return [served, event, counted_cte(training_id, number - freed, -number, frees=True)]


def booking_event_cte(bookings: sa.CTE, verb: str, *changed: str) -> sa.CTE:
    """Add an event for each of some bookings that a CTE writes."""
    centre = sa.select(TRAININGS.c.centre_id).where(TRAININGS.c.id == bookings.c.training_id)
    centre_ids = sa.func.array(centre.scalar_subquery(), type_=ARRAY(sa.Uuid))
    return journal_cte(bookings, f"booking.{verb}", changed=changed, centre_ids=centre_ids)


def number_of(rows: sa.CTE) -> sa.ColumnElement[int]:
    """Count rows."""
    return sa.select(sa.func.count()).select_from(rows).scalar_subquery()


@cache
def lock_training_query() -> Statement:
    """Lock the training ``id``, if ``expected`` accepts its version."""
    return _locking_query(*as_expected(TRAININGS))


@cache
def lock_training_at_centres_query() -> Statement:
    """Lock the centre of a training and the centre ``centre_id``, then the training ``id``.

    The training is locked only if ``expected`` accepts its version. ``locked`` in the row has the
    ids of the centres.
    """
    current = sa.select(TRAININGS.c.centre_id).where(TRAININGS.c.id == sa.bindparam("id"))
    new = sa.select(sa.bindparam("centre_id", type_=sa.Uuid))
    centres = (
        sa.select(CENTRES.c.id)
        .where(CENTRES.c.id.in_(sa.union_all(current, new)))
        .order_by(CENTRES.c.id)
        .with_for_update(key_share=True)
        .cte("locked_centres")
    )
    training = _locked_training_cte(*as_expected(TRAININGS), number_of(centres) > 0)
    locked = sa.select(sa.func.array_agg(centres.c.id, type_=ARRAY(sa.Uuid))).scalar_subquery()
    return Statement(sa.select(training, locked.label("locked"), _NOW))


@cache
def lock_training_of_booking_query() -> Statement:
    """Lock the training of the booking ``id``."""
    of_booking = sa.select(BOOKINGS.c.training_id).where(BOOKINGS.c.id == sa.bindparam("id"))
    return _locking_query(TRAININGS.c.id == of_booking.scalar_subquery())


@cache
def lock_training_and_athlete_query() -> Statement:
    """Lock the training ``training_id``, then the athlete ``athlete_id``.

    ``athlete`` is null in the row if the athlete does not exist, or the caller does not see them.
    ``erased_at`` is of the athlete. If there is a free seat and a waitlist, the athlete is not
    locked: ``lock_line_and_athlete_query`` must lock them with those in the waitlist.
    """
    training = _locked_training_cte(TRAININGS.c.id == sa.bindparam("training_id"))
    alone = sa.or_(training.c.waiting == NONE, training.c.taken >= training.c.capacity)
    athlete = (
        sa.select(ATHLETES.c.id, ATHLETES.c.erased_at)
        .where(
            ATHLETES.c.id == sa.bindparam("athlete_id"),
            sa.exists().select_from(training).where(alone),
            ATHLETE_QUERIES.may_change(),  # within the reach of what the caller sees
        )
        .with_for_update(key_share=True)
        .cte("athlete")
    )
    return Statement(
        sa.select(training, _NOW, athlete.c.id.label("athlete"), athlete.c.erased_at).select_from(
            training.outerjoin(athlete, sa.true())
        )
    )


@cache
def lock_line_and_athlete_query() -> Statement:
    """Lock the athlete ``athlete_id`` and all in the waitlist of the locked ``training_id``.

    It returns ``athlete, erased_at, now``, as ``lock_training_and_athlete_query``.
    """
    athlete_id = sa.bindparam("athlete_id", type_=sa.Uuid)
    waiting = sa.select(BOOKINGS.c.athlete_id).where(
        BOOKINGS.c.training_id == sa.bindparam("training_id"), waitlisted(BOOKINGS)
    )
    locked = _locked_athletes_cte(sa.union_all(waiting, sa.select(athlete_id)))
    seen = (
        sa.select(ATHLETES.c.id)
        .where(ATHLETES.c.id == athlete_id, ATHLETE_QUERIES.may_change())
        .cte("seen")
    )
    this = sa.select(locked.c.id, locked.c.erased_at).join(seen, seen.c.id == locked.c.id)
    athlete = this.subquery("athlete")
    one = sa.select(ONE.label("one")).subquery("one")
    return Statement(
        sa.select(
            athlete.c.id.label("athlete"), athlete.c.erased_at, now_after(locked)
        ).select_from(one.outerjoin(athlete, sa.true()))
    )


@cache
def lock_active_query() -> Statement:
    """Lock all athletes with an active booking of the locked ``trainings``; return ``now``."""
    active = sa.select(BOOKINGS.c.athlete_id).where(
        BOOKINGS.c.training_id == sa.func.any(sa.bindparam("trainings", type_=ARRAY(sa.Uuid))),
        BOOKINGS.c.cancelled_at.is_(None),
    )
    return Statement(sa.select(now_after(_locked_athletes_cte(active))))


@cache
def lock_waiting_query() -> Statement:
    """Lock all athletes in the waitlist of the locked training ``training_id``; return ``now``."""
    return Statement(sa.select(now_after(_locked_waiting_cte())))


@cache
def lock_waiting_for_seat_query() -> Statement:
    """Read the ``status`` of the booking ``id``; if it holds a seat, lock the waitlist's athletes.

    Its training ``training_id`` must be locked.
    """
    this = BOOKINGS.alias("this")
    of_id = this.c.id == sa.bindparam("id")
    has_seat = sa.select(this.c.id).where(of_id, seated(this)).exists()
    athletes = _locked_waiting_cte(has_seat)
    return Statement(sa.select(this.c.status, now_after(athletes)).where(of_id))


@cache
def lock_booking_query() -> Statement:
    """Lock the booking ``id``."""
    booking = (
        sa.select(BOOKINGS)
        .where(BOOKINGS.c.id == sa.bindparam("id"))
        .with_for_update(key_share=True)
        .cte("booking")
    )
    return Statement(sa.select(booking, _NOW))


_NOW = sa.func.clock_timestamp().label("now")


def now_after(locked: sa.CTE) -> sa.ColumnElement[datetime]:
    """Return the time after the rows of a CTE are locked."""
    return sa.case((number_of(locked) >= NONE, sa.func.clock_timestamp())).label("now")


def _locked_training_cte(*conditions: sa.ColumnElement[bool]) -> sa.CTE:
    return sa.select(TRAININGS).where(*conditions).with_for_update(key_share=True).cte("training")


def _locked_waiting_cte(*conditions: sa.ColumnElement[bool]) -> sa.CTE:
    waiting = sa.select(BOOKINGS.c.athlete_id).where(
        BOOKINGS.c.training_id == sa.bindparam("training_id"), waitlisted(BOOKINGS), *conditions
    )
    return _locked_athletes_cte(waiting)


def _locked_athletes_cte(ids: sa.SelectBase) -> sa.CTE:
    return (
        sa.select(ATHLETES.c.id, ATHLETES.c.erased_at)
        .where(ATHLETES.c.id == sa.func.any(sa.func.array(ids.scalar_subquery())))
        .order_by(ATHLETES.c.id)
        .with_for_update(key_share=True)
        .cte("locked_athletes")
    )


def _locking_query(*conditions: sa.ColumnElement[bool]) -> Statement:
    # ``now`` is selected outside the locking CTE: inside, it would be the time before the wait.
    return Statement(sa.select(_locked_training_cte(*conditions), _NOW))
