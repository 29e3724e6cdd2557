"""Import a file in the long format into a competition, batch by batch, or as a dry run."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from typing import NamedTuple, Protocol
from uuid import UUID

from asyncpg import UniqueViolationError

from app.core.access import Caller
from app.core.csv.storing import stored_batches
from app.core.db.savepoints import Savepoints, undone
from app.core.db.transactions import Runner, Transaction
from app.core.errors import Unavailable
from app.leaderboards.files.lines import Line
from app.leaderboards.files.reading import Batch, LongFile
from app.leaderboards.files.report import CompetitionReport, Outcome
from app.leaderboards.files.statements import count_rows_query
from app.leaderboards.files.storing import store_lines

MANY = 1000
"""After so many new rows, the tables are analyzed, long before autovacuum does it."""
_CHANGED = "Concurrent requests changed the same entries; try again."
_ALONE = 7209343
"""The number of the lock of this kind of dry run only."""

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


async def _undone(
    database: Runner, target: Target, file: LongFile, check: Check
) -> CompetitionReport:
    """Store a file in one transaction, undo it, and return the report.

    Each batch sees what the batches before it have stored, so the counts are those of an import.
    """

    async def work(transaction: Transaction) -> CompetitionReport:
        return await _import(file, _Undone(transaction, target, check))

    return await undone(database, _ALONE, _CHANGED, work)


async def _import(file: LongFile, storage: Storage) -> CompetitionReport:
    report = CompetitionReport(ignored_columns=file.ignored)
    async with aclosing(_outcomes(file, storage)) as outcomes:
        async for outcome in outcomes:
            report.take(outcome)
    return report


def _outcomes(file: LongFile, storage: Storage) -> AsyncGenerator[Outcome]:
    """Store a file, and yield the outcome of each batch."""

    async def store(batch: Batch) -> Outcome:
        outcome = Outcome()
        outcome.reject(*batch.rejections)
        # Also without a valid row: it finds out whether the competition is there.
        outcome.add(await storage.store(batch.lines))
        return outcome

    return stored_batches(file.batches(), store)
