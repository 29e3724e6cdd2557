"""Measurements, and the figures derived from them."""

import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import psutil

from bench.load import Measured


@dataclass(frozen=True)
class Round:
    """One measurement of one operation of one opponent; CPU times are in µs per request."""

    operation: str
    opponent: str
    measured: Measured
    app_cpu: float
    database_cpu: float


@dataclass(frozen=True)
class Spread:
    """The median and the range of several values."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Compute the median, the least and the greatest value."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} to {self.most:.2f})"


@dataclass(frozen=True)
class Target:
    """A measured figure and its limits: minimums or maximums, as ``is_at`` says."""

    what: str
    figure: float
    is_at: Literal["least", "most"]
    must: float
    aim: float

    def reaches(self, limit: float) -> bool:
        """Return whether the figure is within a limit."""
        return self.figure >= limit if self.is_at == "least" else self.figure <= limit

    @property
    def verdict(self) -> str:
        """Which limit it reaches: ``aim``, ``must``, or ``missed`` for none."""
        if not self.reaches(self.must):
            return "missed"
        return "aim" if self.reaches(self.aim) else "must"


class Comparison:
    """All rounds of a comparison; ``name`` is also the name of its chart's file."""

    def __init__(self, rounds: Sequence[Round], name: str = "bench") -> None:
        self.rounds = rounds
        self.name = name
        self.operations = list(dict.fromkeys(one.operation for one in rounds))
        self.opponents = list(dict.fromkeys(one.opponent for one in rounds))

    def of(self, operation: str, opponent: str) -> list[Round]:
        """Return the rounds of one operation of one opponent, in their order."""
        return [
            one for one in self.rounds if (one.operation, one.opponent) == (operation, opponent)
        ]

    def rate(self, operation: str, opponent: str) -> Spread:
        """Return the requests per second."""
        return Spread.of([one.measured.rate for one in self.of(operation, opponent)])

    def ratio(self, operation: str, opponent: str, to: str) -> Spread:
        """Return the ratio of an opponent's throughput to another's, taken round by round."""
        pairs = zip(self.of(operation, opponent), self.of(operation, to), strict=True)
        return Spread.of([one.measured.rate / other.measured.rate for one, other in pairs])

    def median(self, operation: str, opponent: str, figure: Callable[[Round], float]) -> float:
        """Return the median of a figure of each round."""
        return statistics.median(figure(one) for one in self.of(operation, opponent))


def machine() -> dict[str, Any]:
    """Describe the machine that ran the benchmark."""
    return {
        "date": date.today().isoformat(),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def as_json(comparisons: Sequence[Comparison], targets: Sequence[Target]) -> str:
    """Return the machine, all targets and all rounds as JSON."""
    content = {
        "machine": machine(),
        "targets": [{**asdict(target), "verdict": target.verdict} for target in targets],
        "rounds": [asdict(one) for comparison in comparisons for one in comparison.rounds],
    }
    return json.dumps(content, indent=1) + "\n"
