"""The query plans of the statements of every list, over many rows.

The lists, with their filters and sorts, are those of the OpenAPI document. The rows are those of
``many_rows`` in the tests of each feature.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import chain, combinations
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlmodel import SQLModel

from app.api.tests.features import modules
from app.api.tests.operations import operations, usual_value
from app.application import create_app
from app.calendars.queries import athlete_query, centre_query, secret_query
from app.conftest import Databases
from app.core.access import Caller
from app.core.db.statements import Statement
from app.core.http.tests.document import Document
from app.core.resources.fields import new_id
from app.core.resources.paging import ListQuery
from app.core.settings import Settings
from app.identity.models import SCOPES

pytestmark = pytest.mark.slow

ROWS: dict[str, str] = {
    table: sql for module in modules("many_rows") for table, sql in module.ROWS.items()
}
WIDE: set[str] = {"name"}.union(*(getattr(module, "WIDE", ()) for module in modules("many_rows")))
"""Filters that do not bound a count: any part of the rows may match, and ``total`` counts them.

Part of a name may be anywhere in the name. A page is bounded anyway: an index scan in the order
of the list stops when the page is full.
"""
MOST_FILTERS = 3
"""More filters at once only add conditions to a scan that fewer of them have chosen."""
LARGE = 1000
"""A table with more rows is large: no list may read all of it."""


class Recorder:
    """A fake database that records statements, and has a row for every id."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.costly = self

    async def row(self, statement: Statement, values: Any) -> Any:
        """Record the statement of a list, and return a page that has a next page."""
        self.statements.append(statement)
        key = 1 if "ORDER BY competition_events.ordinal" in statement.text else datetime.now(UTC)
        return "[]", key, str(new_id()), None

    async def row_by_id(self, statement: Statement, row_id: UUID) -> Any:
        """Return a row with this id, at the first centre."""
        found = Found(id=row_id, version=1, body='{"centres":[]}')
        if "centres" in statement.text.partition("AS body")[2].partition("FROM")[0]:
            found["centres"] = [UUID(int=1)]
        return found


class Found(dict[str, Any]):
    """A row: a mapping whose iterator yields values, as that of asyncpg does."""

    def __iter__(self) -> Any:
        return iter(self.values())


ADMIN = Caller(new_id(), "personal", frozenset(SCOPES), new_id(), is_admin=True)


class AnyCaller:
    """Finds a caller, by default an administrator, for every token."""

    def __init__(self, caller: Caller = ADMIN) -> None:
        self._caller = caller

    def recent(self, token: bytes) -> Caller:
        """Return the caller."""
        return self._caller


class Listing(NamedTuple):
    """A path that lists rows, its sorts, and the schemas of its filters."""

    path: str
    filters: dict[str, Any]
    sorts: list[str]

    def shapes(self) -> Iterator[tuple[dict[str, str], str]]:
        """Yield each set of at most ``MOST_FILTERS`` filters, with values, for each sort.

        The largest sets are for the ascending sorts: a descending one reads the same index.
        """
        sizes = range(min(len(self.filters), MOST_FILTERS) + 1)
        for some in chain.from_iterable(combinations(sorted(self.filters), n) for n in sizes):
            for sort in self.sorts:
                if len(some) < MOST_FILTERS or not sort.startswith("-"):
                    yield {name: usual_value(self.filters[name], "x") for name in some}, sort


class Asked(NamedTuple):
    """A request for a list, and the statement that it runs."""

    listing: Listing
    filters: frozenset[str]
    start: str
    total: bool
    text: str

    @property
    def table(self) -> str:
        """The table whose rows are listed."""
        found = re.search(r"FROM ([a-z_]+)\s+(?:WHERE .*?)?ORDER BY \1\.", self.text, re.DOTALL)
        assert found, self.text
        return found[1]

    def conditions(self) -> str:
        """Return the conditions of the innermost select, including those of the cursor."""
        table = self.table
        innermost = re.search(
            rf"FROM {table}\s+(?:WHERE (.*?))?ORDER BY {table}\.", self.text, re.DOTALL
        )
        assert innermost, self.text
        return innermost[1] or ""

    def sort_column(self) -> str:
        """Return the column that the list is sorted by."""
        found = re.search(rf"ORDER BY {self.table}\.(\w+)", self.text)
        assert found, self.text
        return found[1]

    def filter_columns(self) -> set[str]:
        """Return the columns that the filters compare, including those of the path."""
        columns = rf"\b{self.table}\.(\w+) (?:=|<|>|\()"
        return set(re.findall(columns, self.conditions())) | set(
            re.findall(rf"strpos\({self.table}\.(\w+)", self.conditions())
        )

    def may_scan(self) -> bool:
        """Return whether the statement may read all of a large table.

        It may do so to count rows if all filters are wide. It may also do so for an offset with
        the filter ``name``, if few rows match: it then skips most of the matches.
        """
        far = self.start == "offset" and "name" in self.filters
        return (self.total or far) and self.filters <= WIDE

    def is_in_an_index(self) -> bool:
        """Return whether an index in the order of the list covers all columns of the filters."""
        skips = bool(self.filters) or self.start == "offset"
        columns = self.filter_columns()
        return skips and any(
            set(before) <= columns and columns <= held
            for before, held in sorted_indexes(self.table, self.sort_column())
        )


