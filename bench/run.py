"""A run of the benchmark or a part of it."""

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from app.commands.prove.service import NotStarted
from bench.bookings import bookings
from bench.callers import callers
from bench.compare import NotTheSame, compare, targets_of
from bench.connections import connections
from bench.growth import growth
from bench.imports import imports
from bench.leaderboards import leaderboards
from bench.load import NotLoaded, require_wrk
from bench.memory import memory
from bench.report import tell
from bench.results import Comparison, Target
from bench.timetable import timetable


class Measurement(StrEnum):
    """The parts of the benchmark."""

    COMPARISON = "comparison"
    GROWTH = "growth"
    CONNECTIONS = "connections"
    MEMORY = "memory"
    IMPORT = "import"
    BOOKINGS = "bookings"
    CALLERS = "callers"
    LEADERBOARDS = "leaderboards"
    TIMETABLE = "timetable"
    ALL = "all"


DEFAULTS = {"API_V1_PREFIX": "/api/v1", "DB_POOL_SIZE": "12", "TRUSTED_HOSTS": "127.0.0.1"}
"""Settings that the measurements need; they override the environment."""

PARTS: dict[Measurement, Callable[[], list[Target]]] = {
    Measurement.GROWTH: growth,
    Measurement.CALLERS: callers,
    Measurement.LEADERBOARDS: leaderboards,
    Measurement.TIMETABLE: timetable,
    Measurement.IMPORT: imports,
    Measurement.CONNECTIONS: connections,
    Measurement.MEMORY: memory,
}


def run_bench(what: Measurement, rows: int, rounds: int, seconds: int, folder: Path) -> int:
    """Measure, report the results, and return 1 if a target is missed."""
    require_wrk()
    os.environ.update(DEFAULTS)
    comparisons: list[Comparison] = []
    targets: list[Target] = []
    try:
        if what in {Measurement.COMPARISON, Measurement.ALL}:
            comparison = compare(rows, rounds, seconds)
            comparisons.append(comparison)
            targets += targets_of(comparison)
        if what in {Measurement.BOOKINGS, Measurement.ALL}:
            comparisons.append(bookings())
        for part, measure in PARTS.items():
            if what in {part, Measurement.ALL}:
                targets += measure()
    except (NotTheSame, NotStarted, NotLoaded) as error:
        sys.exit(f"error: {error}")
    finally:
        if targets or comparisons:
            tell(comparisons, targets, folder)
    return int(any(target.verdict == "missed" for target in targets))
