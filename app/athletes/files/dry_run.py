"""A dry run: store the rows of a file in one transaction, and roll it back."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar
from uuid import UUID

import sqlalchemy as sa

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

    async def work_and_undo(transaction: Transaction) -> None:
        nonlocal begun
        if begun:
            raise Unavailable(
                "Concurrent requests changed the same athletes during the dry run; try again."
            )
        begun = True
        raise _Undo(await work(_UndoneStorage(_Savepoints(transaction))))

    try:
        await database.transaction(work_and_undo)
    except _Undo as undo:
        result: Result = undo.result
        return result
    raise AssertionError("the transaction was committed")


class _Undo(Exception, Generic[Result]):
    """Carries the result of the work out of a transaction that must be rolled back."""

    def __init__(self, result: Result) -> None:
        self.result = result


class _UndoneStorage(AthletesStorage):
    async def _count_rows(self) -> None:
        """Make the database plan again, as there are more rows now.

        ``ANALYZE`` would hold a lock until the end, and would count rows that are undone.
        """
        await self._database.rows(_PLAN_AGAIN, {})


class _Savepoints:
    """Runs each transaction of the storage as a savepoint of one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        return await self._transaction.row(statement, values)

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Any]:
        return await self._transaction.rows(statement, values)

    async def row_by_id(self, statement: Statement, row_id: UUID) -> Any:
        return await self._transaction.row_by_id(statement, row_id)

    async def transaction(self, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        await self._transaction.rows(_SAVE, {})
        try:
            result = await work(self._transaction)
        except Exception:
            await self._transaction.rows(_ROLL_BACK, {})
            raise
        await self._transaction.rows(_RELEASE, {})
        return result