def sorted_indexes(table: str, sort: str) -> Iterator[tuple[list[str], set[str]]]:
    """Yield indexes that end in a sort column and the id: columns before, and all but the id."""
    for index in SQLModel.metadata.tables[table].indexes:
        columns = [column.name for column in index.columns]
        if columns[-2:] == [sort, "id"]:
            included = index.dialect_options["postgresql"]["include"] or []
            yield columns[:-2], {*columns[:-1], *included}


def leads(table: str, columns: set[str], sort: str) -> bool:
    """Return whether an index gives the order of a sort, after columns that filters compare."""
    described = SQLModel.metadata.tables[table]
    keys = [
        constraint.columns.keys()
        for constraint in described.constraints
        if isinstance(constraint, sa.UniqueConstraint | sa.PrimaryKeyConstraint)
    ]
    indexes = [[column.name for column in index.columns] for index in described.indexes]
    return any(
        sort in index and set(index[: index.index(sort)]) <= columns for index in [*keys, *indexes]
    )


def listings(document: dict[str, Any]) -> Iterator[Listing]:
    """Yield each path that returns a page."""
    for operation in operations(document):
        if operation.lists:
            filters = {
                name: schema
                for name, schema in operation.query.items()
                if name not in ListQuery.NO_FILTERS
            }
            sorts = operation.query["sort"]["enum"]
            yield Listing(operation.path, filters, sorts)


async def asked_of(client: AsyncClient, recorder: Recorder, listing: Listing) -> list[Asked]:
    """Request a list with every combination of filters, sort and start; return the statements."""
    asked: dict[str, Asked] = {}
    url = re.sub(r"{\w+}", str(new_id()), listing.path)
    within = re.findall(r"{(\w+)}", listing.path)

    async def ask(url: str, query: dict[str, str], given: dict[str, str], start: str) -> str:
        response = await client.get(url, params=query or None)
        assert response.status_code == 200, response.text
        text = recorder.statements.pop().text
        filters = frozenset([*given, *within])
        asked[text] = Asked(listing, filters, start, "total" in query, text)
        following: str = response.json()["next"]
        return following

    for given, sort in listing.shapes():
        query = {**given, "sort": sort}
        following = await ask(url, query, given, "top")
        await ask(following, {}, given, "place")
        await ask(url, {**query, "offset": "1"}, given, "offset")
        if sort == listing.sorts[0]:
            # The count is a separate subquery, which does not depend on the sort or the start.
            await ask(url, {**query, "total": "true"}, given, "top")
    return list(asked.values())


@cache
def real_app() -> FastAPI:
    """Build the app once for all callers, who read only."""
    return create_app(Settings(_env_file=None))


@asynccontextmanager
async def recording(caller: Caller) -> AsyncIterator[tuple[AsyncClient, Recorder]]:
    """Provide a client of the real app with a fake database."""
    app = real_app()
    recorder = app.state.database = Recorder()
    app.state.callers = AnyCaller(caller)
    transport = ASGITransport(app)
    token = {"Authorization": "Bearer any"}
    async with AsyncClient(transport=transport, base_url="http://x", headers=token) as client:
        yield client, recorder


@pytest.fixture(scope="module")
async def statements(document: Document) -> list[Asked]:
    """Record the statements of all lists, as an administrator runs them."""
    async with recording(ADMIN) as (client, recorder):
        lists = [await asked_of(client, recorder, one) for one in listings(document.content)]
    return list(chain.from_iterable(lists))


