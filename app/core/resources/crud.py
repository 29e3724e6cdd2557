"""CRUD for all features: which statements run, in which transactions, with which errors."""

from collections.abc import Awaitable, Collection, Iterator, Mapping
from functools import reduce
from operator import or_
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID

from asyncpg import CheckViolationError, ForeignKeyViolationError, UniqueViolationError

from app.core.access import ADMINISTRATORS, NOTHING, Caller, Reach, Right
from app.core.db.constraints import already_taken, reference_missing, rule_broken
from app.core.db.statements import Statement, new_values
from app.core.db.transactions import Runner, Transaction
from app.core.errors import (
    DomainError,
    Forbidden,
    NotFound,
    PreconditionFailed,
    StillInUse,
    Unavailable,
)
from app.core.resources.fields import new_id
from app.core.resources.models import Payload
from app.core.resources.paging import ListQuery, PageOfJSON, Place, name_of_list
from app.core.resources.queries import FULL, REACH, Queries, Start

Create = TypeVar("Create", bound=Payload)
Found = TypeVar("Found")
Update = TypeVar("Update", bound=Payload)

Versions = list[int] | None
"""The versions that ``If-Match`` accepts; None accepts any."""


class Resource(NamedTuple):
    """One row; its ``body`` is the JSON that the database built."""

    id: UUID
    version: int
    body: str


class Seen(NamedTuple):
    """A row that the caller sees."""

    resource: Resource
    view: str
    """The view of the row that they see."""
    belongs: Mapping[str, Any]
    """What decides who sees it: the arguments of ``Reach.includes``."""


