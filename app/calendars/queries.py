"""The SQL of calendars and of their feeds."""

from datetime import timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel.sql.sqltypes import UTCDateTime

from app.athletes.models import Athlete
from app.calendars.models import CalendarFeed, CalendarFeedRead
from app.centres.models import Centre
from app.core.db.journal import with_event_columns
from app.core.db.schema import CALLER_HOLDS, NOW, interval, table_of, written_columns
from app.core.db.statements import Statement, new_value
from app.core.resources.projection import EMPTY_LIST, as_json
from app.core.resources.queries import Queries, compiled_once, next_version, version_after
from app.trainings.models import Booking, Training

BACK, AHEAD = timedelta(weeks=4), timedelta(weeks=12)
"""A calendar has the trainings that start in this time before and after now."""
MOST_EVENTS = 5000
"""How many events a calendar has at most, the first ones: to build them takes about a second."""

_FEEDS, _ATHLETES, _CENTRES = table_of(CalendarFeed), table_of(Athlete), table_of(Centre)
_BOOKINGS, _TRAININGS = table_of(Booking), table_of(Training)
_ONE: sa.ColumnClause[int] = sa.literal_column("1")
_ATHLETE_ID = sa.bindparam("athlete_id", type_=sa.Uuid)


class CalendarFeedQueries(Queries):
    """Builds the statements of calendar feeds."""

    def inserted_cte(self) -> sa.CTE:
        """Insert a feed, or replace the secret of the feed that its athlete has (upsert)."""
        columns = written_columns(_FEEDS)
        row = sa.select(*map(new_value, columns)).where(CALLER_HOLDS)
        made = insert(_FEEDS).from_select(columns, row)
        replaced = made.on_conflict_do_update(
            index_elements=[_FEEDS.c.athlete_id],
            set_={
                _FEEDS.c.secret_hash: made.excluded.secret_hash,
                **next_version(_FEEDS),
            },
        )
        return replaced.returning(*with_event_columns(_FEEDS, self.projection.columns)).cte("made")

    def event_type(self, source: sa.CTE, verb: str) -> sa.ColumnElement[str]:
        """Return the type of events about feeds: a second ``created`` is ``replaced``."""
        plain = super().event_type(source, verb)
        if verb != "created":
            return plain
        again = super().event_type(source, "replaced")
        return sa.case((source.c.version == _ONE, plain), else_=again)

    @compiled_once
    def delete_of_athlete_query(self) -> Statement:
        """Delete the feed of an athlete."""
        deleted = (
            sa.delete(_FEEDS)
            .where(_FEEDS.c.athlete_id == _ATHLETE_ID, CALLER_HOLDS)
            .returning(*with_event_columns(_FEEDS, ()))
            .cte("deleted")
        )
        event = self.event_cte(deleted, "deleted", version=version_after(deleted.c.version))
        return Statement(sa.select(deleted.c.id).add_cte(event))


CALENDAR_FEED_QUERIES = CalendarFeedQueries(CalendarFeed, CalendarFeedRead, noun="calendar feed")


@cache
def secret_query() -> Statement:
    """Read the hash of the secret of an athlete's feed."""
    return Statement(sa.select(_FEEDS.c.secret_hash).where(_FEEDS.c.athlete_id == _ATHLETE_ID))


@cache
def centre_query() -> Statement:
    """Read the calendar of a centre as ``body``; no row if there is no such centre.

    It is the JSON of ``name`` and ``events``, whose fields ``building`` describes.
    """
    trainings = _TRAININGS.join(_CENTRES, _CENTRES.c.id == _TRAININGS.c.centre_id)
    centre_id = sa.bindparam("centre_id", type_=sa.Uuid)
    events = (
        sa.select(
            _TRAININGS.c.id,
            _before(_TRAININGS).label("sequence"),
            _status(_TRAININGS.c.status == _text("cancelled")).label("status"),
            *_of_training(_TRAININGS.c.updated_at),
        )
        .select_from(trainings)
        .where(_TRAININGS.c.centre_id == centre_id, *_is_near(_TRAININGS))
    )
    owner = _CENTRES.alias("owner")
    return _calendar_query(owner.c.name, owner.c.id == centre_id, events, _TRAININGS)


