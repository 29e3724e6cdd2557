"""Batching of reads by id: one statement for several ids, and errors that stay separate."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from asyncpg import Connection
from httpx import AsyncClient

from app.conftest import API, not_found
from app.core.db.batching import LARGEST, Batches, SharedReads
from app.core.db.savepoints import Savepoints
from app.core.db.statements import Statement
from app.core.db.transactions import Transaction
from app.core.errors import Unavailable
from app.core.resources.fields import new_id


class Table:
    """A table with a row for every id, except ids that are ``missing`` or ``unreadable``."""

    def __init__(self) -> None:
        self.statements: list[list[UUID]] = []
        self.missing: set[UUID] = set()
        self.unreadable: set[UUID] = set()
        self.gone = False
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def read(self, ids: list[UUID]) -> list[Any]:
        self.statements.append(ids)
        await self.go_on.wait()
        if self.gone:
            raise Unavailable("The database does not answer.")
        if self.unreadable.intersection(ids):
            raise ValueError
        return [{"id": row_id} for row_id in reversed(ids) if row_id not in self.missing]


@pytest.fixture
def table() -> Table:
    return Table()


async def asked(batches: Batches, ids: list[UUID]) -> list[asyncio.Task[Any]]:
    """Request each of the ids, and return when all requests wait."""
    tasks = [asyncio.create_task(batches.row(row_id)) for row_id in ids]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_ids_requested_while_a_statement_runs_share_the_next_one(table: Table) -> None:
    batches = Batches(table.read)
    first, *others = ids = [new_id() for _ in range(5)]
    table.missing = {ids[2]}
    table.go_on.clear()

    tasks = await asked(batches, [first])
    tasks += await asked(batches, others)
    table.go_on.set()
    rows = await asyncio.gather(*tasks)

    assert table.statements == [[first], others]
    assert rows == [None if row_id in table.missing else {"id": row_id} for row_id in ids]


async def test_two_requests_for_one_id_both_get_the_row(table: Table) -> None:
    batches = Batches(table.read)
    row_id = new_id()

    rows = await asyncio.gather(*(batches.row(row_id) for _ in range(2)))

    assert rows == [{"id": row_id}] * 2


async def test_a_statement_has_a_maximum_number_of_ids(table: Table) -> None:
    batches = Batches(table.read)
    ids = [new_id() for _ in range(2 * LARGEST + 1)]

    rows = await asyncio.gather(*map(batches.row, ids))

    assert rows == [{"id": row_id} for row_id in ids]
    assert [len(statement) for statement in table.statements] == [LARGEST, LARGEST, 1]


async def test_a_disconnected_client_does_not_cancel_its_batch(table: Table) -> None:
    batches = Batches(table.read)
    table.go_on.clear()
    ids = [new_id() for _ in range(4)]
    tasks = await asked(batches, ids[:2])
    tasks += await asked(batches, ids[2:])

    tasks[0].cancel()
    tasks[2].cancel()
    table.go_on.set()
    rows = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(row) for row in rows] == [asyncio.CancelledError, dict] * 2
    assert await batches.row(ids[0]) == {"id": ids[0]}


async def test_an_unreadable_row_fails_only_its_own_request(table: Table) -> None:
    batches = Batches(table.read)
    ids = [new_id() for _ in range(3)]
    table.unreadable = {ids[1]}

    rows = await asyncio.gather(*map(batches.row, ids), return_exceptions=True)

    assert [type(row) for row in rows] == [dict, ValueError, dict]


async def test_an_unavailable_database_is_queried_once_for_the_whole_batch(table: Table) -> None:
    batches = Batches(table.read)
    table.gone = True

    rows = await asyncio.gather(*(batches.row(new_id()) for _ in range(3)), return_exceptions=True)
    table.gone = False

    assert [type(row) for row in rows] == [Unavailable] * 3
    assert len(table.statements) == 1
    assert await batches.row(row_id := new_id()) == {"id": row_id}


async def test_concurrent_reads_each_get_their_own_row(pooled_client: AsyncClient) -> None:
    url = f"{API}/categories"
    created = [
        (await pooled_client.post(url, json={"name": f"Level {number}"})).json()
        for number in range(30)
    ]
    missing = new_id()

    *found, absent = await asyncio.gather(
        *(pooled_client.get(f"{url}/{one['id']}") for one in created),
        pooled_client.get(f"{url}/{missing}"),
    )

    assert [response.json() for response in found] == created
    assert not_found(absent)


class Board:
    """A document that changes: each read returns how often it was written before the read began."""

    def __init__(self) -> None:
        self.reads: list[int] = []
        self.written = 0
        self.go_on = asyncio.Event()
        self.error: Exception | None = None

    async def read(self) -> int:
        written = self.written
        self.reads.append(written)
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return written


async def readers(shared: SharedReads, board: Board, number: int = 1, key: str = "a") -> list[Any]:
    """Request a document, and return when all requests wait."""
    tasks = [asyncio.create_task(shared.result(key, board.read)) for _ in range(number)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_requests_share_the_next_read_which_sees_all_earlier_writes() -> None:
    shared, board = SharedReads(), Board()

    early = await readers(shared, board)
    board.written = 1
    late = await readers(shared, board, 3)
    board.go_on.set()

    assert await asyncio.gather(*early, *late) == [0, 1, 1, 1]
    assert board.reads == [0, 1]
    assert await shared.result("a", board.read) == 1
    assert board.reads == [0, 1, 1]


async def test_reads_of_different_documents_do_not_wait_for_each_other() -> None:
    shared, board, other = SharedReads(), Board(), Board()
    other.go_on.set()

    waiting = await readers(shared, board)
    assert await shared.result("b", other.read) == 0
    board.go_on.set()

    assert await asyncio.gather(*waiting) == [0]


async def test_a_disconnected_client_does_not_cancel_a_shared_read() -> None:
    shared, board = SharedReads(), Board()
    first, second = await readers(shared, board, 2)
    third, fourth = await readers(shared, board, 2)

    first.cancel()
    third.cancel()
    board.go_on.set()
    results = await asyncio.gather(first, second, third, fourth, return_exceptions=True)

    assert [type(result) for result in results] == [asyncio.CancelledError, int] * 2


async def test_a_failing_read_fails_for_those_that_share_it_and_not_for_the_next() -> None:
    shared, board = SharedReads(), Board()
    board.error = ValueError()
    tasks = await readers(shared, board, 2)
    later = await readers(shared, board)
    board.go_on.set()

    failed = await asyncio.gather(*tasks, *later, return_exceptions=True)
    board.error = None

    assert [type(error) for error in failed] == [ValueError] * 3
    assert len(board.reads) == 2
    assert await shared.result("a", board.read) == 0


async def test_an_unavailable_database_is_read_once_for_all_that_wait() -> None:
    shared, board = SharedReads(), Board()
    board.error = Unavailable("The database does not answer.")
    tasks = [*await readers(shared, board, 2), *await readers(shared, board, 2)]
    board.go_on.set()

    failed = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(error) for error in failed] == [Unavailable] * 4
    assert len(board.reads) == 1


async def test_a_transaction_runs_its_shared_reads_itself(connection: Connection) -> None:
    transaction = Transaction(connection)
    statement = Statement(sa.select(sa.func.pg_current_xact_id().label("id")))
    here = await transaction.row(statement, {})

    for runner in (transaction, Savepoints(transaction)):
        assert await runner.shared_row(statement, {}) == here


async def test_concurrent_reads_of_a_timetable_see_the_writes_before_them(
    pooled_client: AsyncClient,
) -> None:
    centre = (await pooled_client.post(f"{API}/centres", json={"name": "Box"})).json()
    url = f"{API}/centres/{centre['id']}"
    waiting = [asyncio.create_task(pooled_client.get(f"{url}/timetable")) for _ in range(20)]

    for number in range(10):
        await pooled_client.patch(url, json={"name": f"Box {number}"})
        seen = await asyncio.gather(*(pooled_client.get(f"{url}/timetable") for _ in range(5)))
        names = {response.json()["centre"]["name"] for response in seen}
        assert names == {f"Box {number}"}

    assert {response.status_code for response in await asyncio.gather(*waiting)} == {200}