async def asked_by_staff(document: Document, role: str, centres: int) -> set[str]:
    """Return the statements of all lists, with one filter or none, as staff runs them."""
    roles = {UUID(int=number + 1): role for number in range(centres)}
    caller = Caller(new_id(), "session", frozenset(SCOPES), new_id(), roles=roles)
    texts = set()
    async with recording(caller) as (client, recorder):
        for listing in listings(document.content):
            url = re.sub(r"{\w+}", str(UUID(int=1)), listing.path)
            for given, sort in listing.shapes():
                if len(given) < 2:
                    await client.get(url, params={**given, "sort": sort, "limit": "50"})
                    texts |= {statement.text for statement in recorder.statements}
                    recorder.statements.clear()
    return texts


@pytest.fixture(scope="module")
def own_database(databases: Databases, template: str) -> Iterator[str]:
    """Provide the URL of a database for the tests of this module."""
    with databases.empty(template) as url:
        yield url


@pytest.fixture(scope="module")
async def filled(own_database: str) -> AsyncIterator[asyncpg.Connection]:
    """Provide a connection to a database with many rows in every table."""
    connection = await asyncpg.connect(own_database)
    # VACUUM sets the visibility map, which index-only scans need, only for commits on disk.
    await connection.execute("SET synchronous_commit = on")
    for table in SQLModel.metadata.sorted_tables:
        if table.name in ROWS:
            await connection.execute(ROWS[table.name])
    await connection.execute("VACUUM ANALYZE")
    yield connection
    await connection.close()


async def large_tables(connection: asyncpg.Connection) -> set[str]:
    """Return the names of large tables."""
    counted = "SELECT relname, reltuples FROM pg_class WHERE relkind = 'r'"
    return {name for name, rows in await connection.fetch(counted) if rows > LARGE}


async def plan_of(connection: asyncpg.Connection, text: str) -> str:
    """Return the generic plan, which is the one that the service uses."""
    await connection.execute(f"PREPARE prepared AS {text}")
    parameters = len(set(re.findall(r"\$[0-9]+", text)))
    anything = ", ".join(["NULL"] * parameters)
    lines = await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE prepared({anything})")
    await connection.execute("DEALLOCATE prepared")
    return "\n".join(line for (line,) in lines)


def is_good(asked: Asked, plan: str, large: set[str]) -> bool:
    """Return whether a plan is good, also for rare values."""
    scanned = set(re.findall(r"Seq Scan on (\w+)", plan))
    if scanned & large and not asked.may_scan():
        return False
    if asked.table not in large or not asked.is_in_an_index():
        return True
    return bool(re.search(rf"Index Only Scan .*on {asked.table}", plan))


async def test_every_list_has_a_good_query_plan(
    filled: asyncpg.Connection, statements: list[Asked]
) -> None:
    await filled.execute("SET plan_cache_mode = force_generic_plan")
    large = await large_tables(filled)

    bad = []
    for asked in statements:
        plan = await plan_of(filled, asked.text)
        if not is_good(asked, plan, large):
            bad.append(f"{asked.listing.path} by {asked.sort_column()}, {asked.filters}:\n{plan}")

    assert not bad, f"{len(bad)} plans are bad, for example {bad[0]}"


async def test_no_list_of_staff_scans_a_large_table(
    filled: asyncpg.Connection, document: Document
) -> None:
    await filled.execute("SET plan_cache_mode = force_generic_plan")
    large = await large_tables(filled)

    bad, planned = [], set[str]()
    for role in ("owner", "coach"):
        for centres in (1, 3, 40):
            new = await asked_by_staff(document, role, centres) - planned
            planned |= new
            for text in new:
                plan = await plan_of(filled, text)
                if large & set(re.findall(r"Seq Scan on (\w+)", plan)):
                    bad.append(f"{role} at {centres} centres: {text}\n{plan}")

    assert not bad, f"{len(bad)} plans are bad, for example {bad[0]}"


@pytest.mark.parametrize("statement", [secret_query, centre_query, athlete_query])
async def test_a_calendar_scans_no_large_table(
    filled: asyncpg.Connection, statement: Callable[[], Statement]
) -> None:
    await filled.execute("SET plan_cache_mode = force_generic_plan")

    plan = await plan_of(filled, statement().text)

    assert not await large_tables(filled) & set(re.findall(r"Seq Scan on (\w+)", plan)), plan


def test_an_index_gives_the_order_of_every_list(statements: list[Asked]) -> None:
    without = {
        f"{asked.listing.path} by {asked.sort_column()}"
        for asked in statements
        if not leads(asked.table, asked.filter_columns(), asked.sort_column())
    }

    assert without == set()


def test_every_listed_table_has_many_rows_for_the_plan_check(statements: list[Asked]) -> None:
    listed = {asked.table for asked in statements}

    assert listed <= ROWS.keys(), "add ROWS in tests/many_rows.py of the feature"
