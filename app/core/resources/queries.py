"""The SQL statements of a resource."""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlmodel import SQLModel

from app.core.db.journal import ids_of, journal_cte, names_of, with_event_columns
from app.core.db.schema import CALLER_HOLDS, NOW, WAL_RECORD, source_of, table_of, written_columns
from app.core.db.statements import Statement, new_value
from app.core.resources.models import LAST_VERSION
from app.core.resources.paging import LARGEST_PAGE
from app.core.resources.projection import ROW_NUMBER, Links, Projection
from app.core.resources.text import LAST_ENDING

BY_NAME: Mapping[str, str] = {"name": "name_key", "created_at": "created_at"}
"""The sorts of a resource with a name, and the column behind each sort."""

Start = Literal["top", "place", "offset"]
"""Where a page begins: at the first row, at the place of a cursor, or after an offset."""
FULL = "full"
"""The view of a row with all its fields."""
REACH = "reach"
"""The filter of a list that leaves out rows beyond the caller's reach."""
REACH_CENTRES: sa.ColumnElement[Any] = sa.bindparam("reach_centres", type_=ARRAY(sa.Uuid))
REACH_TODAY: sa.ColumnElement[Any] = sa.bindparam("reach_today", type_=ARRAY(sa.Uuid))
REACH_PUBLISHED: sa.ColumnElement[Any] = sa.bindparam("reach_published", type_=ARRAY(sa.Uuid))
REACH_ATHLETE: sa.ColumnElement[Any] = sa.bindparam("reach_athlete", type_=sa.Uuid)
REACH_PUBLIC: sa.ColumnElement[bool] = sa.bindparam("reach_public", type_=sa.Boolean)
"""The parameters of a ``Reach``."""
_REACH_ALL: sa.ColumnElement[bool] = sa.bindparam("reach_all", type_=sa.Boolean)

NO_CONDITIONS: Mapping[str, sa.ColumnElement[bool]] = {}

compiled_once = lru_cache(maxsize=2048)
"""Caches the compiled statements of a method: one for each set of fields or filters."""


class Compare(NamedTuple):
    """A filter that compares a column with the given value."""

    column: sa.ColumnElement[Any]
    by: Callable[[Any, Any], Any] = operator.eq


class View(NamedTuple):
    """The read models of a row, and of a row in a list, for callers who see some of its fields."""

    read: type[BaseModel]
    summary: type[BaseModel]


