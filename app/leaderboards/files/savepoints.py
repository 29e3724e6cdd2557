"""Transactions within a transaction, each of them a savepoint."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa

from app.athletes.files.storing import AthletesStorage
from app.core.db.statements import Statement
from app.core.db.transactions import Reader, Transaction

Result = TypeVar("Result")

_SAVE, _RELEASE, _ROLL_BACK, _PLAN_AGAIN = (
    Statement(sa.text(text))
    for text in (
        "SAVEPOINT part",
        "RELEASE SAVEPOINT part",
        "ROLLBACK TO SAVEPOINT part",
        "DISCARD PLANS",
    )
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


class AthletesWithin(AthletesStorage):
    """Stores athletes within a transaction, which may undo them."""

    def __init__(self, transaction: Transaction, *, locks: bool) -> None:
        super().__init__(Savepoints(transaction))
        self._locks = locks

    async def _count_rows(self) -> None:
        """Make the database plan again, as there are more rows now.

        ``ANALYZE`` would hold a lock until the transaction ends.
        """
        await self._database.rows(_PLAN_AGAIN, {})
