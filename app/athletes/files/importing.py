"""From a file to a report: its athletes are stored batch by batch."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from app.athletes.files.reading import AthletesFile, Entry
from app.athletes.files.report import ImportReport, Outcome
from app.core.errors import Unavailable


class Storage(Protocol):
    """What stores the rows of a file: a database, or a service elsewhere."""

    async def store(self, entries: Sequence[Entry]) -> Outcome:
        """Store what can be, and reject the others."""


async def stored_batches(file: AthletesFile, storage: Storage) -> AsyncIterator[Outcome]:
    """Store a file, and yield what became of each batch once that is committed.

    Raise ``Unavailable`` if the storage fails on the way.
    """
    done = 0
    batches = file.batches()
    # Reading is work for the processor. In a thread it goes on while the database stores what was
    # read before, and leaves other requests their turns.
    with ThreadPoolExecutor(1) as thread:
        ahead = thread.submit(next, batches, None)
        while batch := await asyncio.wrap_future(ahead):
            ahead = thread.submit(next, batches, None)
            outcome = Outcome()
            outcome.reject(*batch.rejections)
            try:
                if batch.entries:
                    outcome.add(await storage.store(batch.entries))
            except Unavailable as error:
                so_far = f" The first {done} rows are done; import the file again for the others."
                raise Unavailable(f"{error.detail}{so_far if done else ''}") from None
            outcome.rejections.sort(key=lambda rejection: rejection.row.line)
            yield outcome
            done += outcome.counts.read


async def import_file(file: AthletesFile, storage: Storage) -> ImportReport:
    """Store a file and report; raise ``Unavailable`` if the storage fails on the way."""
    report = ImportReport(ignored_columns=file.ignored)
    async for outcome in stored_batches(file, storage):
        report.take(outcome)
    return report
