"""The results as tables and charts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pygal
from pygal.style import LightSolarizedStyle
from rich.console import Console
from rich.table import Table

from bench.opponents import SERVICE
from bench.results import Comparison, Target, as_json

Row = tuple[str, ...]

RATES = (
    "operation",
    "server",
    "requests/s",
    "service / server",
    "app µs",
    "db µs",
    "p50 ms",
    "p99 ms",
)
TARGETS = "target", "measured", "must", "aim", "verdict"


def tell(comparisons: Sequence[Comparison], targets: list[Target], folder: Path) -> None:
    """Print the tables; write them, charts and all measurements into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tables: list[tuple[Row, list[Row]]] = []
    if targets:
        tables.append((TARGETS, list(target_rows(targets))))
    for comparison in comparisons:
        tables.append((RATES, list(comparison_rows(comparison))))
        _draw(comparison, folder / f"{comparison.name}.svg")
    for columns, rows in tables:
        Console(width=120).print(_table(columns, rows))
    text = "\n".join(_markdown(columns, rows) for columns, rows in tables)
    (folder / "bench.md").write_text(text)
    (folder / "bench.json").write_text(as_json(comparisons, targets))
    print(f"The tables, charts and measurements are in {folder}.")


def comparison_rows(comparison: Comparison) -> Iterator[Row]:
    """Yield a row for each operation and opponent: medians, and the range of the ratio."""
    for operation in comparison.operations:
        for opponent in comparison.opponents:
            figures = [
                comparison.median(operation, opponent, figure)
                for figure in (
                    lambda one: one.app_cpu,
                    lambda one: one.database_cpu,
                    lambda one: one.measured.p50,
                    lambda one: one.measured.p99,
                )
            ]
            ratio = comparison.ratio(operation, SERVICE, opponent)
            yield (
                operation,
                opponent,
                f"{comparison.rate(operation, opponent).median:,.0f}",
                "" if opponent == SERVICE else str(ratio),
                *(f"{figure:.0f}" for figure in figures[:2]),
                *(f"{figure:.1f}" for figure in figures[2:]),
            )


def target_rows(targets: list[Target]) -> Iterator[Row]:
    """Yield a row for each target, with the verdict."""
    for target in targets:
        sign = "≥" if target.is_at == "least" else "≤"
        limits = f"{sign} {target.must:g}", f"{sign} {target.aim:g}"
        yield target.what, f"{target.figure:.2f}", *limits, target.verdict


def _table(columns: Row, rows: Sequence[Row]) -> Table:
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    return table


def _markdown(columns: Row, rows: Sequence[Row]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _draw(comparison: Comparison, file: Path) -> None:
    chart = pygal.Bar(
        title="Requests per second (logarithmic)",
        logarithmic=True,
        zero=10,
        range=(10, 20_000),
        y_labels=[10, 100, 1_000, 10_000],
        style=LightSolarizedStyle,
        js=[],
        legend_at_bottom=True,
        legend_at_bottom_columns=4,
        width=1000,
        height=500,
    )
    chart.x_labels = comparison.operations
    for opponent in comparison.opponents:
        rates = [comparison.rate(operation, opponent).median for operation in comparison.operations]
        chart.add(opponent, rates)
    chart.render_to_file(str(file))
