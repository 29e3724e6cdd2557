"""The real file through ``import`` and ``export``, compared with an independent parser."""

import csv
import re
import time
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pytest

from app.commands.tests.launcher import output_of
from app.conftest import execute
from athletes_file import ATHLETES, Row, height_cm, name_key, read_rows, stored_text, weight_kg

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not ATHLETES.exists(), reason=f"there is no {ATHLETES.name} beside the project"
    ),
]

HEIGHTS = Decimal(50), Decimal(300), "cm"
WEIGHTS = Decimal(20), Decimal(650), "kg"


async def test_the_real_file_is_imported_exported_and_imported_again(
    own_database: str, tmp_path: Path
) -> None:
    rejected, exported = tmp_path / "rejected.csv", tmp_path / "exported.csv"

    def run(*arguments: str) -> str:
        return output_of(*arguments, DATABASE_URL=own_database)

    report = run("import", str(ATHLETES), "--rejected", str(rejected))

    assert without_progress(report) == [
        f"{ATHLETES}: 12553",
        "  12480 created, 0 updated, 0 unchanged",
        "  new categories: 2, new centres: 4538",
        "  ignored columns: country, overall_rank, overall_points",
        f"  73 rejected and put into {rejected}",
    ]
    good, bad = judged(read_rows(ATHLETES))
    assert rows_of(rejected) == bad
    run("export", str(exported))
    assert athletes_of(exported) == good

    again = run("import", str(ATHLETES), "--rejected", str(rejected))
    assert "  0 created, 0 updated, 12480 unchanged\n" in again
    run("export", str(tmp_path / "again.csv"))
    assert (tmp_path / "again.csv").read_bytes() == exported.read_bytes()

    await execute(own_database, "TRUNCATE categories, centres CASCADE")
    back = run("import", str(exported))
    assert "  12480 created, 0 updated, 0 unchanged\n" in back
    run("export", str(tmp_path / "again.csv"))
    assert (tmp_path / "again.csv").read_bytes() == exported.read_bytes()
    # The better of two imports; the limit grows with the slowness of a busy machine.
    assert min(seconds_of(report), seconds_of(back)) <= 5 * max(1, slowness())


def slowness() -> float:
    """Return how many times longer a loop takes than the 0.4 s on an idle machine."""
    start = time.perf_counter()
    for _ in range(10_000_000):
        pass
    return (time.perf_counter() - start) / 0.4


def without_progress(report: str) -> list[str]:
    """Return the lines of a report without progress lines and the import's duration."""
    lines = report.splitlines()
    return [line.partition(" read in ")[0] for line in lines if not line.startswith("import: ")]


def seconds_of(report: str) -> float:
    """Return the duration of an import from its report."""
    (seconds,) = re.findall(r" read in ([0-9.]+) s\n", report)
    return float(seconds)


def judged(rows: Iterable[Row]) -> tuple[dict[str, tuple[str, ...]], dict[str, list[str]]]:
    """Return the valid rows by reference, and the reasons and cells of the others by line."""
    with ATHLETES.open(newline="") as file:
        cells = {str(line): row for line, row in enumerate(csv.reader(file), 1)}
    good: dict[str, tuple[str, ...]] = {}
    bad: dict[str, list[str]] = {}
    for row in rows:
        height, weight = height_cm(row.height), weight_kg(row.weight)
        reasons = [reason("height", height, *HEIGHTS), reason("weight", weight, *WEIGHTS)]
        if any(reasons):
            bad[str(row.line)] = ["; ".join(filter(None, reasons)), *cells[str(row.line)]]
            continue
        good[row.key] = (
            stored_text(row.name),
            row.sex,
            name_key(row.category),
            name_key(row.centre),
            "" if height is None else f"{height} cm",
            "" if weight is None else f"{weight} kg",
        )
    return good, bad


def reason(column: str, amount: Decimal | None, least: Decimal, most: Decimal, unit: str) -> str:
    """Return why a height or weight is rejected, or an empty string."""
    if amount is None or least <= amount <= most:
        return ""
    limit = f"at least {least}" if amount < least else f"at most {most}"
    return f"{column} is {amount} {unit}, and should be {limit} {unit}"


def rows_of(rejected: Path) -> dict[str, list[str]]:
    """Read a file of rejected rows; return the reason and the cells of each row by line."""
    with rejected.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:3] == ["line", "reason", "reference"]
    return {line: cells for line, *cells in rows}


def athletes_of(exported: Path) -> dict[str, tuple[str, ...]]:
    """Read an export; return its athletes by reference, in the form of ``judged``."""
    with exported.open(encoding="utf-8", newline="") as file:
        return {
            row["reference"]: (
                row["name"],
                row["sex"],
                name_key(row["category"]),
                name_key(row["centres"]),
                row["height"],
                row["weight"],
            )
            for row in csv.DictReader(file)
        }
