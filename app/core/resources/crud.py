"""The statements that every feature runs on its rows."""

from collections.abc import Iterator, Mapping, Sequence, Set
from functools import cache, lru_cache
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

import sqlalchemy as sa
from asyncpg import CheckViolationError, ForeignKeyViolationError, UniqueViolationError
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import ARRAY

from app.core.db.constraints import already_taken, reference_missing, refused
from app.core.db.statements import Statement, new_value, new_values
from app.core.db.transactions import Runner
from app.core.errors import DomainError, NotFound, PreconditionFailed, StillInUse
from app.core.resources.fields import new_id
from app.core.resources.models import Payload, Row, derived_columns, table_of, written_columns
from app.core.resources.paging import LARGEST_PAGE, ListQuery, PageOfJSON, Place, name_of_list
from app.core.resources.projection import Projection
from app.core.resources.text import LAST_ENDING

Create = TypeVar("Create", bound=Payload)
Update = TypeVar("Update", bound=Payload)

SHAPES = 2048
"""How many shapes of a statement are kept; a shape is which fields or filters are given."""

Versions = list[int] | None
"""The versions of which a row has to be to be changed; None if any will do."""

Start = Literal["top", "place", "offset"]
"""Where a page begins: at the first row, at the place of a cursor, or after so many rows."""


def as_expected(table: sa.Table) -> Iterator[sa.ColumnElement[bool]]:
    """Yield the conditions for the row of an id, if it is of an expected version."""
    expected = sa.bindparam("expected", type_=ARRAY(sa.Integer))
    yield table.c.id == sa.bindparam("id")
    yield sa.or_(expected.is_(None), table.c.version == sa.func.any(expected))


class Resource(NamedTuple):
    """One row, its ``body`` the JSON that the database wrote."""

    id: UUID
    version: int
    body: str


