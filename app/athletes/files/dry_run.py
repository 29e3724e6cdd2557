"""A dry run: store the rows of a file in one transaction, and roll it back."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import sqlalchemy as sa

from app.athletes.files.report import Outcome
from app.athletes.files.storing import AthletesStorage
from app.core.db.statements import Statement
from app.core.db.transactions import Runner, Transaction
from app.core.errors import Unavailable

Result = TypeVar("Result")

_SAVE, _RELEASE, _ROLL_BACK, _PLAN_AGAIN = (
    Statement(sa.text(text))
    for text in (
        "SAVEPOINT batch",
        "RELEASE SAVEPOINT batch",
        "ROLLBACK TO SAVEPOINT batch",
        "DISCARD PLANS",
    )
)


async def dry_run(database: Runner, work: Callable[[AthletesStorage], Awaitable[Result]]) -> Result:
    """Do some work with a storage, undo all its changes, and return the result of the work.

    Each batch sees what the batches before it have stored, so the counts are those of a real
    import. Raise ``Unavailable`` if the transaction fails; it is not retried, as the work cannot
    read its file again.
    """
    begun = False
    results: list[Result] = []

    async def work_and_undo(transaction: Transaction) -> None:
        nonlocal begun
        if begun:
            raise Unavailable(
                "Concurrent requests changed the same athletes during the dry run; try again."
            )
        begun = True
        results.append(await work(_UndoneStorage(transaction)))
        raise _Undo

    with suppress(_Undo):
        await database.transaction(work_and_undo)
    return results[0]


class _Undo(Exception):
    pass


class _UndoneStorage(AthletesStorage):
    """A storage in a transaction: each of its own transactions is a savepoint."""

    async def _in_transaction(self, work: Callable[[Transaction], Awaitable[Outcome]]) -> Outcome:
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
