"""The storage of an import. For a dry run, it is one transaction that is rolled back."""

import asyncio
from collections.abc import Awaitable, Callable

from asyncpg import CheckViolationError, ForeignKeyViolationError

from app.athletes.files.importing import Result, Work
from app.athletes.files.options import ImportOptions
from app.athletes.files.report import Outcome
from app.athletes.files.storing import AthletesStorage, AthletesWithin
from app.core.db.constraints import rule_broken
from app.core.db.savepoints import undone
from app.core.db.transactions import Runner, Transaction
from app.core.errors import MalformedBody, Unavailable

LONGEST = 30.0
"""The maximum time of a dry run that a client of the service asks for, in seconds."""

_ALONE = 7209341
"""The number of the lock of this kind of dry run only."""
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
    import. Raise what ``undone`` raises, and what ``check`` raises before a batch.
    """

    async def with_undone_storage(transaction: Transaction) -> Result:
        try:
            return await work(_UndoneStorage(transaction, check))
        except ForeignKeyViolationError:
            # An athlete, category or centre was deleted after it was found, as it was not locked.
            raise Unavailable(_CHANGED) from None
        except CheckViolationError as error:
            # An athlete was erased, for the same reason.
            raise (Unavailable(_CHANGED) if rule_broken(error, ()) else error) from None

    return await undone(database, _ALONE, _CHANGED, with_undone_storage)


class _UndoneStorage(AthletesWithin):
    """A storage in a transaction that is undone.

    It finds rows without locks, which would last until the end: only changed rows are locked.
    """

    def __init__(self, transaction: Transaction, check: Check) -> None:
        super().__init__(transaction, locks=False)
        self._check = check

    async def _in_transaction(self, work: Callable[[Transaction], Awaitable[Outcome]]) -> Outcome:
        await self._check()
        return await super()._in_transaction(work)
