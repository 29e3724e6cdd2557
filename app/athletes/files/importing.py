"""Import: store the athletes of a CSV file batch by batch, and report."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Protocol, TypeVar

from app.athletes.files.reading import AthletesFile, Batch, Entry
from app.athletes.files.report import ImportReport, Outcome
from app.core.csv.storing import stored_batches


class Storage(Protocol):
    """Stores the rows of a file: in a database, or in a service over HTTP."""

    async def store(self, entries: Sequence[Entry]) -> Outcome:
        """Store the rows that can be stored, and reject the others; there may be no rows."""


Result = TypeVar("Result")
Work = Callable[[Storage], Awaitable[Result]]
"""Some work with the storage for the rows of a file."""


def stored(file: AthletesFile, storage: Storage) -> AsyncGenerator[Outcome]:
    """Store a file, and yield the outcome of each batch, as ``stored_batches`` does."""

    async def store(batch: Batch) -> Outcome:
        outcome = Outcome()
        outcome.reject(*batch.rejections)
        # Also without a valid row: the transaction of a dry run may not be idle for long.
        outcome.add(await storage.store(batch.entries))
        return outcome

    return stored_batches(file.batches(), store)


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
    async with aclosing(stored(file, storage)) as outcomes:
        async for outcome in outcomes:
            report.take(outcome)
    return report
