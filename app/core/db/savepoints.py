"""Transactions within a transaction, each of them a savepoint, and work that is undone."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from asyncpg import LockNotAvailableError

from app.core.db.statements import Statement
from app.core.db.transactions import Reader, Runner, Transaction
from app.core.errors import Unavailable

Result = TypeVar("Result")

PLAN_AGAIN = Statement(sa.text("DISCARD PLANS"))
"""Makes PostgreSQL plan for the rows that there are by now.

``ANALYZE`` would hold a lock until the transaction ends, and would count rows that are undone.
"""
_SAVE, _RELEASE, _ROLL_BACK = (
    Statement(sa.text(text))
    for text in ("SAVEPOINT part", "RELEASE SAVEPOINT part", "ROLLBACK TO SAVEPOINT part")
)


class Savepoints:
    """Runs statements in a transaction, and each transaction within it as a savepoint."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    @property
    def costly(self) -> Reader:
        """The transaction itself, which has its connection already."""
        return self._transaction

    async def row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run a statement and return its first row, or None."""
        return await self._transaction.row(statement, values)

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Any]:
        """Run a statement and return its rows."""
        return await self._transaction.rows(statement, values)

    async def row_by_id(self, statement: Statement, row_id: UUID) -> Any:
        """Run a statement over ``ids`` for one of them, and return its row, or None."""
        return await self._transaction.row_by_id(statement, row_id)

    async def shared_row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run a statement and return its first row, or None."""
        return await self._transaction.row(statement, values)

    async def transaction(self, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """Run several statements; undo them, and no others, if they raise an error."""
        await self._transaction.rows(_SAVE, {})
        try:
            result = await work(self._transaction)
        except Exception:
            await self._transaction.rows(_ROLL_BACK, {})
            raise
        await self._transaction.rows(_RELEASE, {})
        return result


class _Undo(Exception):
    pass


async def undone(
    database: Runner,
    number: int,
    changed: str,
    work: Callable[[Transaction], Awaitable[Result]],
) -> Result:
    """Do some work in one transaction, undo all its changes, and return its result.

    One work with this ``number`` is in progress at a time, because each locks what it changes until
    its end. Raise ``Unavailable`` if another one is, or with the detail ``changed`` if the
    transaction fails: it is not retried, as the work cannot read its file again.
    """
    # The advisory lock is released when the transaction ends.
    alone = Statement(sa.text(f"SELECT pg_advisory_xact_lock({number:d})"))
    begun = False
    results: list[Result] = []

    async def work_and_undo(transaction: Transaction) -> None:
        nonlocal begun
        if begun:
            raise Unavailable(changed)
        begun = True
        try:
            await transaction.rows(alone, {})
        except LockNotAvailableError:
            raise Unavailable("Another dry run is in progress; try again.") from None
        results.append(await work(transaction))
        raise _Undo

    with suppress(_Undo):
        await database.transaction(work_and_undo)
    return results[0]
