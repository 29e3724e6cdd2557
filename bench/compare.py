"""The comparison with other servers: the same requests to each in turn, in several rounds."""

import asyncio
import random
import sys
from collections.abc import Sequence

import asyncpg
import httpx

from app.commands.postgres.server import OwnPostgres
from app.commands.progress import Show, progress
from bench.database import Sample, filled_database
from bench.load import load
from bench.operations import (
    CREATE,
    CREATE_IN_FULL,
    GET,
    GET_KNOWN,
    LIST,
    OPERATIONS,
    Operation,
    Slot,
    clean,
    comparable,
)
from bench.opponents import (
    BARE,
    FASTIFY,
    PLAIN,
    SERVICE,
    NotInstalled,
    Opponent,
    cpu_seconds,
    install_fastify,
    opponents,
)
from bench.results import Comparison, Round, Target

MUSTS = {
    PLAIN: ((10, 18), (10, 14), (8, 10)),
    BARE: ((0.75, 0.75), (0.6, 0.8), (0.6, 0.75)),
    FASTIFY: ((0.8, 1.1), (1.0, 1.5), (1.1, 1.4)),
}
"""For get, list 50 and create: the ratio to the opponent's throughput, as ``must`` and ``aim``.

The service checks the caller of each request, and its opponents do not.
"""
TAIL = 6, 3
"""The ratio of p99 to p50 for get, as ``must`` and ``aim``."""


class NotTheSame(Exception):
    """Two opponents give different responses to the same request."""


def compare(rows: int, rounds: int, seconds: int) -> Comparison:
    """Measure all operations of all opponents on a database with ``rows`` athletes."""
    others = [PLAIN, BARE, FASTIFY]
    try:
        install_fastify()
    except NotInstalled as error:
        others.remove(FASTIFY)
        print(f"Fastify is skipped: {error}", file=sys.stderr)
    with progress("bench") as show:
        show(None, f"creating {rows:,} athletes")
        with (
            filled_database(rows) as (server, sample),
            opponents(server.url(), others) as all_opponents,
        ):
            return asyncio.run(_compared(server, sample, all_opponents, rounds, seconds, show))


def targets_of(comparison: Comparison) -> list[Target]:
    """Return the targets of the comparison, with the measured values."""
    targets = [
        Target(
            f"{operation.name}: throughput ratio to {opponent}",
            comparison.ratio(operation.name, SERVICE, opponent).median,
            "least",
            *limits,
        )
        for opponent, of_each in MUSTS.items()
        if opponent in comparison.opponents
        for operation, limits in zip((GET, LIST, CREATE), of_each, strict=True)
    ]
    tail = comparison.median(GET.name, SERVICE, lambda one: one.measured.p99 / one.measured.p50)
    return [*targets, Target("get: latency p99 / p50", tail, "most", *TAIL)]


async def _compared(
    server: OwnPostgres,
    sample: Sample,
    all_opponents: Sequence[Opponent],
    rounds: int,
    seconds: int,
    show: Show,
) -> Comparison:
    connection = await asyncpg.connect(server.url())
    chance = random.Random(1)  # noqa: S311 - the same ones each time
    measured: list[Round] = []
    slots = (rounds + 1) * len(OPERATIONS) * len(all_opponents)
    done = 0
    await check_same(sample, connection, chance, all_opponents)
    for number in range(rounds + 1):
        for operation in OPERATIONS:
            # In random order, so that no opponent always follows the same other one.
            for opponent in chance.sample(all_opponents, len(all_opponents)):
                show(done / slots, f"round {number}, {operation.name}, {opponent.name}")
                # The first round is a warm-up and does not count.
                long, caller = seconds if number else 1, opponent.caller(sample)
                slot = Slot(opponent.url, sample, connection, chance, long, caller)
                one = await _measured(operation, opponent, server, slot)
                measured += [one] * bool(number)
                done += 1
    await connection.close()
    return Comparison(measured)


async def _measured(
    operation: Operation, opponent: Opponent, server: OwnPostgres, slot: Slot
) -> Round:
    requests = await operation.requests(slot)
    app, database = opponent.cpu_seconds(), cpu_seconds(server.processes())
    measured = load(opponent.url, requests, slot.seconds, slot.caller)
    app = opponent.cpu_seconds() - app
    database = cpu_seconds(server.processes()) - database
    if operation.writes:
        await clean(slot.connection)
    measured.require_answers(f"{operation.name}, {opponent.name}")
    million = 1e6 / measured.requests
    return Round(operation.name, opponent.name, measured, app * million, database * million)


async def check_same(
    sample: Sample,
    connection: asyncpg.Connection,
    chance: random.Random,
    all_opponents: Sequence[Opponent],
) -> None:
    """Send one request of each operation to all opponents; raise ``NotTheSame`` if they differ."""
    for operation in (*OPERATIONS, CREATE_IN_FULL):
        await _check_same(operation, sample, connection, chance, all_opponents)


async def _check_same(
    operation: Operation,
    sample: Sample,
    connection: asyncpg.Connection,
    chance: random.Random,
    all_opponents: Sequence[Opponent],
) -> None:
    answers = {}
    state = chance.getstate()
    for opponent in all_opponents:
        chance.setstate(state)
        caller = opponent.caller(sample)
        slot = Slot(opponent.url, sample, connection, chance, 0.001, caller)
        requests = await operation.requests(slot)
        # A request that succeeds only once is prepared for each opponent.
        request = requests[-1]
        async with httpx.AsyncClient(base_url=opponent.url, trust_env=False) as client:
            response = await client.request(
                request.method,
                request.path,
                json=request.body,
                headers={**caller, **dict(request.headers)},
            )
        if operation is GET_KNOWN and opponent.name == SERVICE:
            # The others have no ETags and answer 200 with the whole body.
            if response.status_code != httpx.codes.NOT_MODIFIED:
                raise NotTheSame(
                    f"{operation.name}: {opponent.name} answers {response.status_code}"
                )
            continue
        answer = comparable(response.json(), operation.incomparable) if response.content else None
        answers[opponent.name] = response.status_code, answer
        if operation.writes:
            await clean(connection)
    first, expected = next(iter(answers.items()))
    for name, answer in answers.items():
        if answer != expected:
            raise NotTheSame(
                f"{operation.name}: {first} answers {expected}, but {name} answers {answer}"
            )
