"""The time that FAST_PATH saves: a get and a list in process, on a fake database.

Run it as ``.venv/bin/python -m bench.fast_path 2> /dev/null``; the log goes to standard error.
"""

import asyncio
import gc
from collections.abc import Mapping
from time import perf_counter
from typing import Any
from uuid import UUID

from fastapi import FastAPI

from app.application import create_app
from app.commands.data.targets import ThisCommand
from app.core.db.statements import Statement
from app.core.logs import configure_logs
from app.core.resources.fields import new_id
from app.core.settings import Settings
from bench.operations import ATHLETES

BATCHES, REQUESTS = 15, 2000


class Answering:
    """A fake database that returns the same row at once."""

    async def row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Return the row of a list: a page without items."""
        return "[]", None, None, None

    async def row_by_id(self, statement: Statement, row_id: UUID) -> Any:
        """Return the row of a get."""
        return row_id, 1, "{}"


async def microseconds(app: FastAPI, path: str, query: bytes = b"") -> float:
    """Return the time of a request: the mean of a batch, the best of some batches."""
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", b"bench"), (b"authorization", b"Bearer any")],
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        pass

    batches = []
    for _ in range(BATCHES):
        begin = perf_counter()
        for _ in range(REQUESTS):
            await app({**scope}, receive, send)
        batches.append((perf_counter() - begin) / REQUESTS * 1e6)
        gc.collect()
    return min(batches)


async def measure() -> None:
    """Print the time of a get and a list, with the fast path and without it."""
    configure_logs(on_terminal=False)
    for fast_path in (True, False):
        app = create_app(Settings(_env_file=None, fast_path=fast_path))
        app.state.database, app.state.callers = Answering(), ThisCommand()
        get = await microseconds(app, f"{ATHLETES}/{new_id()}")
        listed = await microseconds(app, ATHLETES, b"limit=50")
        print(f"FAST_PATH={str(fast_path).lower()}: get {get:.0f} µs, list {listed:.0f} µs")


if __name__ == "__main__":
    asyncio.run(measure())
