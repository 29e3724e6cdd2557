"""The SQL of attendance: what became of the bookings of a centre on some days, local there.

The tables of trainings and bookings grow for years, and a statement has a generic plan. So no plan
may depend on estimates. The days are a range of the index ``ix_trainings_centre_id_starts_at_id``.
The bookings of each training are found by an index in a subquery that cannot be joined in another
way: it is ``LATERAL``, and has an aggregate or ``OFFSET``.
"""

from functools import cache
from typing import Any

import sqlalchemy as sa

from app.attendance.models import AttendanceTotals, AttendedTraining, Rows
from app.core.db.schema import NOW
from app.core.db.statements import Statement
from app.core.resources.projection import EMPTY_LIST, as_json, reference
from app.trainings.seats import (
    ATHLETES,
    BOOKINGS,
    CENTRES,
    CHECKED_IN,
    NONE,
    RESERVED,
    SCHEDULED,
    TRAININGS,
    waitlisted,
)

COLUMNS: dict[Rows, tuple[str, ...]] = {
    "trainings": (
        *("id", "name", "coach", "date", "starts_at", "ends_at", "status", "capacity", "taken"),
        *("present", "late", "no_shows", "waitlisted"),
    ),
    "athletes": ("id", "name", "visits", "no_shows", "late"),
}
"""The columns of each export."""

_COUNTED = "present", "late", "no_shows", "waitlisted"
_ID = sa.bindparam("id", type_=sa.Uuid)
_FIRST, _LAST = sa.bindparam("first_day", type_=sa.Date), sa.bindparam("last_day", type_=sa.Date)
_DAY: sa.ColumnClause[Any] = sa.literal_column("'YYYY-MM-DD'")
_MINUTE: sa.ColumnClause[Any] = sa.literal_column("'YYYY-MM-DD HH24:MI'")


@cache
def report_query() -> Statement:
    """Read the attendance of the centre ``id`` from ``first_day`` to ``last_day``: ``Attendance``.

    There is no row without a centre.
    """
    centre = _centre()
    training = _trainings(centre)
    counted = _counted(training).cte("counted")
    totals = _totals(counted)
    item = (
        sa.select(
            reference(centre).label("centre"),
            centre.c.time_zone,
            _FIRST.label("from"),
            _LAST.label("to"),
            _list(_training_items(counted)).label("trainings"),
            _list(_athlete_items(_attending(training))).label("athletes"),
            totals.table_valued().label("totals"),
        )
        .select_from(centre.join(totals, sa.true()))
        .subquery("item")
    )
    return Statement(sa.select(sa.func.row_to_json(item.table_valued()).label("body")))


@cache
def rows_query(rows: Rows) -> Statement:
    """Read the rows of an export: ``COLUMNS``. Their times are local at the centre."""
    centre = _centre()
    training = _trainings(centre)
    columns: dict[str, sa.ColumnElement[Any]]
    if rows == "athletes":
        found = _attending(training)
        columns = {**found.c, "id": ATHLETES.c.id, "name": ATHLETES.c.name}
        source: sa.FromClause = found.join(ATHLETES, ATHLETES.c.id == found.c.athlete_id)
        order = _by_name()
    else:
        counted = _counted(training).subquery("counted")
        zone = sa.select(centre.c.time_zone).scalar_subquery()
        begin, end = (sa.func.timezone(zone, counted.c[name]) for name in ("starts_at", "ends_at"))
        columns = {
            **counted.c,
            "date": sa.func.to_char(begin, _DAY),
            "starts_at": sa.func.to_char(begin, _MINUTE),
            "ends_at": sa.func.to_char(end, _MINUTE),
        }
        source, order = counted, [counted.c.starts_at, counted.c.id]
    selected = (columns[name].label(name) for name in COLUMNS[rows])
    return Statement(sa.select(*selected).select_from(source).order_by(*order))


