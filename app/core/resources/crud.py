"""CRUD for all features: which statements run, in which transactions, with which errors."""

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID

from asyncpg import CheckViolationError, ForeignKeyViolationError, UniqueViolationError

from app.core.db.constraints import already_taken, reference_missing, rule_broken
from app.core.db.statements import Statement, new_values
from app.core.db.transactions import Runner, Transaction
from app.core.errors import (
    DomainError,
    NotFound,
    PreconditionFailed,
    StillInUse,
    Unavailable,
)
from app.core.resources.fields import new_id
from app.core.resources.models import Payload
from app.core.resources.paging import ListQuery, PageOfJSON, Place, name_of_list
from app.core.resources.queries import Queries, Start

Create = TypeVar("Create", bound=Payload)
Update = TypeVar("Update", bound=Payload)

Versions = list[int] | None
"""The versions that ``If-Match`` accepts; None accepts any."""


class Resource(NamedTuple):
    """One row; its ``body`` is the JSON that the database built."""

    id: UUID
    version: int
    body: str


class CRUD(Generic[Create, Update]):
    """Creates, reads, lists, updates and deletes the rows of one table.

    A feature's subclass sets ``queries``, and adds its own operations.
    """

    queries: ClassVar[Queries]

    def __init__(self, database: Runner) -> None:
        self._database = database

    async def create(self, payload: Create) -> Resource:
        """Insert a row; raise ``AlreadyTaken``, ``ReferenceMissing`` or the error of a ``Rule``."""
        fields = {"id": new_id(), **payload.model_dump()}
        values = new_values(self.queries.table, fields)
        return await self._insert(self._database, values)

    async def get(self, row_id: UUID) -> Resource:
        """Read a row; raise ``NotFound``."""
        return await self._read(self._database, row_id)

    async def page(self, query: ListQuery, scope: Mapping[str, Any] | None = None) -> PageOfJSON:
        """Return a page of the rows that match a query and a scope: filters from the path."""
        queries = self.queries
        filters = {**query.filters(), **(scope or {})}
        list_name = name_of_list(queries.row.__name__, filters, query.sort)
        values: dict[str, Any] = {**filters, "limit": query.limit}
        start: Start = "top"
        if query.cursor is not None:
            query.refuse_offset()
            start = "place"
            kind = queries.sort_column(query.sort).type.python_type
            place = Place.of_cursor(query.cursor, list_name, kind)
            values |= {"place_key": place.key, "place_id": place.id}
        elif query.offset is not None:
            start = "offset"
            values["offset"] = query.offset
        statement = queries.list_query(frozenset(filters), query.sort, start, query.total)
        reader = self._database.costly if query.is_costly else self._database
        items, key, row_id, total = await reader.row(statement, values)
        cursor = None if row_id is None else Place(key, UUID(row_id)).cursor(list_name)
        return PageOfJSON(items, cursor, total)

    async def page_within(
        self, parents: "CRUD[Any, Any]", parent_id: UUID, query: ListQuery
    ) -> PageOfJSON:
        """Return a page of the rows of one parent, such as a category.

        The filter is named after the parent: ``category_id``. Raise ``NotFound`` if the parent does
        not exist.
        """
        page = await self.page(query, {f"{parents.noun()}_id": parent_id})
        if page.is_empty:
            await parents.require(parent_id)
        return page

    async def update(self, row_id: UUID, payload: Update, expected: Versions = None) -> Resource:
        """Change the given fields, if the row has an expected version (optimistic locking).

        The version grows only if a value changes. Raise ``NotFound``, ``PreconditionFailed``,
        ``AlreadyTaken``, ``ReferenceMissing`` or the error of a ``Rule``.
        """
        fields = payload.model_dump(exclude_unset=True)
        if not fields:
            found = await self.get(row_id)
            if expected is not None and found.version not in expected:
                raise self.changed_meanwhile()
            return found
        values = {"id": row_id, "expected": expected, **new_values(self.queries.table, fields)}
        changed = await self._update(frozenset(fields), values)
        if changed is None:
            raise await self._why_unchanged(row_id)
        return changed

    async def delete(self, row_id: UUID, expected: Versions = None) -> None:
        """Delete a row, if it has an expected version (optimistic locking).

        Raise ``NotFound``, ``PreconditionFailed`` or ``StillInUse``.
        """
        values = {"id": row_id, "expected": expected}
        try:
            deleted = await self._database.row(self.queries.delete_query(), values)
        except ForeignKeyViolationError:
            raise StillInUse(f"This {self.noun()} is still in use.") from None
        if deleted is None:
            raise await self._why_unchanged(row_id)

    async def require(self, row_id: UUID) -> None:
        """Raise ``NotFound`` if the row does not exist."""
        await self.get(row_id)

    @classmethod
    def noun(cls) -> str:
        """Return the name of a row in messages: ``athlete``."""
        return cls.queries.row.__name__.lower()

    @classmethod
    def not_found(cls) -> NotFound:
        """Make the error for a row that does not exist."""
        return NotFound(f"There is no such {cls.noun()}.")

    @classmethod
    def changed_meanwhile(cls) -> PreconditionFailed:
        """Make the error for a row that has none of the expected versions."""
        return PreconditionFailed(
            f"This {cls.noun()} has a version that If-Match does not accept; read it again."
        )

    # For subclasses in features.

    async def _read(self, runner: Runner, row_id: UUID) -> Resource:
        return self._found(await runner.row_by_id(self.queries.get_query(), row_id))

    def _found(self, row: Any) -> Resource:
        """Make a resource of the row of a query; raise ``NotFound`` if that is None."""
        if row is None:
            raise self.not_found()
        return Resource(*row)

    @classmethod
    async def _insert(cls, runner: Runner, values: Mapping[str, Any]) -> Resource:
        """Insert a row and return it; raise what ``_write`` raises."""
        created = await cls._write(runner, cls.queries.insert_query(), values)
        if created is None:
            # The caller has lost their rights: the next statement raises that error.
            await runner.row(cls.queries.exists_query(), {"id": values["new_id"]})
            raise Unavailable("The rights of this caller are changing; try again.")
        return created

    async def _update(self, fields: frozenset[str], values: Mapping[str, Any]) -> Resource | None:
        """Change fields of the row of ``values["id"]``; None if no row has an expected version."""
        statement = self.queries.update_query(fields)
        written = await self._write(self._database, statement, values)
        if written is not None:
            return written

        async def again(transaction: Transaction) -> Resource | None:
            # If another request has just changed the row, the next statement sees that change.
            if await transaction.row(self.queries.lock_query(), values) is None:
                return None
            return await self._write(transaction, statement, values)

        return await self._database.transaction(again)

    @staticmethod
    async def _write(
        runner: Runner, statement: Statement, values: Mapping[str, Any]
    ) -> Resource | None:
        """Write a row and return it.

        Raise ``AlreadyTaken``, ``ReferenceMissing``, or the error of a violated CHECK constraint.
        """
        try:
            written = await runner.row(statement, values)
        except CheckViolationError as error:
            given = {name.removeprefix("new_") for name in values}
            raise rule_broken(error, given) or error from None
        except UniqueViolationError as error:
            raise already_taken(error) from None
        except ForeignKeyViolationError as error:
            raise reference_missing(error) from None
        return Resource(*written) if written else None

    async def _why_unchanged(self, row_id: UUID) -> DomainError:
        """Return the error for a row that was not changed: it is missing or has another version.

        To a retry, either error says that the first request succeeded. So it waits for a standby.
        """
        exists = await self._waits_for_standby(row_id)
        return self.changed_meanwhile() if exists else self.not_found()

    async def _waits_for_standby(self, row_id: UUID) -> bool:
        """Return whether a row exists, once a synchronous standby has all earlier writes."""
        (exists, _) = await self._database.row(self.queries.exists_query(), {"id": row_id})
        return bool(exists)
