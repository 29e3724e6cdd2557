"""The progress of a long command."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

SECONDS_BETWEEN_LINES = 3.0

Show = Callable[[float | None, str], None]
"""Takes the part that is done, from 0 to 1 or None if unknown, and a description."""


@contextmanager
def progress(label: str) -> Iterator[Show]:
    """Show progress: a bar on a terminal, elsewhere a line every few seconds."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = TextColumn(label), BarColumn(), TextColumn("{task.description}")
        with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
            task = bar.add_task("", total=None)

            def draw(part: float | None, words: str) -> None:
                bar.update(task, total=part and 1, completed=part, description=words)

            yield draw
        return
    shown = time.monotonic()

    def show(part: float | None, words: str) -> None:
        nonlocal shown
        if time.monotonic() - shown >= SECONDS_BETWEEN_LINES:
            shown = time.monotonic()
            percent = "" if part is None else f"{part:.0%}, "
            print(f"{label}: {percent}{words}", file=sys.stderr, flush=True)

    yield show
