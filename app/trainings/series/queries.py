"""The SQL of series, and of the trainings of one."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel.sql.sqltypes import UTCDateTime

from app.core.db.journal import names_of, with_event_columns
from app.core.db.schema import NOW, table_of
from app.core.db.statements import Statement
from app.core.resources.queries import (
    Compare,
    Queries,
    compiled_once,
    next_version,
    version_after,
)
from app.trainings import seats
from app.trainings.queries import TRAINING_QUERIES
from app.trainings.seats import BOOKINGS, CENTRES, NONE, TRAININGS
from app.trainings.series.models import Series, SeriesRead

SERIES = table_of(Series)
_SERIES_ID = sa.bindparam("series_id", type_=sa.Uuid)
_FIELDS = "name", "coach", "capacity"
"""The columns that a training takes from its series as they are."""
PLACE = "starts_at", "ends_at"
MOVED = "moved_at", "moved_from_starts_at", "moved_from_ends_at", "moved_from_centre_id"


class SeriesQueries(Queries):
    """Builds the statements of series."""

    @compiled_once
    def lock_centre_query(self) -> Statement:
        """Lock the centre ``centre_id``; return its ``time_zone``."""
        centre = sa.select(CENTRES.c.time_zone).where(
            CENTRES.c.id == sa.bindparam("centre_id", type_=sa.Uuid)
        )
        return Statement(centre.with_for_update(key_share=True))

    @compiled_once
    def pattern_query(self) -> Statement:
        """Read the columns of the locked series ``id``."""
        return Statement(sa.select(SERIES).where(SERIES.c.id == sa.bindparam("id")))

    @compiled_once
    def lock_trainings_query(self) -> Statement:
        """Lock the trainings of a series that have not started, by id; return ``now``."""
        locked = (
            sa.select(TRAININGS.c.id)
            .where(TRAININGS.c.series_id == _SERIES_ID, TRAININGS.c.starts_at > NOW)
            .order_by(TRAININGS.c.id)
            .with_for_update(key_share=True)
            .cte("locked")
        )
        return Statement(sa.select(seats.now_after(locked)))

    @compiled_once
    def trainings_query(self) -> Statement:
        """Read the locked trainings of a series that start after ``now``, by date.

        ``is_known``: there is a booking, maybe a cancelled one.
        """
        booked = sa.select(BOOKINGS.c.id).where(BOOKINGS.c.training_id == TRAININGS.c.id)
        return Statement(
            sa.select(TRAININGS, booked.exists().label("is_known"))
            .where(
                TRAININGS.c.series_id == _SERIES_ID,
                TRAININGS.c.starts_at > sa.bindparam("now", type_=UTCDateTime()),
            )
            .order_by(TRAININGS.c.series_date, TRAININGS.c.id)
        )

    @compiled_once
    def create_trainings_query(self) -> Statement:
        """Create trainings of a series: ``ids``, their dates and times, and what they share."""
        slot = _each("slot", **_SLOT)
        row: dict[sa.Column[Any], Any] = {
            **{TRAININGS.c[name]: slot.c[name] for name in _SLOT},
            **{TRAININGS.c[name]: _shared(name) for name in (*_FIELDS, "centre_id")},
            TRAININGS.c.series_id: _SERIES_ID,
            TRAININGS.c.series_version: sa.literal_column("1"),
        }
        created = (
            sa.insert(TRAININGS)
            .from_select(list(row), sa.select(*row.values()))
            .returning(*with_event_columns(TRAININGS, [TRAININGS.c.id]))
            .cte("created")
        )
        return _counting(created, "created")

    @compiled_once
    def change_trainings_query(self) -> Statement:
        """Change locked trainings of a series: ``ids``, their times, and what they share."""
        columns = {name: TRAININGS.c[name].type for name in (*PLACE, *MOVED)}
        slot = _each("slot", id=sa.Uuid(), **columns)
        before = TRAININGS.alias("before")
        capacity = _shared("capacity")
        values = {
            **{TRAININGS.c[name]: slot.c[name] for name in columns},
            **{TRAININGS.c[name]: _shared(name) for name in _FIELDS},
            TRAININGS.c.over: sa.func.greatest(TRAININGS.c.taken - capacity, NONE),
            **next_version(TRAININGS),
            TRAININGS.c.series_version: version_after(TRAININGS.c.version),
        }
        changed = names_of(
            {
                name: before.c[name].is_distinct_from(TRAININGS.c[name])
                for name in (*_FIELDS, *PLACE)
            }
        )
        updated = (
            sa.update(TRAININGS)
            .where(TRAININGS.c.id == slot.c.id, before.c.id == TRAININGS.c.id)
            .values(values)
            .returning(*with_event_columns(TRAININGS, [TRAININGS.c.id]), changed.label("changed"))
            .cte("updated")
        )
        return _counting(updated, "updated", changed=updated.c.changed)

    @compiled_once
    def delete_trainings_query(self) -> Statement:
        """Delete locked trainings that nobody has ever booked: ``ids``."""
        deleted = (
            sa.delete(TRAININGS)
            .where(TRAININGS.c.id == sa.func.any(_IDS))
            .returning(*with_event_columns(TRAININGS, [TRAININGS.c.id]))
            .cte("deleted")
        )
        return _counting(deleted, "deleted", version=version_after(deleted.c.version))

    @compiled_once
    def keep_in_series_query(self) -> Statement:
        """Note that the series itself wrote the present versions of its trainings ``ids``."""
        return Statement(
            sa.update(TRAININGS)
            .where(TRAININGS.c.id == sa.func.any(_IDS))
            .values(series_version=TRAININGS.c.version)
        )


_IDS: sa.ColumnElement[Any] = sa.bindparam("ids", type_=ARRAY(sa.Uuid))
_SLOT = {name: TRAININGS.c[name].type for name in ("id", "series_date", "starts_at", "ends_at")}


def _each(name: str, **columns: Any) -> Any:
    """Return rows whose columns are arrays, which are parameters: ``ids`` for ``id``."""
    arrays = [sa.bindparam(f"{column}s", type_=ARRAY(kind)) for column, kind in columns.items()]
    typed = [sa.column(column, kind) for column, kind in columns.items()]
    return sa.func.unnest(*arrays).table_valued(*typed).render_derived(name=name)


def _shared(name: str) -> sa.ColumnElement[Any]:
    """Return the parameter for a value that all trainings of a series get."""
    return sa.bindparam(f"series_{name}", type_=TRAININGS.c[name].type)


def _counting(written: sa.CTE, verb: str, **columns: Any) -> Statement:
    """Count the trainings that a CTE writes, and add an event for each."""
    event = TRAINING_QUERIES.event_cte(written, verb, **columns)
    return Statement(sa.select(seats.number_of(written)).add_cte(event))


SERIES_QUERIES = SeriesQueries(
    Series,
    SeriesRead,
    filters={"centre_id": Compare(SERIES.c.centre_id)},
    centre="centre_id",
)
