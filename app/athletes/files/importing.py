"""Import: store the athletes of a CSV file batch by batch, and report."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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


async def stored_batches(file: AthletesFile, storage: Storage) -> AsyncIterator[Outcome]:
    """Store a file, and yield the outcome of each batch once it is committed.

    Raise ``Unavailable`` if the storage fails; the batches before stay committed.
    """
    done = 0
    batches = file.batches()
    # Reading takes CPU time. In a thread, the next batch is read while the database stores this
    # one, and the event loop stays free for other requests.
    with ThreadPoolExecutor(1) as thread:
        ahead = thread.submit(next, batches, None)
        while batch := await asyncio.wrap_future(ahead):
            ahead = thread.submit(next, batches, None)
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
    async for outcome in stored_batches(file, storage):
        report.take(outcome)
    return report
