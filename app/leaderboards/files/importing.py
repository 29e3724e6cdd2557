"""Import a file in the long format into a competition, batch by batch, or as a dry run."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from functools import partial
from typing import NamedTuple, Protocol
from uuid import UUID

import sqlalchemy as sa
from asyncpg import LockNotAvailableError, UniqueViolationError

from app.core.access import Caller
from app.core.db.statements import Statement
from app.core.db.transactions import Runner, Transaction
from app.core.errors import Unavailable
from app.leaderboards.files.lines import Line
from app.leaderboards.files.reading import LongFile
from app.leaderboards.files.report import CompetitionReport, Outcome
from app.leaderboards.files.savepoints import Savepoints
from app.leaderboards.files.statements import count_rows_query
from app.leaderboards.files.storing import store_lines

MANY = 1000
"""After so many new rows, the tables are analyzed, long before autovacuum does it."""
_CHANGED = "Concurrent requests changed the same entries; try again."
# It is released when the transaction ends. The number is of this lock only.
_ALONE = Statement(sa.text("SELECT pg_advisory_xact_lock(7209343)"))

Check = Callable[[], Awaitable[None]]
"""Raises an error if the work must end; called before it, and in a dry run before each batch."""


class Target(NamedTuple):
    """The competition of an import, and the caller who asks for it."""

    competition_id: UUID
    caller: Caller


class Storage(Protocol):
    """Stores rows of a file in a competition."""

    async def store(self, lines: Sequence[Line]) -> Outcome:
        """Store the rows that can be stored, and reject the others; there may be no rows."""


async def import_lines(
    database: Runner, target: Target, file: LongFile, check: Check, *, dry_run: bool
) -> CompetitionReport:
    """Store a file in a competition, each batch in a transaction, and return the report.

    A dry run stores nothing. Raise ``NotFound`` or ``WrongState`` if the competition does not exist
    or is final, ``Unavailable`` if the database fails, or what ``check`` raises. The batches before
    stay committed.
    """
    await check()
    if dry_run:
        return await _undone(database, target, file, check)
    report = await _import(file, _Stored(database, target))
    if report.created >= MANY:
        await database.rows(count_rows_query(), {})
    return report


class _Stored:
    """Stores each batch in a transaction of its own."""

    def __init__(self, database: Runner, target: Target) -> None:
        self._database = database
        self._target = target

    async def store(self, lines: Sequence[Line]) -> Outcome:
        async def work(transaction: Transaction) -> Outcome:
            return await store_lines(
                transaction, self._target.caller, self._target.competition_id, lines
            )

        # Another request may enter an athlete in another category meanwhile: now it is found.
        with suppress(UniqueViolationError):
            return await self._database.transaction(work)
        try:
            return await self._database.transaction(work)
        except UniqueViolationError:
            raise Unavailable(_CHANGED) from None


class _Undone:
    """Stores batches in one transaction, each of them in a savepoint."""

    def __init__(self, transaction: Transaction, target: Target, check: Check) -> None:
        self._savepoints = Savepoints(transaction)
        self._target = target
        self._check = check

    async def store(self, lines: Sequence[Line]) -> Outcome:
        await self._check()

        async def work(transaction: Transaction) -> Outcome:
            return await store_lines(
                transaction,
                self._target.caller,
                self._target.competition_id,
                lines,
                locks=False,
            )

        try:
            return await self._savepoints.transaction(work)
        except UniqueViolationError:
            raise Unavailable(_CHANGED) from None


class _Undo(Exception):
    pass


async def _undone(
    database: Runner, target: Target, file: LongFile, check: Check
) -> CompetitionReport:
    """Store a file in one transaction, undo it, and return the report.

    Each batch sees what the batches before it have stored, so the counts are those of an import.
    One dry run is in progress at a time, because it locks what it changes until its end. It is not
    retried, as the file cannot be read again.
    """
    begun = False
    reports: list[CompetitionReport] = []

    async def work(transaction: Transaction) -> None:
        nonlocal begun
        if begun:
            raise Unavailable(_CHANGED)
        begun = True
        try:
            await transaction.rows(_ALONE, {})
        except LockNotAvailableError:
            raise Unavailable("Another dry run is in progress; try again.") from None
        reports.append(await _import(file, _Undone(transaction, target, check)))
        raise _Undo

    with suppress(_Undo):
        await database.transaction(work)
    return reports[0]


async def _import(file: LongFile, storage: Storage) -> CompetitionReport:
    report = CompetitionReport(ignored_columns=file.ignored)
    async with aclosing(_outcomes(file, storage)) as outcomes:
        async for outcome in outcomes:
            report.take(outcome)
    return report


async def _outcomes(file: LongFile, storage: Storage) -> AsyncGenerator[Outcome]:
    """Store a file, and yield the outcome of each batch."""
    batches = file.batches()
    # Reading takes CPU time. In a thread, the next batch is read while the database stores this
    # one, and the event loop stays free for other requests.
    thread = ThreadPoolExecutor(1)
    in_thread = partial(asyncio.get_running_loop().run_in_executor, thread)
    ahead = in_thread(next, batches, None)
    done = 0
    try:
        while batch := await ahead:
            ahead = in_thread(next, batches, None)
            outcome = Outcome()
            outcome.reject(*batch.rejections)
            try:
                # Also without a valid row: it finds out whether the competition is there.
                outcome.add(await storage.store(batch.lines))
            except Unavailable as error:
                so_far = f" The first {done} rows are done; import the file again for the rest."
                raise Unavailable(f"{error.detail}{so_far if done else ''}") from None
            outcome.rejections.sort(key=lambda rejection: rejection.row.line)
            yield outcome
            done += outcome.counts.read
    finally:
        ahead.cancel()
        # After an error, the thread may still read a batch from the file, which its owner closes
        # next. So wait for it, but not as ``shutdown`` would, which stops the event loop.
        ended = in_thread(batches.close)
        thread.shutdown(wait=False)
        await asyncio.wait([ended])
