"""Importing a competition from a folder, and verifying its standings."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from app.commands.data.targets import ThisCommand, on_database
from app.commands.progress import progress
from app.core.db.transactions import Database
from app.core.errors import DomainError
from app.leaderboards.files.folder import Folder, Problem, read_folder
from app.leaderboards.files.folder_import import FolderImport, Imported, Refused
from app.leaderboards.files.rules import read_rules
from app.leaderboards.files.verifying import Verification, verify

RULES = "rules.json"
LISTED = 100
"""How many problems are printed."""


def import_competition(
    path: Path, rules: Path | None, name: str | None, centre: str | None, *, verifies: bool
) -> int:
    """Import a competition and print a report; return the exit status.

    It is 1 if nothing was imported, or if the standings differ from the published ones.
    """
    start = time.monotonic()
    folder = _read(path, rules or path / RULES)
    job = FolderImport(folder, ThisCommand.caller, name, centre)

    async def work(database: Database) -> tuple[Imported, Verification | None]:
        with progress("import") as show:
            imported = await job.run(database, show)
            if not verifies:
                return imported, None
            show(None, "comparing with the published standings")
            return imported, await verify(database, imported.competition_id, folder)

    try:
        if folder.problems:
            raise Refused(folder.problems)
        imported, verification = on_database(work)
    except Refused as refused:
        return _print_problems(path, refused.problems)
    _print_report(path, imported, folder, time.monotonic() - start)
    if verification is None:
        return 0
    return _print_verification(verification)


def _read(path: Path, rules: Path) -> Folder:
    try:
        return read_folder(path, read_rules(rules))
    except ValueError as error:
        sys.exit(f"error: {rules}: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename}: {error.strerror}")
    except DomainError as error:
        sys.exit(f"error: {path}: {error.detail}")


def _print_problems(path: Path, problems: Sequence[Problem]) -> int:
    for problem in problems[:LISTED]:
        print(f"{path / problem.file}:{problem.line}: {problem.reason}")
    more = len(problems) - LISTED
    if more > 0:
        print(f"and {more} more")
    print(f"{path}: nothing was imported; rows to correct: {len(problems)}")
    return 1


def _print_report(path: Path, imported: Imported, folder: Folder, seconds: float) -> None:
    counts = imported.counts
    results = counts.created - counts.new_entries
    print(f"{path}: {results} results of {counts.new_entries} athletes in {seconds:.1f} s")
    print(f"  competition {imported.competition_id}: {imported.name}")
    new = {
        "athletes": counts.new_athletes,
        "categories": counts.new_categories,
        "centres": counts.new_centres,
    }
    print("  new " + ", new ".join(f"{what}: {number}" for what, number in new.items()))
    if folder.assumed_reps:
        assumed = ", ".join(
            f"event {event}: {reps}" for event, reps in sorted(folder.assumed_reps.items())
        )
        print(
            "  CAP+n without the reps of the workout: the largest n is taken as the total,"
            f" which orders them alike ({assumed})"
        )


def _print_verification(verification: Verification) -> int:
    print(f"  as published: {verification.counts()}")
    for difference in verification.differences:
        print(f"  {difference}")
    unlisted = verification.unlisted
    if unlisted:
        print(f"  and {unlisted} more")
    return 0 if verification.is_equal else 1
