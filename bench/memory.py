"""Whether the service's memory use stays constant."""

import asyncio
import random
import tempfile

import httpx

from app.commands.progress import progress
from app.commands.prove.service import running_service
from bench.database import Sample, filled_database
from bench.load import CONNECTIONS, Request, load
from bench.operations import CREATE, GET, LIST, Operation, Slot
from bench.results import Target

FEW, MANY = 1_000, 100_000
"""Requests before the first measurement, and before the second."""
MIX: tuple[tuple[Operation, int], ...] = ((GET, 16), (LIST, 3), (CREATE, 1))
"""The number of requests of each operation among twenty."""
SECONDS = 5


def memory() -> list[Target]:
    """Measure the resident memory of the service after few requests and after many."""
    with (
        progress("memory") as show,
        filled_database(FEW) as (_, sample),
        tempfile.TemporaryFile("a+") as log,
        running_service(log) as service,
    ):
        asyncio.run(_send(service.url, _mixed(service.url, sample, FEW), sample.headers))
        after_few = service.process.memory_info().rss
        sent = FEW
        while sent < MANY:
            show(sent / MANY, f"{sent:,} requests")
            requests = _mixed(service.url, sample, MANY // 2)
            one = load(service.url, requests, SECONDS, sample.headers)
            one.require_answers("memory")
            sent += one.requests
        after_many = service.process.memory_info().rss
    print(
        f"resident memory: {after_few / 2**20:.1f} MiB at first,"
        f" {after_many / 2**20:.1f} MiB after {sent:,} requests"
    )
    what = f"resident memory after {MANY:,} / {FEW:,} requests"
    return [Target(what, after_many / after_few, "most", 1.1, 1.1)]


def _mixed(url: str, sample: Sample, number: int) -> list[Request]:
    """Return ``number`` requests of the operations of ``MIX``, in random order."""
    chance = random.Random(number)  # noqa: S311 - no secret
    requests: list[Request] = []
    for operation, share in MIX:
        slot = Slot(url, sample, None, chance, number / 10_000, sample.headers)
        kinds = asyncio.run(operation.requests(slot))
        wanted = number * share // sum(share for _, share in MIX)
        requests += (kinds * (wanted // len(kinds) + 1))[:wanted]
    chance.shuffle(requests)
    return requests


async def _send(url: str, requests: list[Request], caller: dict[str, str]) -> None:
    """Send each request once, over as many connections as a load has."""
    left = iter(requests)

    async def send_some() -> None:
        async with httpx.AsyncClient(base_url=url, headers=caller, trust_env=False) as client:
            for request in left:
                response = await client.request(request.method, request.path, json=request.body)
                response.raise_for_status()

    await asyncio.gather(*(send_some() for _ in range(CONNECTIONS)))