class CRUD(Generic[Create, Update]):
    """Creates, reads, lists, updates and deletes the rows of one table, for one caller.

    A feature's subclass sets ``queries`` and its rights, and adds its own operations. ``sees`` has
    the right to each view of a row, the best one first, and ``changes`` the right to change a row
    and to delete it. Administrators have all of them.
    """

    queries: ClassVar[Queries]
    sees: ClassVar[Mapping[str, Right]] = {FULL: ADMINISTRATORS}
    changes: ClassVar[Right] = ADMINISTRATORS

    def __init__(self, database: Runner, caller: Caller) -> None:
        self._database = database
        self._caller = caller

    async def create(self, payload: Create) -> Resource:
        """Insert a row.

        Raise ``Forbidden``, ``AlreadyTaken``, ``ReferenceMissing`` or the error of a ``Rule``.
        """
        if not self._caller.is_admin:
            await self._check_creation(payload)
        fields = {"id": new_id(), **payload.model_dump()}
        values = new_values(self.queries.table, fields)
        return await self._insert(self._database, values)

    async def get(self, row_id: UUID) -> Resource:
        """Read a row; raise ``NotFound``, also if the caller does not see it."""
        return await self._read(self._database, row_id)

    async def page(self, query: ListQuery, scope: Mapping[str, Any] | None = None) -> PageOfJSON:
        """Return a page of the rows that match a query and a scope: filters from the path.

        It has the rows that the caller sees. Its cursors are for callers who see the same rows.
        """
        queries = self.queries
        given = {**query.filters(), **(scope or {})}
        view, reach = self._listed()
        filters, values = self._within(reach, given)
        named = given if reach.is_all else {**given, REACH: reach.name()}
        list_name = name_of_list(queries.row.__name__, named, query.sort)
        values["limit"] = query.limit
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
        statement = queries.list_query(filters, query.sort, start, query.total, view)
        reader = self._database.costly if query.is_costly else self._database
        items, key, row_id, total = await reader.row(statement, values)
        cursor = None if row_id is None else Place(key, UUID(row_id)).cursor(list_name)
        return PageOfJSON(items, cursor, total)

    async def page_within(
        self, parents: "CRUD[Any, Any]", parent_id: UUID, query: ListQuery
    ) -> PageOfJSON:
        """Return a page of the rows of one parent, such as a category.

        The filter is named after the parent: ``category_id``. Raise ``NotFound`` if the parent does
        not exist, or the caller does not see it.
        """
        is_sure = self._caller.is_admin
        if not is_sure:
            await parents.require(parent_id)
        page = await self.page(query, {f"{parents.noun().replace(' ', '_')}_id": parent_id})
        if page.is_empty and is_sure:
            await parents.require(parent_id)
        return page

    async def update(self, row_id: UUID, payload: Update, expected: Versions = None) -> Resource:
        """Change the given fields, if the row has an expected version (optimistic locking).

        The version grows only if a value changes. Raise ``NotFound``, ``Forbidden``,
        ``PreconditionFailed``, ``AlreadyTaken``, ``ReferenceMissing`` or the error of a ``Rule``.
        """
        fields = payload.model_dump(exclude_unset=True)
        if not fields:
            found = await self.get(row_id)
            if expected is not None and found.version not in expected:
                raise self.changed_meanwhile()
            return found
        reach = self._right_to_change(fields.keys()).reach(self._caller)
        if not reach:
            raise await self._why_unchanged(row_id, reach)
        values = {
            "id": row_id,
            "expected": expected,
            **new_values(self.queries.table, fields),
            **reach.values(),
        }
        changed = await self._update(frozenset(fields), values)
        if changed is None:
            raise await self._why_unchanged(row_id, reach)
        return changed

    async def delete(self, row_id: UUID, expected: Versions = None) -> None:
        """Delete a row, if it has an expected version (optimistic locking).

        Raise ``NotFound``, ``Forbidden``, ``PreconditionFailed`` or ``StillInUse``.
        """
        reach = self.changes.reach(self._caller)
        if not reach:
            raise await self._why_unchanged(row_id, reach)
        values = {"id": row_id, "expected": expected, **reach.values()}
        try:
            deleted = await self._database.row(self.queries.delete_query(), values)
        except ForeignKeyViolationError:
            raise StillInUse(f"This {self.noun()} is still in use.") from None
        if deleted is None:
            raise await self._why_unchanged(row_id, reach, deleting=True)

    async def require(self, row_id: UUID) -> None:
        """Raise ``NotFound`` if the row does not exist, or the caller does not see it."""
        await self.get(row_id)

    def reach(self) -> Reach:
        """Return the rows that the caller sees, in any view."""
        return reduce(or_, (reach for _, reach in self._views()), NOTHING)

    @classmethod
    def noun(cls) -> str:
        """Return the name of a row in messages: ``athlete``."""
        return cls.queries.noun

    @classmethod
    def not_found(cls) -> NotFound:
        """Make the error for a row that does not exist."""
        return NotFound(f"There is no such {cls.noun()}.")

    @classmethod
    def forbidden(cls) -> Forbidden:
        """Make the error for a row that the caller sees, but may not change."""
        return Forbidden(f"Your roles do not allow this with this {cls.noun()}.")

    @classmethod
    def changed_meanwhile(cls) -> PreconditionFailed:
        """Make the error for a row that has none of the expected versions."""
        return PreconditionFailed(
            f"This {cls.noun()} has a version that If-Match does not accept; read it again."
        )

    # For subclasses in features.

    async def _check_creation(self, payload: Create) -> None:
        """Raise ``Forbidden`` if a caller who is no administrator may not create this row."""
        raise self.forbidden()

    def _right_to_change(self, fields: Collection[str]) -> Right:
        """Return the right to change some fields of a row."""
        return self.changes

    async def _read(self, runner: Runner, row_id: UUID) -> Resource:
        if self._caller.is_admin:  # what follows would give the same, some microseconds later
            return self._found(await runner.row_by_id(self.queries.get_query(), row_id))
        return (await self._see(runner, row_id)).resource

    async def _see(self, runner: Runner, row_id: UUID) -> Seen:
        """Read a row in the best view that the caller has of it; raise ``NotFound``."""
        for view, reach in self._views():
            if reach.is_all:
                row = await runner.row_by_id(self.queries.get_query(view), row_id)
                return Seen(self._found(row), view, {})
            row = await runner.row_by_id(self.queries.locate_query(view), row_id)
            if row is None:
                break
            if seen := self._seen(row, view, reach):
                return seen
        raise self.not_found()

    def _seen(self, row: Any, view: str, reach: Reach) -> Seen | None:
        """Make what the caller sees of a row of ``locate_query``; None if that is nothing."""
        belongs = _belonging(row)
        if not reach.includes(**belongs):
            return None
        body = self._shown(row["body"], view)
        return Seen(Resource(row["id"], row["version"], body), view, belongs)

    def _shown(self, body: str, view: str) -> str:
        """Return what the caller sees of the JSON of a row."""
        return body

    def _views(self) -> Iterator[tuple[str, Reach]]:
        """Yield the views in which the caller may see some rows, each with those rows."""
        for view, right in self.sees.items():
            if reach := right.reach(self._caller):
                yield view, reach

    def _listed(self) -> tuple[str, Reach]:
        """Return the view of a list, and the rows that it may have.

        It is the best view that the caller has of all these rows, or else the last one.
        """
        views = list(self._views()) or [(FULL, NOTHING)]
        reach = self.reach()
        view = next((view for view, rows in views if rows == reach), views[-1][0])
        return view, reach

    def _within(
        self, reach: Reach, given: Mapping[str, Any]
    ) -> tuple[frozenset[str], dict[str, Any]]:
        """Return the filters of a list within a reach, and the parameters of its statement."""
        if reach.is_all:
            return frozenset(given), dict(given)
        return frozenset([*given, REACH]), {**given, **reach.values()}

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

    async def _why_unchanged(
        self, row_id: UUID, reach: Reach, *, deleting: bool = False
    ) -> DomainError:
        """Return the error for a row that was not changed, or not deleted.

        The caller does not see it, or may not change it, or it has another version. To a retry,
        the error may say that the first request succeeded. So it waits for a standby.
        """
        if not await self._waits_for_standby(row_id):
            return self.not_found()
        if self._caller.is_admin:
            return self.changed_meanwhile()
        try:
            await self._see(self._database, row_id)
        except NotFound as unseen:
            return unseen
        row = await self._database.row_by_id(self.queries.locate_query(), row_id)
        if row is None:
            return self.not_found()
        belongs = _belonging(row)
        may = self._may_delete(reach, belongs) if deleting else reach.includes(**belongs)
        return self.changed_meanwhile() if may else self.forbidden()

    def _may_delete(self, reach: Reach, belongs: Mapping[str, Any]) -> bool:
        """Return whether a caller whose right has this reach may delete a row."""
        return reach.includes(**belongs)

    async def _after_standby(self, row_id: UUID, found: Awaitable[Found]) -> Found:
        """Await something; if that raises ``NotFound``, raise it once a standby has all writes.

        The first request of a retry may have deleted the row.
        """
        try:
            return await found
        except NotFound:
            await self._waits_for_standby(row_id)
            raise

    async def _waits_for_standby(self, row_id: UUID) -> bool:
        """Return whether a row exists, once a synchronous standby has all earlier writes."""
        (exists, _) = await self._database.row(self.queries.exists_query(), {"id": row_id})
        return bool(exists)


def _belonging(row: Any) -> dict[str, Any]:
    """Return what decides who sees a row of ``locate_query``: its columns after the resource."""
    return dict(list(row.items())[len(Resource._fields) :])