@cache
def athlete_query() -> Statement:
    """Read the calendar of an athlete, with their bookings, as ``centre_query`` does."""
    bookings = _BOOKINGS.join(_TRAININGS, _TRAININGS.c.id == _BOOKINGS.c.training_id).join(
        _CENTRES, _CENTRES.c.id == _TRAININGS.c.centre_id
    )
    is_cancelled = sa.or_(
        _BOOKINGS.c.status == _text("cancelled"), _TRAININGS.c.status == _text("cancelled")
    )
    events = (
        sa.select(
            _BOOKINGS.c.id,
            # A training that is moved or renamed raises only its own version.
            (_before(_BOOKINGS) + _before(_TRAININGS)).label("sequence"),
            _status(is_cancelled, _BOOKINGS.c.status == _text("waitlisted")).label("status"),
            *_of_training(_BOOKINGS.c.updated_at, _TRAININGS.c.updated_at),
        )
        .select_from(bookings)
        .where(_BOOKINGS.c.athlete_id == _ATHLETE_ID, *_is_near(_BOOKINGS))
    )
    name = _text("Trainings of ") + _ATHLETES.c.name
    return _calendar_query(name, _ATHLETES.c.id == _ATHLETE_ID, events, _BOOKINGS)


def _calendar_query(
    name: sa.ColumnElement[str],
    wanted: sa.ColumnElement[bool],
    events: sa.Select[Any],
    rows: sa.Table,
) -> Statement:
    """Read the name of a calendar and its first events as one JSON document."""
    first = events.order_by(rows.c.starts_at, rows.c.id).limit(sa.literal_column(str(MOST_EVENTS)))
    each = first.subquery("event")
    array = sa.select(sa.func.coalesce(sa.func.json_agg(each.table_valued()), EMPTY_LIST))
    document = sa.func.json_build_object(
        _text("name"), name, _text("events"), array.scalar_subquery()
    )
    return Statement(sa.select(sa.cast(document, sa.Text).label("body")).where(wanted))


def _of_training(*changed_at: sa.Column[Any]) -> list[sa.ColumnElement[Any]]:
    """Return the columns of an event that are those of its training and its centre."""
    latest = sa.func.greatest(*changed_at, _CENTRES.c.updated_at, type_=UTCDateTime())
    return [
        as_json(latest).label("changed_at"),
        as_json(_TRAININGS.c.starts_at).label("starts_at"),
        as_json(_TRAININGS.c.ends_at).label("ends_at"),
        _TRAININGS.c.name,
        _TRAININGS.c.coach,
        _CENTRES.c.name.label("centre"),
        _CENTRES.c.address,
        _CENTRES.c.time_zone,
    ]


def _is_near(rows: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    return rows.c.starts_at >= NOW - interval(BACK), rows.c.starts_at < NOW + interval(AHEAD)


def _before(rows: sa.Table) -> sa.ColumnElement[int]:
    """Return how many versions were before this one."""
    return sa.cast(rows.c.version, sa.BigInteger) - _ONE


def _status(
    is_cancelled: sa.ColumnElement[bool], is_tentative: sa.ColumnElement[bool] | None = None
) -> sa.ColumnElement[str]:
    """Return the status of an event (RFC 5545, 3.8.1.11)."""
    cases = [(is_cancelled, _text("CANCELLED"))]
    if is_tentative is not None:
        cases.append((is_tentative, _text("TENTATIVE")))
    return sa.case(*cases, else_=_text("CONFIRMED"))


def _text(constant: str) -> sa.ColumnElement[str]:
    return sa.literal_column(f"'{constant}'", sa.Text)
