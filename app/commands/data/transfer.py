"""Importing athletes from a file, and exporting them to one."""

import csv
import filecmp
import os
import shlex
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import BinaryIO, TextIO

from app.athletes.files.columns import title_key
from app.athletes.files.importing import Storage, begun_report, stored
from app.athletes.files.options import ImportOptions
from app.athletes.files.reading import AthletesFile
from app.athletes.files.report import ImportReport
from app.commands.data.targets import Target, on_target
from app.commands.progress import progress
from app.commands.token import Remote
from app.core.csv.report import Rejection
from app.core.errors import DomainError
from app.core.resources.fields import new_id

ADDED_COLUMNS = ["line", "reason"]
"""The first columns of a file of rejected rows: a row's line in the import, and the reason."""
BYTE_ORDER_MARK = "\ufeff"


def import_file(
    path: Path, rejected: Path | None, where: Remote | None, options: ImportOptions | None = None
) -> None:
    """Import a file, write its rejected rows to another file, and print a report."""
    start = time.monotonic()
    options = options or ImportOptions()
    rejected = rejected or path.with_name(f"{path.name}.rejected.csv")
    with _errors_in_one_line(), path.open("rb") as opened:
        if not opened.seekable():
            sys.exit(f"error: {path} cannot be read twice; give a regular file, not a pipe")
        if rejected.exists() and rejected.samefile(path):
            sys.exit(
                "error: the file for rejected rows is the file to import;"
                " choose another with --rejected"
            )
        try:
            file = AthletesFile(opened, options)
        except DomainError as error:
            sys.exit(f"error: {path}: {error.detail}")
        with rejected_rows(rejected, file) as rows:
            report = on_target(
                where,
                lambda target: target.store(file, options, partial(_import, file, opened, rows)),
            )
    took = f"{time.monotonic() - start:.1f} s"
    print(f"{path}: {report.read} read in {took}{', nothing stored' if options.dry_run else ''}")
    print_report(report, rejected, rows.count)


def export_file(path: Path, where: Remote | None) -> None:
    """Export all athletes to a file, which is replaced once the export is complete."""
    with _errors_in_one_line(), completed(path) as part, part.open("wb") as opened:
        if path.exists():  # the modes that its owner chose
            part.chmod(stat.S_IMODE(path.stat().st_mode))
        on_target(where, lambda target: _export(target, opened))
    print(f"Exported all athletes to {path}.")


async def _import(
    file: AthletesFile, opened: BinaryIO, rows: "RejectedRows", storage: Storage
) -> ImportReport:
    report = begun_report(file)
    size = os.fstat(opened.fileno()).st_size
    with progress("import") as show:
        async with aclosing(stored(file, storage)) as outcomes:
            async for outcome in outcomes:
                report.take(outcome)
                rows.add(outcome.rejections)
                show(opened.tell() / size, f"{report.read} rows, {report.rejected} rejected")
    return report


async def _export(target: Target, opened: BinaryIO) -> None:
    with progress("export") as show:
        async for piece in target.export():
            opened.write(piece)
            show(None, f"{opened.tell() / 1e6:.1f} MB")


def print_report(report: ImportReport, rejected: Path, written: int) -> None:
    """Print the counts of a report, with hints; ``written`` rows are in the file ``rejected``."""
    print(f"  {report.created} created, {report.updated} updated, {report.unchanged} unchanged")
    if report.new_categories or report.new_centres:
        print(f"  new categories: {report.new_categories}, new centres: {report.new_centres}")
    if report.without_key:
        print(
            f"  {report.without_key} without id and reference:"
            " another import would create them again"
        )
    if report.ignored_columns:
        print(f"  ignored columns: {', '.join(report.ignored_columns)}")
    for option in report.suggested_map:
        # Quoted for a shell: the title may hold anything, and the line is there to be pasted.
        print(f"  a column looks like {option.partition('=')[0]}: --map {shlex.quote(option)}")
    if report.missing_columns:
        needed = " and ".join(report.missing_columns)
        print(
            f"  new athletes need {needed}, and the file has no such column: name it, for example"
            ' --map "name=First Name + Last Name", or give all rows one value, for example'
            " --set category=Open"
        )
    if written == report.rejected:
        where = f" and put into {rejected}" if written else ""
    else:
        where = f", and the first {written} put into {rejected}"
    print(f"  {report.rejected} rejected{where}")


class RejectedRows:
    """Writes rejected rows with all their cells, each after its line number and the reason."""

    def __init__(self, opened: TextIO, file: AthletesFile) -> None:
        header, dialect = file.columns.header, file.dialect
        if dialect.separator_line:
            opened.write(f"sep={dialect.separator}\r\n")
        self._writer = csv.writer(opened, delimiter=dialect.separator)
        self._columns = len(header)
        # A file of rejected rows that is imported again has these columns already.
        has_added = [title_key(title) for title in header[:2]] == ADDED_COLUMNS
        self._replaced = len(ADDED_COLUMNS) if has_added else 0
        self._writer.writerow([*ADDED_COLUMNS, *header[self._replaced :]])
        self.count = 0

    def add(self, rejections: Iterable[Rejection]) -> None:
        """Write some more rejected rows."""
        for rejection in rejections:
            cells = rejection.row.cells
            # A row that was pasted into such a file may not have the two columns.
            has_added = len(cells) == self._columns or (len(cells) > 2 and cells[0].isdecimal())
            kept = cells[self._replaced :] if has_added else cells
            self._writer.writerow([rejection.row.line, rejection.reason, *kept])
            self.count += 1


@contextmanager
def rejected_rows(path: Path, file: AthletesFile) -> Iterator[RejectedRows]:
    """Yield the writer of the file of rejected rows; no file is written if no row is rejected.

    It has the encoding and the separator of the imported file, so that the program which wrote
    that file opens this one too. An earlier file that differs may have been corrected by hand, so
    it is kept under another name.
    """
    encoding = file.dialect.encoding
    with completed(path) as part:
        with part.open("w", encoding=encoding, errors="replace", newline="") as opened:
            if encoding.startswith("utf-"):
                opened.write(BYTE_ORDER_MARK)  # spreadsheets recognise the encoding by it
            rows = RejectedRows(opened, file)
            yield rows
        if not rows.count:
            part.unlink()
        if path.exists() and not (rows.count and filecmp.cmp(part, path, shallow=False)):
            names = (path.with_name(f"{path.stem}.{number}{path.suffix}") for number in count(1))
            kept = next(name for name in names if not name.exists())
            print(f"The earlier {path} is kept as {path.rename(kept)}.")


@contextmanager
def completed(path: Path) -> Iterator[Path]:
    """Yield a new file beside ``path``, which replaces ``path`` unless the context fails.

    Only its owner may read it, because it holds personal data.
    """
    if path.exists() and not path.is_file():
        sys.exit(f"error: {path} is not a regular file")
    place = path.resolve()  # so that a symbolic link remains one
    part = place.with_name(f".{place.name}.{new_id().hex}.part")
    try:
        part.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        sys.exit(f"error: cannot write {path}: {error.strerror}")
    try:
        yield part
        if part.exists():
            part.replace(place)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"error: {where}{error.strerror or error}")