class Queries:
    """Builds the statements of one resource.

    ``row`` is its table, ``read`` the read model of one row, and ``summary`` the read model of a
    row in a list (default ``read``). ``sorts`` names the column behind each sort, and ``filters``
    what each filter of the list compares. ``views`` has the read models of the views of a row with
    fewer fields. ``centre`` names the column with the centre that a row belongs to, and ``athlete``
    that with the athlete that its events are about, if that is not ``athlete_id``. ``noun`` is the
    name of a row in messages, if it is not that of the class. A feature with other SQL overrides a
    method.
    """

    def __init__(
        self,
        row: type[SQLModel],
        read: type[BaseModel],
        summary: type[BaseModel] | None = None,
        *,
        sorts: Mapping[str, str] = BY_NAME,
        filters: Mapping[str, Compare] | None = None,
        views: Mapping[str, View] | None = None,
        centre: str | None = None,
        athlete: str | None = None,
        noun: str | None = None,
    ) -> None:
        self.row = row
        self.table = table_of(row)
        self.sorts = sorts
        self._filters = filters or {}
        self._views = {FULL: View(read, summary or read), **(views or {})}
        self._centre, self._athlete = centre, athlete
        self.noun = noun or row.__name__.lower()
        """The name of a row in messages: ``athlete``."""

    @property
    def projection(self) -> Projection:
        """The projection of one row, with all fields."""
        return Projection(self._views[FULL].read, self.row)

    # Statements that CRUD runs.

    @compiled_once
    def get_query(self, view: str = FULL) -> Statement:
        """Read the rows of some ``ids``."""
        return Statement(self._read_query(self._has_one_of_ids(), view))

    @compiled_once
    def locate_query(self, view: str = FULL) -> Statement:
        """Read the rows of some ``ids``, each with what decides who sees it."""
        return Statement(self._located(self._read_query(self._has_one_of_ids(), view)))

    @compiled_once
    def list_query(
        self, filters: frozenset[str], sort: str, start: Start, total: bool, view: str = FULL
    ) -> Statement:
        """Read a page of the rows that match: ``items, key, id, total``.

        ``key`` and ``id`` are the place of the row after the page, or null.
        The page and one more row are found first; only then is the JSON of the page built.
        """
        table = self.table
        projection = Projection(self._views[view].summary, self.row)
        key = self.sort_column(sort)
        columns = list(dict.fromkeys([*projection.columns, key]))
        limit = sa.bindparam("limit", type_=sa.Integer)
        if filters or start == "offset":
            # Rows are skipped. An index-only scan finds the places, and then only the rows of the
            # page are read.
            place = self._page_query([key, table.c.id], filters, sort, start, limit)
            places = place.subquery("place")
            found = sa.select(*columns, places.c[ROW_NUMBER]).join(
                places, places.c.id == table.c.id
            )
        else:
            found = self._page_query(columns, filters, sort, start, limit)
        page = projection.many(found.cte("found"), key.name, limit, self.links(filters))
        matching = sa.select(sa.func.count()).select_from(table).where(*self.counted(filters))
        counted = matching.scalar_subquery() if total else sa.null()
        return Statement(page.add_columns(counted.label("total")))

    @compiled_once
    def insert_query(self) -> Statement:
        """Insert one row and read it."""
        inserted = self.inserted_cte()
        created = self.event_cte(inserted, "created")
        return Statement(self.projection.each(inserted).add_cte(created))

    @compiled_once
    def update_query(self, fields: frozenset[str]) -> Statement:
        """Change the given fields of one row and read it.

        It changes nothing if another transaction has changed the row since the statement began.
        """
        updated = self.updated_cte(fields)
        return Statement(self.projection.each(updated).add_cte(self.updated_event_cte(updated)))

    @compiled_once
    def lock_query(self) -> Statement:
        """Lock a row that the caller may change, if ``If-Match`` accepts its version.

        The lock holds until the transaction ends.
        """
        row = sa.select(self.table.c.id).where(*as_expected(self.table), self.may_change())
        return Statement(row.with_for_update(key_share=True))

    @compiled_once
    def delete_query(self) -> Statement:
        """Delete one row."""
        table = self.table
        deleted = (
            sa.delete(table)
            .where(*as_expected(table), CALLER_HOLDS, self.may_delete())
            .returning(*with_event_columns(table, self.projection.columns))
            .cte("deleted")
        )
        event = self.event_cte(deleted, "deleted", version=version_after(deleted.c.version))
        return Statement(sa.select(deleted.c.id).add_cte(event))

    @compiled_once
    def exists_query(self) -> Statement:
        """Return whether a row exists; its commit waits for a standby, as that of a write does."""
        row = sa.select(self.table.c.id).where(self.table.c.id == sa.bindparam("id"))
        return Statement(sa.select(row.exists(), WAL_RECORD))

    # Parts of these statements, also for subclasses in features.

    def conditions(self, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each filter that is given."""
        for name, (column, compare) in self._filters.items():
            if name in given:
                yield compare(column, sa.bindparam(name))
        if REACH in given:
            yield self.within_reach()
        if "name" in given:
            yield sa.func.strpos(self.table.c.name_key, sa.bindparam("name")) > 0
        if "name_prefix" in given:
            name_key = self.table.c.name_key
            prefix = sa.bindparam("name_prefix", type_=sa.Text)
            yield name_key >= prefix
            yield name_key < prefix + LAST_ENDING

    def within_reach(self) -> sa.ColumnElement[bool]:
        """Return the condition for rows within a ``Reach`` that is not all of them."""
        if self._centre is None:
            return sa.false()
        return self.table.c[self._centre] == sa.func.any(REACH_CENTRES)

    def belongs(self, source: sa.FromClause) -> Mapping[str, sa.ColumnElement[Any]]:
        """Return what decides who sees a row of ``source``: the arguments of ``Reach.includes``."""
        if self._centre is None:
            return {}
        return {"centres": array([source.c[self._centre]])}

    def may_change(self) -> sa.ColumnElement[bool]:
        """Return the condition for rows that the caller may change."""
        return sa.or_(_REACH_ALL, self.within_reach())

    def may_delete(self) -> sa.ColumnElement[bool]:
        """Return the condition for rows that the caller may delete."""
        return self.may_change()

    def links(self, filters: Set[str]) -> Links | None:
        """Return what a list reads in place of link tables, because the caller sees less."""
        return None

    def counted(self, filters: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the conditions of the rows that ``total`` counts: those of the list."""
        return self.conditions(filters)

    def read_query(self, wanted: sa.ColumnElement[bool]) -> Statement:
        """Read the rows that match a condition, each with what decides who sees it."""
        return Statement(self._located(self._read_query(wanted)))

    def _has_one_of_ids(self) -> sa.ColumnElement[bool]:
        return self.table.c.id == sa.func.any(sa.bindparam("ids", type_=ARRAY(sa.Uuid)))

    def _read_query(
        self, wanted: sa.ColumnElement[bool], view: str = FULL
    ) -> sa.Select[Any, Any, str]:
        projection = Projection(self._views[view].read, self.row)
        columns = dict.fromkeys([*projection.columns, self.table.c.version])
        return projection.each(sa.select(*columns).where(wanted).cte("found"))

    def _located(self, read: sa.Select[Any, Any, str]) -> sa.Select[Any]:
        """Add what decides who sees each row."""
        this = self.table.alias("this")
        belongs = self.belongs(this)
        columns = [value.label(name) for name, value in belongs.items()]
        return read.add_columns(*columns).join(this, this.c.id == read.selected_columns.id)

    def sort_column(self, sort: str) -> sa.Column[Any]:
        """Return the column behind a sort, ``name`` or ``-name``."""
        return self.table.c[self.sorts[sort.removeprefix("-")]]

    def inserted_cte(self) -> sa.CTE:
        """Insert a row with all columns that have no default in the database."""
        columns = written_columns(self.table)
        row = sa.select(*map(new_value, columns)).where(CALLER_HOLDS)
        inserted = sa.insert(self.table).from_select(columns, row)
        return inserted.returning(*with_event_columns(self.table, self.projection.columns)).cte(
            "inserted"
        )

    def updated_cte(
        self, fields: Set[str], also_changed: Mapping[str, sa.ColumnElement[bool]] = NO_CONDITIONS
    ) -> sa.CTE:
        """Set the given fields; increment the version if one differs.

        ``also_changed`` has the conditions of fields in other tables. With the row, it returns
        ``version_before``, and ``changed``: the names of the fields that differ. To know these
        exactly, no row is changed if another transaction has changed it since the statement began.
        A lock in the same statement would not do: two that wait for it may deadlock.
        """
        table = self.table
        before = table.alias("before")
        written = [
            column
            for column in table.c
            if column.name in fields or column.info.get("source") in fields
        ]
        values = {column: new_value(column) for column in written}
        differs: dict[str, list[sa.ColumnElement[bool]]] = {}
        for column, value in values.items():
            differs.setdefault(source_of(column), []).append(
                before.c[column.name].is_distinct_from(value)
            )
        changed = {name: sa.or_(*some) for name, some in differs.items()} | dict(also_changed)
        version = {
            column: sa.case((sa.or_(*changed.values()), value), else_=column)
            for column, value in next_version(table).items()
        }
        returned: list[sa.ColumnElement[Any]] = [
            *with_event_columns(table, self.projection.columns),
            before.c.version.label("version_before"),
            names_of(changed).label("changed"),
        ]
        if "centre_id" in table.c:
            returned.append(before.c.centre_id.label("centre_id_before"))
        return (
            sa.update(table)
            .where(*as_expected(table), CALLER_HOLDS, self.may_change())
            .where(before.c.id == table.c.id, before.c.version == table.c.version)
            .values({**values, **version})
            .returning(*returned)
            .cte("updated")
        )

    def event_cte(self, source: sa.CTE, verb: str, **columns: Any) -> sa.CTE:
        """Add one event for each row of a CTE, as ``journal_cte`` does."""
        columns.setdefault("centre_ids", self.event_centres(source))
        if self._athlete is not None:
            columns.setdefault("athlete_id", source.c[self._athlete])
        return journal_cte(source, self.event_type(source, verb), **columns)

    def updated_event_cte(self, updated: sa.CTE, **columns: Any) -> sa.CTE:
        """Add an event for the row of ``updated_cte``, if it has a new version."""
        raised = updated.c.version != updated.c.version_before
        columns = {"changed": updated.c.changed, "conditions": [raised], **columns}
        return self.event_cte(updated, "updated", **columns)

    def event_type(self, source: sa.CTE, verb: str) -> sa.ColumnElement[str]:
        """Return the type of events about the rows of a CTE: ``athlete.updated``."""
        return sa.literal_column(f"'{self.noun.replace(' ', '_')}.{verb}'", sa.Text)

    def event_centres(self, source: sa.CTE) -> sa.ColumnElement[Any] | None:
        """Return the centres that the events of some rows are about; None for no centre."""
        if "centre_id_before" in source.c:
            moved = source.c.centre_id_before.is_distinct_from(source.c.centre_id)
            return ids_of(source.c.centre_id, sa.case((moved, source.c.centre_id_before)))
        column = source.c.get(self._centre or "centre_id")
        return None if column is None else ids_of(column)

    def _page_query(
        self,
        columns: Sequence[sa.Column[Any]],
        filters: Set[str],
        sort: str,
        start: Start,
        limit: sa.ColumnElement[int],
    ) -> sa.Select[Any]:
        """Select columns of the rows of a page and of the row after it, with their positions."""
        table = self.table
        key = self.sort_column(sort)

        def ordered(source: sa.FromClause) -> list[sa.ColumnElement[Any]]:
            places = source.c[key.name], source.c.id
            return [column.desc() if sort.startswith("-") else column.asc() for column in places]

        # A LIMIT that is a parameter gets a bad plan, so the inner LIMIT is the constant maximum.
        candidates = (
            sa.select(*columns)
            .where(*self.conditions(filters))
            .order_by(*ordered(table))
            .limit(sa.literal_column(str(LARGEST_PAGE + 1)))
        )
        if start == "place":
            here = sa.tuple_(key, table.c.id)
            place = sa.tuple_(
                sa.bindparam("place_key", type_=key.type), sa.bindparam("place_id", type_=sa.Uuid)
            )
            candidates = candidates.where(here <= place if sort.startswith("-") else here >= place)
        elif start == "offset":
            candidates = candidates.offset(sa.bindparam("offset", type_=sa.Integer))
        candidate = candidates.subquery("candidate")
        number = sa.func.row_number().over(order_by=ordered(candidate)).label(ROW_NUMBER)
        return (
            sa.select(candidate, number)
            .order_by(*ordered(candidate))
            .limit(limit + sa.literal_column("1"))
        )


def as_expected(table: sa.Table) -> Iterator[sa.ColumnElement[bool]]:
    """Yield the conditions for the row of an ``id``, if ``If-Match`` accepts its version."""
    expected = sa.bindparam("expected", type_=ARRAY(sa.Integer))
    yield table.c.id == sa.bindparam("id")
    yield sa.or_(expected.is_(None), table.c.version == sa.func.any(expected))


def next_version(table: sa.Table) -> dict[sa.Column[Any], sa.ColumnElement[Any]]:
    """Return the values of ``version`` and ``updated_at`` after a change."""
    return {
        table.c.version: version_after(table.c.version),
        table.c.updated_at: NOW,
    }


def version_after(version: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """Return the version after this one; the one after ``LAST_VERSION`` is 1."""
    return version % sa.literal_column(str(LAST_VERSION)) + sa.literal_column("1")
