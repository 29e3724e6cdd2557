"""The SQL of the timetable."""

from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.core.db.schema import NOW, table_of
from app.core.db.statements import Statement
from app.core.resources.projection import EMPTY_LIST, Projection, as_json
from app.timetable.models import TimetableTraining
from app.trainings.models import Training
from app.trainings.seats import BOOKINGS, CENTRES, TRAININGS
from app.workouts.models import ProgrammedWorkout, ProgrammeOfDay

_PROGRAMME = table_of(ProgrammedWorkout)


def _constant(text: str) -> sa.ColumnElement[Any]:
    return sa.literal_column(text)


_FIRST, _LAST, _SEVEN = _constant("0"), _constant("6"), _constant("7")
"""Days after a Monday."""
_HOUR = _constant("interval '1 hour'")
_WEEK, _WEEK_OF_YEAR, _CLOCK = map(_constant, ("'week'", """'IYYY"-W"IW'""", "'HH24:MI'"))


@cache
def timetable_query() -> Statement:
    """Read the timetable of the centre ``id``, a ``Timetable``; no row without a centre.

    ``week`` is the Monday of a week, or null for the current week there. ``athlete_id`` is the
    athlete whose bookings are shown, or null. Without ``programme``, there are no workouts.
    """
    centre = _centre_cte()
    trainings = _by_day(_trainings(centre), "trainings_of_day")
    programme = _by_day(_programme(centre), "programme_of_day")
    numbers = (
        sa.func.generate_series(_FIRST, _LAST)
        .table_valued("number", name="numbers")
        .render_derived()
    )
    day = (
        sa.select((centre.c.monday + numbers.c.number).label("date"))
        .select_from(centre.join(numbers, sa.true()))
        .subquery("day")
    )
    of_day = (
        sa.select(
            day.c.date,
            sa.func.coalesce(programme.c["items"], EMPTY_LIST).label("programme"),
            sa.func.coalesce(trainings.c["items"], EMPTY_LIST).label("trainings"),
        )
        .select_from(
            day.outerjoin(programme, programme.c.date == day.c.date).outerjoin(
                trainings, trainings.c.date == day.c.date
            )
        )
        .order_by(day.c.date)
        .subquery("of_day")
    )
    days = sa.select(sa.func.json_agg(of_day.table_valued())).scalar_subquery()
    named = sa.select(centre.c.id, centre.c.name).lateral("named")
    timetable = (
        sa.select(
            named.table_valued().label("centre"),
            centre.c.time_zone,
            sa.func.to_char(centre.c.monday, _WEEK_OF_YEAR).label("week"),
            as_json(centre.c.starts_at).label("starts_at"),
            as_json(centre.c.ends_at).label("ends_at"),
            days.label("days"),
        )
        .select_from(centre.join(named, sa.true()))
        .subquery("timetable")
    )
    return Statement(sa.select(sa.func.row_to_json(timetable.table_valued()).label("body")))


def _centre_cte() -> sa.CTE:
    """Select the centre, the Monday of the week, and when that and the next one begin there."""
    given = sa.bindparam("week", type_=sa.Date)
    here = sa.func.timezone(CENTRES.c.time_zone, NOW, type_=sa.DateTime)
    current = sa.cast(sa.func.date_trunc(_WEEK, here), sa.Date)
    columns = CENTRES.c.id, CENTRES.c.name, CENTRES.c.time_zone
    centre = (
        sa.select(*columns, sa.func.coalesce(given, current, type_=sa.Date).label("monday"))
        .where(CENTRES.c.id == sa.bindparam("id", type_=sa.Uuid))
        .subquery("one")
    )

    def begins(date: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        midnight = sa.cast(date, sa.DateTime)
        return sa.func.timezone(centre.c.time_zone, midnight, type_=TRAININGS.c.starts_at.type)

    return sa.select(
        centre,
        begins(centre.c.monday).label("starts_at"),
        begins(centre.c.monday + _SEVEN).label("ends_at"),
    ).cte("centre")


def _trainings(centre: sa.CTE) -> sa.Select[Any]:
    """Select the ``date`` and the ``body`` of the trainings of the week, and their order."""

    def of(name: str) -> sa.ColumnElement[Any]:
        return sa.select(centre.c[name]).scalar_subquery()

    def local(moment: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return sa.func.timezone(of("time_zone"), moment, type_=sa.DateTime)

    # An hour more on each side: midnight may come twice. The local dates decide then.
    begins, ends = of("starts_at") - _HOUR, of("ends_at") + _HOUR
    booked = (
        sa.select(BOOKINGS.c.training_id, BOOKINGS.c.id, BOOKINGS.c.status)
        .where(
            BOOKINGS.c.athlete_id == sa.bindparam("athlete_id", type_=sa.Uuid),
            BOOKINGS.c.starts_at >= begins,
            BOOKINGS.c.starts_at < ends,
            BOOKINGS.c.cancelled_at.is_(None),
        )
        .cte("booked")
    )
    booking = sa.select(booked.c.id, booked.c.status).correlate(booked).lateral("booking")
    found = (
        sa.select(
            TRAININGS,
            sa.cast(local(TRAININGS.c.starts_at), sa.Date).label("date"),
            sa.func.to_char(local(TRAININGS.c.starts_at), _CLOCK).label("start"),
            sa.func.to_char(local(TRAININGS.c.ends_at), _CLOCK).label("end"),
            sa.case((booked.c.id.is_not(None), sa.func.row_to_json(booking.table_valued()))).label(
                "booking"
            ),
        )
        .select_from(
            TRAININGS.outerjoin(booked, booked.c.training_id == TRAININGS.c.id).outerjoin(
                booking, sa.true()
            )
        )
        .where(
            TRAININGS.c.centre_id == sa.bindparam("id", type_=sa.Uuid),
            TRAININGS.c.starts_at >= begins,
            TRAININGS.c.starts_at < ends,
        )
        .subquery("found")
    )
    body = Projection(TimetableTraining, Training).each(found)
    return body.add_columns(found.c.date, found.c.starts_at.label("place"))


def _programme(centre: sa.CTE) -> sa.Select[Any]:
    """Select the ``date`` and the ``body`` of the published workouts, and their order."""
    found = (
        sa.select(_PROGRAMME)
        .join(centre, _PROGRAMME.c.centre_id == centre.c.id)
        .where(
            sa.bindparam("programme", type_=sa.Boolean),
            _PROGRAMME.c.date >= centre.c.monday,
            _PROGRAMME.c.date < centre.c.monday + _SEVEN,
            _PROGRAMME.c.published_at <= NOW,
        )
        .subquery("found")
    )
    body = Projection(ProgrammeOfDay, ProgrammedWorkout).each(found)
    return body.add_columns(found.c.date, found.c.position.label("place"))


def _by_day(rows: sa.Select[Any], name: str) -> sa.Subquery:
    """Collect the JSON of rows in a list for each ``date``, sorted by ``place`` and id."""
    row = rows.subquery("row")
    items = sa.func.json_agg(aggregate_order_by(row.c.body, row.c.place, row.c.id))
    return sa.select(row.c.date, items.label("items")).group_by(row.c.date).subquery(name)
