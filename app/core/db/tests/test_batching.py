"""Batching of reads by id: one statement for several ids, and errors that stay separate."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from httpx import AsyncClient

from app.conftest import API, not_found
from app.core.db.batching import LARGEST, Batches
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