class CRUD(Generic[Create, Update]):
    """Creates, reads, lists, changes and deletes the rows of one table.

    A feature's class names its table and its read models, and adds the filters of its list.
    """

    row: ClassVar[type[Row]]
    read: ClassVar[type[BaseModel]]
    summary: ClassVar[type[BaseModel]]
    """What a row reads as in a list."""
    sorts: ClassVar[Mapping[str, str]] = {"name": "name_key", "created_at": "created_at"}
    """The column behind each sort."""

    def __init__(self, database: Runner) -> None:
        self._database = database

    async def create(self, payload: Create) -> Resource:
        """Insert a row; raise ``AlreadyTaken`` or ``ReferenceMissing``."""
        values = self._written({"id": new_id(), **payload.model_dump()})
        created = await self._written_row(self._database, self.insert_statement(), values)
        assert created
        return created

    async def get(self, row_id: UUID) -> Resource:
        """Read a row; raise ``NotFound``."""
        return self._resource_of(await self._database.row_of(self.get_statement(), row_id))

    async def page(self, query: ListQuery, scope: Mapping[str, Any] | None = None) -> PageOfJSON:
        """List the rows that match a query, within a scope: filters that the path gives."""
        filters = {**query.filters(), **(scope or {})}
        list_name = name_of_list(self.row.__name__, filters, query.sort)
        values: dict[str, Any] = {**filters, "limit": query.limit}
        start: Start = "top"
        if query.cursor is not None:
            query.refuse_offset()
            start = "place"
            place = Place.of_cursor(query.cursor, list_name, self._key(query.sort).type.python_type)
            values |= {"place_key": place.key, "place_id": place.id}
        elif query.offset is not None:
            start = "offset"
            values["offset"] = query.offset
        statement = self.list_statement(frozenset(filters), query.sort, start, query.total)
        items, key, row_id, total = await self._database.row(statement, values)
        cursor = None if row_id is None else Place(key, UUID(row_id)).cursor(list_name)
        return PageOfJSON(items, cursor, total)

    async def update(self, row_id: UUID, payload: Update, expected: Versions = None) -> Resource:
        """Change the fields that are given, if the row is of an expected version.

        The version grows only if a value changes. Raise ``NotFound``, ``PreconditionFailed``,
        ``AlreadyTaken`` or ``ReferenceMissing``.
        """
        fields = payload.model_dump(exclude_unset=True)
        if not fields:
            found = await self.get(row_id)
            if expected is not None and found.version not in expected:
                raise self.changed_meanwhile()
            return found
        values = {"id": row_id, "expected": expected, **self._written(fields)}
        changed = await self._changed(frozenset(fields), values)
        if changed is None:
            raise await self._why_unchanged(row_id)
        return changed

    async def delete(self, row_id: UUID, expected: Versions = None) -> None:
        """Delete a row, if it is of an expected version.

        Raise ``NotFound``, ``PreconditionFailed`` or ``StillInUse``.
        """
        values = {"id": row_id, "expected": expected}
        try:
            deleted = await self._database.row(self.delete_statement(), values)
        except ForeignKeyViolationError:
            raise StillInUse(f"This {self.noun()} is still in use.") from None
        if deleted is None:
            raise await self._why_unchanged(row_id)

    async def require(self, row_id: UUID) -> None:
        """Raise ``NotFound`` unless there is such a row."""
        await self.get(row_id)

    @classmethod
    def noun(cls) -> str:
        """Name what a row is, for people."""
        return cls.row.__name__.lower()

    @classmethod
    def not_found(cls) -> NotFound:
        """Make the error for a row that is not there."""
        return NotFound(f"There is no such {cls.noun()}.")

    @classmethod
    def changed_meanwhile(cls) -> PreconditionFailed:
        """Make the error for a row that is not of an expected version."""
        return PreconditionFailed(f"This {cls.noun()} is not as you know it; read it again.")

    @classmethod
    def filters(cls, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each filter that is given."""
        if "name" in given:
            yield sa.func.strpos(table_of(cls.row).c.name_key, sa.bindparam("name")) > 0
        if "name_prefix" in given:
            name_key = table_of(cls.row).c.name_key
            prefix = sa.bindparam("name_prefix", type_=sa.Text)
            yield name_key >= prefix
            yield name_key < prefix + LAST_ENDING

    @classmethod
    @cache
    def insert_statement(cls) -> Statement:
        """Insert one row and read it."""
        return Statement(Projection(cls.read, cls.row).each(cls.inserted()))

    @classmethod
    @lru_cache(maxsize=SHAPES)
    def update_statement(cls, fields: frozenset[str]) -> Statement:
        """Change the given fields of one row and read it."""
        return Statement(Projection(cls.read, cls.row).each(cls.updated(fields)))

    @classmethod
    @cache
    def delete_statement(cls) -> Statement:
        """Delete one row."""
        table = table_of(cls.row)
        return Statement(sa.delete(table).where(*as_expected(table)).returning(table.c.id))

    @classmethod
    @cache
    def get_statement(cls) -> Statement:
        """Read the rows of some ids."""
        ids = sa.bindparam("ids", type_=ARRAY(sa.Uuid))
        return cls._read_statement(table_of(cls.row).c.id == sa.func.any(ids))

    @classmethod
    @cache
    def find_statement(cls, column: str) -> Statement:
        """Read the one row with a value in a unique column."""
        return cls._read_statement(table_of(cls.row).c[column] == sa.bindparam(column))

    @classmethod
    def _read_statement(cls, wanted: sa.ColumnElement[bool]) -> Statement:
        projection = Projection(cls.read, cls.row)
        found = sa.select(*projection.columns).where(wanted).cte("found")
        return Statement(projection.each(found))

    @classmethod
    @lru_cache(maxsize=SHAPES)
    def list_statement(
        cls, filters: frozenset[str], sort: str, start: Start, total: bool
    ) -> Statement:
        """Read a page of the rows that match: ``items, key, id, total``.

        ``key`` and ``id`` are the place of the row after the page, null if there is none.
        The page is found first, by one row more than it holds; only then is its JSON built.
        """
        table = table_of(cls.row)
        projection = Projection(cls.summary, cls.row)
        key = cls._key(sort)
        columns = list(dict.fromkeys([*projection.columns, key]))
        limit = sa.bindparam("limit", type_=sa.Integer)
        if filters or start == "offset":
            # Rows are skipped: an index tells the places, and only the rows of the page are read.
            place = cls._found([key, table.c.id], filters, sort, start, limit).subquery("place")
            found = sa.select(*columns, place.c.position).join(place, place.c.id == table.c.id)
        else:
            found = cls._found(columns, filters, sort, start, limit)
        page = projection.many(found.cte("found"), key.name, limit)
        matching = sa.select(sa.func.count()).select_from(table).where(*cls.filters(filters))
        counted = matching.scalar_subquery() if total else sa.null()
        return Statement(page.add_columns(counted.label("total")))

    @classmethod
    def inserted(cls) -> sa.CTE:
        """Insert a row with every column that a client or the derivation gives a value."""
        table = table_of(cls.row)
        values = {column: new_value(column) for column in written_columns(table)}
        returned = Projection(cls.read, cls.row).columns
        return sa.insert(table).values(values).returning(*returned).cte("inserted")

    @classmethod
    def updated(cls, fields: Set[str], *also_changed: sa.ColumnElement[bool]) -> sa.CTE:
        """Set the given fields; count a change if one differs, or something else has changed."""
        table = table_of(cls.row)
        written = [
            column
            for column in table.c
            if column.name in fields or column.info.get("source") in fields
        ]
        values = {column: new_value(column) for column in written}
        changed = sa.or_(
            *(column.is_distinct_from(value) for column, value in values.items()), *also_changed
        )
        counted = {
            table.c.version: table.c.version + sa.case((changed, 1), else_=0),
            table.c.updated_at: sa.case(
                (changed, sa.func.statement_timestamp()), else_=table.c.updated_at
            ),
        }
        return (
            sa.update(table)
            .where(*as_expected(table))
            .values({**values, **counted})
            .returning(*Projection(cls.read, cls.row).columns)
            .cte("updated")
        )

    async def _find(self, column: str, value: object) -> Resource:
        return self._resource_of(
            await self._database.row(self.find_statement(column), {column: value})
        )

    def _resource_of(self, row: Any) -> Resource:
        if row is None:
            raise self.not_found()
        return Resource(*row)

    async def _changed(self, fields: frozenset[str], values: Mapping[str, Any]) -> Resource | None:
        """Change some fields of the row that the values mean, if it is as expected."""
        return await self._written_row(self._database, self.update_statement(fields), values)

    async def _written_row(
        self, runner: Runner, statement: Statement, values: Mapping[str, Any]
    ) -> Resource | None:
        """Write a row and return it.

        Raise ``AlreadyTaken``, ``ReferenceMissing``, or what a rule of the table's means.
        """
        try:
            written = await runner.row(statement, values)
        except CheckViolationError as error:
            given = {name.removeprefix("new_") for name in values}
            raise refused(error, given) or error from None
        except UniqueViolationError as error:
            raise already_taken(error) from None
        except ForeignKeyViolationError as error:
            raise reference_missing(error) from None
        return Resource(*written) if written else None

    async def _why_unchanged(self, row_id: UUID) -> DomainError:
        """Tell why a row was not changed: it is not there, or not as expected."""
        await self.require(row_id)
        return self.changed_meanwhile()

    def _written(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Name the values to write, those of derived columns among them."""
        return new_values({**fields, **derived_columns(self.row, fields)})

    @classmethod
    def _found(
        cls,
        columns: Sequence[sa.Column[Any]],
        filters: Set[str],
        sort: str,
        start: Start,
        limit: sa.ColumnElement[int],
    ) -> sa.Select[Any]:
        """Select some columns of the rows of a page and of the next row, each with its position."""
        table = table_of(cls.row)
        key = cls._key(sort)

        def ordered(source: sa.FromClause) -> list[sa.ColumnElement[Any]]:
            places = source.c[key.name], source.c.id
            return [column.desc() if sort.startswith("-") else column.asc() for column in places]

        # A LIMIT that is a parameter is planned badly, so the largest stands in the text.
        candidates = (
            sa.select(*columns)
            .where(*cls.filters(filters))
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
        position = sa.func.row_number().over(order_by=ordered(candidate)).label("position")
        return (
            sa.select(candidate, position)
            .order_by(*ordered(candidate))
            .limit(limit + sa.literal_column("1"))
        )

    @classmethod
    def _key(cls, sort: str) -> sa.Column[Any]:
        return table_of(cls.row).c[cls.sorts[sort.removeprefix("-")]]
