"""Batching: one statement reads the rows of many ids, or one document for many requests."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextvars import Context
from typing import Any
from uuid import UUID

from app.core.errors import Unavailable

LARGEST = 100

Read = Callable[[], Awaitable[Any]]
"""Runs one read, and returns its result."""
ReadRows = Callable[[list[UUID]], Awaitable[list[Any]]]
"""Reads the rows of some ids, each with its ``id``."""


class Batches:
    """Reads rows one statement at a time: ids that arrive meanwhile form the next batch.

    No request waits for a batch to fill, and larger load gives larger batches. A client that
    disconnects does not cancel the others in its batch, and an id whose row cannot be read fails
    alone. If the database does not answer, all waiting requests fail at once: the next statement
    would have to wait as long again.
    """

    def __init__(self, read_rows: ReadRows) -> None:
        self._read_rows = read_rows
        self._waiting: list[tuple[UUID, asyncio.Future[Any]]] = []
        self._reading: asyncio.Task[None] | None = None

    async def row(self, row_id: UUID) -> Any:
        """Return the row of an id, or None."""
        loop = asyncio.get_running_loop()
        row: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((row_id, row))
        if self._reading is None:
            # An empty context: the log lines of a batch have no single request ID.
            self._reading = loop.create_task(self._read(), context=Context())
        return await row

    async def _read(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
                await self._answer(batch)
        finally:
            self._reading = None

    async def _answer(self, batch: list[tuple[UUID, asyncio.Future[Any]]]) -> None:
        try:
            found = await self._read_rows([row_id for row_id, _ in batch])
        except Exception as error:
            if isinstance(error, Unavailable):
                batch, self._waiting = batch + self._waiting, []
            elif len(batch) > 1:
                await asyncio.gather(*(self._answer([one]) for one in batch))
                return
            for _, row in batch:
                if not row.done():
                    row.set_exception(error)
            return
        rows = {row["id"]: row for row in found}
        for row_id, row in batch:
            if not row.done():  # done means cancelled: the client has disconnected
                row.set_result(rows.get(row_id))


class SharedReads:
    """Runs one read at a time for each key: requests that arrive meanwhile share the next one.

    A read begins only after the requests that share it have arrived, so each of them sees all
    earlier writes. No request waits for others to arrive. A client that disconnects does not cancel
    the read of the others. A read that fails fails for all that share it; if the database does not
    answer, all waiting requests fail at once.
    """

    def __init__(self) -> None:
        self._waiting: dict[Hashable, list[asyncio.Future[Any]]] = {}
        """The requests that share the next read, by the key of the read that runs."""
        self._reading: set[asyncio.Task[None]] = set()

    async def result(self, key: Hashable, read: Read) -> Any:
        """Return the result of a read that begins after this call."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Any] = loop.create_future()
        if key in self._waiting:
            self._waiting[key].append(result)
        else:
            self._waiting[key] = [result]
            # An empty context: the log lines of a shared read have no single request ID.
            task = loop.create_task(self._read(key, read), context=Context())
            self._reading.add(task)  # the loop itself has only a weak reference
            task.add_done_callback(self._reading.discard)
        return await result

    async def _read(self, key: Hashable, read: Read) -> None:
        try:
            while self._waiting[key]:
                sharing, self._waiting[key] = self._waiting[key], []
                await self._answer(key, sharing, read)
        finally:
            del self._waiting[key]

    async def _answer(self, key: Hashable, sharing: list[asyncio.Future[Any]], read: Read) -> None:
        try:
            found = await read()
        except Exception as error:
            if isinstance(error, Unavailable):
                sharing, self._waiting[key] = sharing + self._waiting[key], []
            for result in sharing:
                if not result.done():
                    result.set_exception(error)
            return
        for result in sharing:
            if not result.done():  # done means cancelled: the client has disconnected
                result.set_result(found)
