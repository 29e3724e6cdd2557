"""Import: store the athletes of a CSV file batch by batch, and report."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from typing import Protocol, TypeVar

from app.athletes.files.reading import AthletesFile, Entry
from app.athletes.files.report import ImportReport, Outcome
from app.core.errors import Unavailable


class Storage(Protocol):
    """Stores the rows of a file: in a database, or in a service over HTTP."""

    async def store(self, entries: Sequence[Entry]) -> Outcome:
        """Store the rows that can be stored, and reject the others; there may be no rows."""


Result = TypeVar("Result")
Work = Callable[[Storage], Awaitable[Result]]
"""Some work with the storage for the rows of a file."""


async def stored_batches(file: AthletesFile, storage: Storage) -> AsyncGenerator[Outcome]:
    """Store a file, and yield the outcome of each batch once it is committed.

    Raise ``Unavailable`` if the storage fails; the batches before stay committed. Close the
    generator before the file, unless it is exhausted.
    """
    done = 0
    batches = file.batches()
    # Reading takes CPU time. In a thread, the next batch is read while the database stores this
    # one, and the event loop stays free for other requests.
    thread = ThreadPoolExecutor(1)
    in_thread = partial(asyncio.get_running_loop().run_in_executor, thread)
    ahead = in_thread(next, batches, None)
    try:
        while batch := await ahead:
            ahead = in_thread(next, batches, None)
            outcome = Outcome()
            outcome.reject(*batch.rejections)
            try:
                # Also without a valid row: the transaction of a dry run may not be idle for long.
                outcome.add(await storage.store(batch.entries))
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


def begun_report(file: AthletesFile) -> ImportReport:
    """Return the report on a file whose rows are not stored yet."""
    columns = file.columns
    return ImportReport(
        ignored_columns=columns.ignored,
        suggested_map=columns.suggested,
        missing_columns=columns.missing,
    )


async def import_file(file: AthletesFile, storage: Storage) -> ImportReport:
    """Store a file and return the report; raise ``Unavailable`` if the storage fails."""
    report = begun_report(file)
    async with aclosing(stored_batches(file, storage)) as outcomes:
        async for outcome in outcomes:
            report.take(outcome)
    return report