def _centre() -> sa.CTE:
    """Select the centre, and when its days begin and end."""

    def midnight(day: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return sa.func.timezone(CENTRES.c.time_zone, sa.cast(day, sa.TIMESTAMP))

    after: sa.ColumnClause[Any] = sa.literal_column("interval '1 day'")
    return (
        sa.select(
            CENTRES.c.id,
            CENTRES.c.name,
            CENTRES.c.time_zone,
            midnight(_FIRST).label("begins"),
            midnight(_LAST + after).label("ends"),
        )
        .where(CENTRES.c.id == _ID)
        .cte("centre")
    )


def _trainings(centre: sa.CTE) -> sa.CTE:
    """Select the trainings of the days."""
    begins, ends = (sa.select(centre.c[name]).scalar_subquery() for name in ("begins", "ends"))
    columns = (TRAININGS.c[name] for name in AttendedTraining.model_fields if name not in _COUNTED)
    return (
        sa.select(*columns)
        .where(
            TRAININGS.c.centre_id == _ID,
            TRAININGS.c.starts_at >= begins,
            TRAININGS.c.starts_at < ends,
        )
        .cte("training")
    )


def _outcomes(training: sa.FromClause) -> dict[str, sa.ColumnElement[bool]]:
    """Return the condition for each outcome of a booking of a training."""
    return {
        "present": BOOKINGS.c.status == CHECKED_IN,
        "late": BOOKINGS.c.late,
        "no_shows": sa.and_(BOOKINGS.c.status == RESERVED, training.c.ends_at <= NOW),
        "waitlisted": waitlisted(BOOKINGS),
    }


def _counted(training: sa.CTE) -> sa.Select[Any]:
    """Select the trainings, each with the counts of its bookings."""
    counts = [
        sa.func.count().filter(condition).label(name)
        for name, condition in _outcomes(training).items()
    ]
    each = (
        sa.select(*counts)
        .where(BOOKINGS.c.training_id == training.c.id)
        .correlate(training)
        .lateral("each")
    )
    return sa.select(*training.c, *each.c).select_from(training.join(each, sa.true()))


def _attending(training: sa.CTE) -> sa.CTE:
    """Select the athletes with a visit, a no-show or a late cancellation, and count these."""
    outcomes = _outcomes(training)
    kinds = {"visits": "present", "no_shows": "no_shows", "late": "late"}
    each = (
        sa.select(
            BOOKINGS.c.athlete_id, *(outcomes[kind].label(name) for name, kind in kinds.items())
        )
        .where(BOOKINGS.c.training_id == training.c.id, training.c.status == SCHEDULED)
        .correlate(training)
        .offset(NONE)
        .lateral("each")
    )
    return (
        sa.select(
            each.c.athlete_id,
            *(sa.func.count().filter(each.c[name]).label(name) for name in kinds),
        )
        .select_from(training.join(each, sa.true()))
        .where(sa.or_(*(each.c[name] for name in kinds)))
        .group_by(each.c.athlete_id)
        .cte("attending")
    )


def _training_items(counted: sa.CTE) -> sa.Subquery:
    fields = (as_json(counted.c[name]).label(name) for name in AttendedTraining.model_fields)
    return sa.select(*fields).order_by(counted.c.starts_at, counted.c.id).subquery("items")


def _athlete_items(attending: sa.CTE) -> sa.Subquery:
    athlete = reference(ATHLETES).label("athlete")
    return (
        sa.select(athlete, attending.c.visits, attending.c.no_shows, attending.c.late)
        .join(ATHLETES, ATHLETES.c.id == attending.c.athlete_id)
        .order_by(*_by_name())
        .subquery("items")
    )


def _by_name() -> list[sa.ColumnElement[Any]]:
    return [ATHLETES.c.name_key, ATHLETES.c.id]


def _totals(counted: sa.CTE) -> sa.Subquery:
    sums = (
        sa.func.coalesce(sa.func.sum(counted.c[name]), NONE).label(name)
        for name in AttendanceTotals.model_fields
        if name != "trainings"
    )
    return (
        sa.select(sa.func.count().label("trainings"), *sums)
        .where(counted.c.status == SCHEDULED)
        .subquery("totals")
    )


def _list(items: sa.Subquery) -> sa.ColumnElement[Any]:
    # json_agg keeps the order of the subquery.
    rows = sa.func.json_agg(items.table_valued())
    return sa.select(sa.func.coalesce(rows, EMPTY_LIST)).scalar_subquery()
