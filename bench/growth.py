"""Whether the service keeps its speed when its tables grow."""

import asyncio
import random
import tempfile
from contextlib import ExitStack
from statistics import median
from uuid import UUID

import asyncpg

from app.athletes.crud import AthletesCRUD
from app.commands.progress import progress
from app.commands.prove.service import running_service
from app.core.resources.paging import Place, name_of_list
from bench.database import Sample, filled_database
from bench.load import Measured, Request, load
from bench.operations import ATHLETES
from bench.results import Target

FEW, MANY = 1_000, 1_000_000
DEPTH = 500_000
ROUNDS = 5
SECONDS = 2


def growth() -> list[Target]:
    """Measure a service with few athletes and one with many, in alternation."""
    chance = random.Random(1)  # noqa: S311 - the same ones each time
    measured: dict[str, list[Measured]] = {}
    with ExitStack() as stack:
        show = stack.enter_context(progress("growth"))
        urls, samples = [], []
        for rows in (FEW, MANY):
            show(None, f"creating {rows:,} athletes")
            _, sample = stack.enter_context(filled_database(rows))
            log = stack.enter_context(tempfile.TemporaryFile("a+"))
            urls.append(stack.enter_context(running_service(log)).url)
            samples.append(sample)
        first = [Request("GET", f"{ATHLETES}?limit=50")]
        deep = [Request("GET", f"{ATHLETES}?limit=50&cursor={_cursor_at(samples[1], DEPTH)}")]
        loads = {
            "get of few": (0, _gets(samples[0], chance)),
            "get of many": (1, _gets(samples[1], chance)),
            "list of few": (0, first),
            "list of many": (1, first),
            "deep page of many": (1, deep),
        }
        for number in range(ROUNDS + 1):
            for done, (name, (which, requests)) in enumerate(loads.items()):
                part = (number * len(loads) + done) / ((ROUNDS + 1) * len(loads))
                show(part, f"round {number}, {name}")
                # The first round is a warm-up and does not count.
                caller = samples[which].headers
                one = load(urls[which], requests, SECONDS if number else 1, caller)
                one.require_answers(name)
                measured.setdefault(name, []).extend([one] * bool(number))
    get, page = (
        median(
            many.rate / few.rate
            for few, many in zip(
                measured[f"{what} of few"], measured[f"{what} of many"], strict=True
            )
        )
        for what in ("get", "list")
    )
    depth = median(
        deep.p50 / top.p50
        for top, deep in zip(measured["list of many"], measured["deep page of many"], strict=True)
    )
    return [
        Target(f"get: throughput at {MANY:,} / {FEW:,} athletes", get, "least", 0.7, 0.9),
        Target(f"list 50: throughput at {MANY:,} / {FEW:,} athletes", page, "least", 0.8, 0.95),
        Target(f"list 50: latency at depth {DEPTH:,} / first page", depth, "most", 1.5, 1.1),
    ]


def _gets(sample: Sample, chance: random.Random) -> list[Request]:
    ids = chance.choices(sample.athlete_ids, k=10_000)
    return [Request("GET", f"{ATHLETES}/{row_id}") for row_id in ids]


def _cursor_at(sample: Sample, depth: int) -> str:
    """Return the cursor of a client that has read ``depth`` athletes."""
    key, row_id = asyncio.run(_row_at(sample.url, depth))
    return Place(key, row_id).cursor(name_of_list(AthletesCRUD.queries.row.__name__, {}, "name"))


async def _row_at(url: str, depth: int) -> tuple[str, UUID]:
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow(
            "SELECT name_key, id FROM athletes ORDER BY name_key, id OFFSET $1 LIMIT 1", depth
        )
        assert row
        return row["name_key"], row["id"]
    finally:
        await connection.close()
