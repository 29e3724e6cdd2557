"""One run of the benchmark, or of a part of it."""

import sys
from collections.abc import Callable
from pathlib import Path

from app.commands.cli import Measurement
from bench.compare import NotTheSame, compare, targets_of
from bench.connections import connections
from bench.growth import growth
from bench.imports import imports
from bench.load import require_wrk
from bench.memory import memory
from bench.report import tell
from bench.results import Comparison, Target

PARTS: dict[Measurement, Callable[[], list[Target]]] = {
    Measurement.GROWTH: growth,
    Measurement.IMPORT: imports,
    Measurement.CONNECTIONS: connections,
    Measurement.MEMORY: memory,
}


def run_bench(what: Measurement, rows: int, rounds: int, seconds: int, folder: Path) -> int:
    """Measure, tell what was found, and return 1 if a must is missed."""
    require_wrk()
    comparison: Comparison | None = None
    targets: list[Target] = []
    if what in {Measurement.COMPARISON, Measurement.ALL}:
        try:
            comparison = compare(rows, rounds, seconds)
        except NotTheSame as error:
            sys.exit(f"error: {error}")
        targets += targets_of(comparison)
    for part, measure in PARTS.items():
        if what in {part, Measurement.ALL}:
            targets += measure()
    tell(comparison, targets, folder)
    return int(any(target.verdict == "missed" for target in targets))
