"""The occupancy of a centre: athletes who are present, have a seat, or wait for one."""

from functools import cache

import sqlalchemy as sa
from sqlmodel.sql.sqltypes import UTCDateTime

from app.core.db.schema import NOW
from app.core.db.statements import Statement
from app.core.resources.projection import EMPTY_LIST, Projection, as_json
from app.trainings.models import Training, TrainingSummary
from app.trainings.seats import (
    BOOKINGS,
    CENTRES,
    CHECK_IN_INTERVAL,
    CHECKED_IN,
    LONGEST_TRAINING,
    NONE,
    SCHEDULED,
    TRAININGS,
    seated,
    waitlisted,
)


@cache
def occupancy_query() -> Statement:
    """Read how full the centre ``id`` is ``at`` some time, by default now; no row without a centre.

    An athlete who is checked in is present, even before the training starts. An athlete who is
    checked out keeps the seat, but takes no room. For a time in the past, the numbers are those of
    then, as far as the bookings still show them.
    """
    given = sa.bindparam("at", type_=UTCDateTime())
    centre = (
        sa.select(
            CENTRES.c.capacity,
            sa.func.coalesce(given, NOW, type_=UTCDateTime()).label("at"),
        )
        .where(CENTRES.c.id == sa.bindparam("id"))
        .cte("centre")
    )
    at = sa.select(centre.c.at).scalar_subquery()
    near = (
        sa.select(TRAININGS)
        .where(
            TRAININGS.c.centre_id == sa.bindparam("id"),
            TRAININGS.c.status == SCHEDULED,
            TRAININGS.c.starts_at > at - LONGEST_TRAINING,
            TRAININGS.c.starts_at <= at + CHECK_IN_INTERVAL,
            TRAININGS.c.ends_at > at,
        )
        .cte("near")
    )
    runs = near.c.starts_at <= at
    came = sa.func.coalesce(BOOKINGS.c.checked_in_at <= at, sa.false())
    stays = sa.func.coalesce(BOOKINGS.c.checked_out_at > at, sa.true())
    is_here = sa.and_(BOOKINGS.c.status == CHECKED_IN, came, stays)
    athletes = (
        # Grouped, as an athlete may be checked in for a training and for the next one.
        sa.select(
            sa.func.bool_or(is_here).label("is_here"),
            sa.func.bool_or(sa.and_(runs, seated(BOOKINGS), ~came)).label("has_seat"),
            sa.func.bool_or(sa.and_(runs, waitlisted(BOOKINGS))).label("waits"),
        )
        .select_from(near.join(BOOKINGS, BOOKINGS.c.training_id == near.c.id))
        .group_by(BOOKINGS.c.athlete_id)
        .subquery("athletes")
    )
    people = sa.select(
        sa.func.count().filter(athletes.c.is_here).label("present"),
        sa.func.count().filter(athletes.c.has_seat, ~athletes.c.is_here).label("reserved"),
        sa.func.count().filter(athletes.c.waits).label("waiting"),
    ).subquery("people")
    room = centre.c.capacity - people.c.present - people.c.reserved
    running = sa.select(near).where(runs).cte("running")
    read = Projection(TrainingSummary, Training).each(running)
    ordered = read.order_by(running.c.starts_at, running.c.id).subquery("ordered")
    trainings = sa.select(sa.func.coalesce(sa.func.json_agg(ordered.c.body), EMPTY_LIST))
    item = (
        sa.select(
            as_json(centre.c.at).label("at"),
            centre.c.capacity,
            people,
            sa.case((centre.c.capacity.is_not(None), sa.func.greatest(room, NONE))).label(
                "available"
            ),
            trainings.scalar_subquery().label("trainings"),
        )
        .select_from(centre.join(people, sa.true()))
        .subquery("item")
    )
    return Statement(sa.select(sa.func.row_to_json(item.table_valued()).label("body")))
