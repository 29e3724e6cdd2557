"""Retention: events are deleted some time after they were written."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from app.core.db.transactions import Runner, Transaction
from app.core.errors import Unavailable
from app.journal.queries import begin_retention_query, delete_old_query

logger = logging.getLogger(__name__)

BATCH = 1000
"""How many events a transaction deletes, at most: more would hold up others for too long."""
EVERY = 3600.0
"""Seconds between two retentions of a process, about."""


@asynccontextmanager
async def retention(database: Runner, days: int, every: float = EVERY) -> AsyncIterator[None]:
    """Delete old events from time to time during the context."""
    task = asyncio.create_task(_repeat(database, days, every))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _repeat(database: Runner, days: int, every: float) -> None:
    while True:
        # At random times, so that processes that started together do not compete for the lock.
        await asyncio.sleep(every * random.uniform(0.5, 1))  # noqa: S311 - no secret
        try:
            await delete_old_events(database, days)
        except Unavailable as error:
            logger.warning("old events stay for now: %s", error.detail)
        except Exception:
            logger.exception("old events stay for now")


async def delete_old_events(database: Runner, days: int, batch: int = BATCH) -> int:
    """Delete the events that are older than ``days``, unless another process is doing it.

    Each batch is a transaction. Return how many events this process deleted.
    """

    async def delete(transaction: Transaction) -> int:
        (may_delete,) = await transaction.row(begin_retention_query(), {})
        if not may_delete:
            return 0
        (number,) = await transaction.row(delete_old_query(), {"days": days, "most": batch})
        return int(number)

    deleted, last = 0, batch
    while last == batch:
        last = await database.transaction(delete)
        deleted += last
    return deleted
