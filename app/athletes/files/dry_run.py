"""The storage of an import. For a dry run, it is one transaction that is rolled back."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import sqlalchemy as sa
from asyncpg import CheckViolationError, ForeignKeyViolationError, LockNotAvailableError

from app.athletes.files.importing import Result, Work
from app.athletes.files.options import ImportOptions
from app.athletes.files.report import Outcome
from app.athletes.files.storing import AthletesStorage
from app.core.db.constraints import rule_broken
from app.core.db.statements import Statement
from app.core.db.transactions import Runner, Transaction
from app.core.errors import MalformedBody, Unavailable

LONGEST = 30.0
"""The maximum time of a dry run that a client of the service asks for, in seconds."""

_ALONE, _SAVE, _RELEASE, _ROLL_BACK, _PLAN_AGAIN = (
    Statement(sa.text(text))
    for text in (
        # It is released when the transaction ends. The number is of this lock only.
        "SELECT pg_advisory_xact_lock(7209341)",
        "SAVEPOINT batch",
        "RELEASE SAVEPOINT batch",
        "ROLLBACK TO SAVEPOINT batch",
        "DISCARD PLANS",
    )
)

_CHANGED = "Concurrent requests changed the same athletes during the dry run; try again."

Check = Callable[[], Awaitable[None]]
"""Raises an error if the work must end; called before it, and in a dry run before each batch."""


async def _no_check() -> None:
    pass


def checks_of_client(is_gone: Callable[[], Awaitable[bool]]) -> Check:
    """Return a check for work that a client asks for, from now on.

    It raises ``MalformedBody`` if the client is gone, and ``Unavailable`` after the maximum time of
    a dry run.
    """
    now = asyncio.get_running_loop().time
    end = now() + LONGEST

    async def check() -> None:
        if await is_gone():
            raise MalformedBody("The client disconnected.")
        if now() > end:
            raise Unavailable(
                f"The dry run took longer than {LONGEST:.0f} seconds, in which other requests may"
                " wait for it: send a part of the file."
            )

    return check


async def with_storage(
    database: Runner,
    options: ImportOptions,
    work: Work[Result],
    check: Check = _no_check,
) -> Result:
    """Do some work with a storage of the database; a dry run stores nothing.

    Raise what ``check`` raises. Once its first rows are stored, an import continues without its
    client: a proxy may have closed the connection, and half a file is of no use to anybody.
    """
    await check()
    if options.dry_run:
        return await dry_run(database, work, check)
    return await work(AthletesStorage(database))


async def dry_run(database: Runner, work: Work[Result], check: Check = _no_check) -> Result:
    """Do some work with a storage, undo all its changes, and return the result of the work.

    Each batch sees what the batches before it have stored, so the counts are those of a real
    import. Raise ``Unavailable`` if another dry run is in progress, because each locks what it
    changes until its end, or if the transaction fails; it is not retried, as the work cannot read
    its file again. Raise what ``check`` raises before a batch.
    """
    begun = False
    results: list[Result] = []

    async def work_and_undo(transaction: Transaction) -> None:
        nonlocal begun
        if begun:
            raise Unavailable(_CHANGED)
        begun = True
        try:
            await transaction.rows(_ALONE, {})
        except LockNotAvailableError:
            raise Unavailable("Another dry run is in progress; try again.") from None
        try:
            results.append(await work(_UndoneStorage(transaction, check)))
        except ForeignKeyViolationError:
            # An athlete, category or centre was deleted after it was found, as it was not locked.
            raise Unavailable(_CHANGED) from None
        except CheckViolationError as error:
            # An athlete was erased, for the same reason.
            raise (Unavailable(_CHANGED) if rule_broken(error, ()) else error) from None
        raise _Undo

    with suppress(_Undo):
        await database.transaction(work_and_undo)
    return results[0]


class _Undo(Exception):
    pass


class _UndoneStorage(AthletesStorage):
    """A storage in a transaction: each of its own transactions is a savepoint.

    It finds rows without locks, which would last until the end: only changed rows are locked.
    """

    _locks = False

    def __init__(self, database: Runner, check: Check) -> None:
        super().__init__(database)
        self._check = check

    async def _in_transaction(self, work: Callable[[Transaction], Awaitable[Outcome]]) -> Outcome:
        await self._check()
        await self._database.rows(_SAVE, {})
        try:
            outcome = await self._database.transaction(work)
        except Exception:
            await self._database.rows(_ROLL_BACK, {})
            raise
        await self._database.rows(_RELEASE, {})
        return outcome

    async def _count_rows(self) -> None:
        """Make the database plan again, as there are more rows now.

        ``ANALYZE`` would hold a lock until the end, and would count rows that are undone.
        """
        await self._database.rows(_PLAN_AGAIN, {})
