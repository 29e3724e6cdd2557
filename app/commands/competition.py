"""Importing competitions from folders, and comparing their standings with the published ones."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from app.commands.data.targets import ThisCommand, on_database
from app.commands.database import database_url
from app.commands.postgres.embedded import temporary_postgres
from app.commands.progress import progress
from app.commands.project import ROOT
from app.core.db.transactions import Database
from app.core.errors import DomainError
from app.leaderboards.files.folder import ATHLETES, SCORES, Folder, Problem, read_folder
from app.leaderboards.files.folder_import import FolderImport, Imported, Refused
from app.leaderboards.files.rules import read_rules
from app.leaderboards.files.verifying import Verification, verify

RULES, MORE_RULES = "rules.json", ROOT / "scripts"
"""The file with the rules in a folder; those of other folders are in scripts, by its name."""
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
    try:
        imported, verification = _import(job, folder, verifies=verifies)
    except Refused as refused:
        return _print_problems(path, refused.problems)
    _print_report(path, imported, folder, time.monotonic() - start)
    if verification is None:
        return 0
    print(f"  as published: {verification.counts()}")
    return _print_differences(verification)


def verify_competitions(data: Path) -> int:
    """Import all competitions of some folders into a temporary server, and compare them.

    Print the number of equal values for each; return the exit status, 1 if there is a difference.
    """
    paths = sorted({path.parent for path in data.rglob(SCORES)} - {data})
    rules = {path: _rules_of(path) for path in paths if (path / ATHLETES).exists()}
    if not rules:
        sys.exit(f"error: {data} has no folder with {ATHLETES} and {SCORES}")
    status, compared, equal = 0, Counter[str](), Counter[str]()
    with temporary_postgres() as server, database_url(server.url()):
        for path, its_rules in rules.items():
            start = time.monotonic()
            folder = _read(path, its_rules)
            try:
                job = FolderImport(folder, ThisCommand.caller)
                _, verification = _import(job, folder, verifies=True)
            except Refused as refused:
                status = _print_problems(path, refused.problems)
                continue
            assert verification is not None
            took = f"{time.monotonic() - start:.1f} s"
            print(f"{path.relative_to(data)}: {verification.counts()} in {took}", flush=True)
            status = max(status, _print_differences(verification))
            compared += verification.compared
            equal += verification.equal
    print(f"all: {', '.join(f'{kind} {equal[kind]} of {compared[kind]}' for kind in compared)}")
    return status


def _rules_of(path: Path) -> Path:
    own = path / RULES
    return own if own.exists() else MORE_RULES / f"{path.name}.json"


def _import(
    job: FolderImport, folder: Folder, *, verifies: bool
) -> tuple[Imported, Verification | None]:
    if folder.problems:
        raise Refused(folder.problems)

    async def work(database: Database) -> tuple[Imported, Verification | None]:
        with progress("import") as show:
            imported = await job.run(database, show)
            if not verifies:
                return imported, None
            show(None, "comparing with the published standings")
            return imported, await verify(database, imported.competition_id, folder)

    return on_database(work)


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


def _print_differences(verification: Verification) -> int:
    for difference in verification.differences:
        print(f"  {difference}")
    if verification.unlisted:
        print(f"  and {verification.unlisted} more")
    return 0 if verification.is_equal else 1
