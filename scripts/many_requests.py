"""Many requests to the service: concurrent, with progress; and reading whole lists."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

# httpx needs more time for a request if it has more connections: 4 are twice as fast as 16.
AT_ONCE = 4
SECONDS_BETWEEN_LINES = 3.0

Json = dict[str, Any]
Item = TypeVar("Item")
Result = TypeVar("Result")


async def each(
    label: str, work: Callable[[Item], Awaitable[Result]], items: Iterable[Item]
) -> list[Result]:
    """Run ``work`` for each item, at most ``AT_ONCE`` concurrently; return results in order."""
    todo = list(items)
    left = iter(enumerate(todo))
    results: dict[int, Result] = {}
    with progress(label, len(todo)) as advance:

        async def work_on() -> None:
            for index, item in left:
                results[index] = await work(item)
                advance()

        async with asyncio.TaskGroup() as workers:
            for _ in range(AT_ONCE):
                workers.create_task(work_on())
    return [results[index] for index in range(len(todo))]


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Show progress: a bar on a terminal, elsewhere a line every few seconds and one at the end."""
    console = Console()
    if console.is_terminal:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
            task = bar.add_task(label, total=total)
            yield lambda: bar.advance(task)
        return
    start = shown = time.monotonic()
    done = 0

    def advance() -> None:
        nonlocal done, shown
        done += 1
        if time.monotonic() - shown > SECONDS_BETWEEN_LINES:
            shown = time.monotonic()
            print(f"{label}: {done} of {total}", flush=True)

    yield advance
    print(f"{label}: {done} of {total} in {time.monotonic() - start:.1f} s", flush=True)


async def walk(client: httpx.AsyncClient, path: str, **filters: str) -> list[Json]:
    """Return all items of a list, page by page."""
    items: list[Json] = []
    url: str | None = str(httpx.URL(path, params={"limit": "100", **filters}))
    while url:
        page = (await client.get(url)).raise_for_status().json()
        items += page["items"]
        url = page["next"]
    return items
