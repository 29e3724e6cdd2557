"""What the rights of a role cost: an owner and a coach against an administrator.

All of them read the same 200 athletes of one centre, in a database of 100,000. An administrator
asks for them by the centre; the others see no more.
"""

import asyncio
import random
import tempfile
from statistics import median
from uuid import UUID

import asyncpg

from app.commands.identity import admin_token
from app.commands.progress import progress
from app.commands.prove.service import running_service
from app.core.resources.fields import new_id
from bench.database import FIRST_NAMES, Sample, filled_database, tidy
from bench.load import Request, load
from bench.operations import ATHLETES, MARK, MOST_WRITES, payload
from bench.results import Target

ROWS, MEMBERS = 100_000, 200
ROUNDS = 5
SECONDS = 2

Loads = dict[str, list[Request]]


def callers() -> list[Target]:
    """Measure the gets, lists and creates of each caller, in alternation."""
    chance = random.Random(1)  # noqa: S311 - the same ones each time
    rates: dict[tuple[str, str], list[float]] = {}
    with (
        progress("callers") as show,
        filled_database(ROWS) as (_, sample),
        tempfile.TemporaryFile("a+") as log,
        running_service(log) as service,
    ):
        centre_id, athlete_ids = asyncio.run(_box(sample))
        tokens = {"administrator": sample.headers}
        tokens |= {role: _caller(sample, role, centre_id) for role in ("owner", "coach")}
        for number in range(ROUNDS + 1):
            for who in chance.sample(list(tokens), len(tokens)):
                for what, requests in _loads(sample, centre_id, athlete_ids, who, chance).items():
                    show(number / (ROUNDS + 1), f"round {number}, {what} by {who}")
                    # The first round is a warm-up and does not count.
                    one = load(service.url, requests, SECONDS if number else 1, tokens[who])
                    one.require_answers(f"{what} by {who}")
                    rates.setdefault((what, who), []).extend([one.rate] * bool(number))
                asyncio.run(_clean(sample))
    return [
        Target(f"{what}: throughput of the {who} / administrator", ratio, "least", 0.6, 0.9)
        for (what, who), values in rates.items()
        if who != "administrator"
        for ratio in [median(map(_divided, values, rates[what, "administrator"]))]
    ]


def _divided(value: float, by: float) -> float:
    return value / by


async def _box(sample: Sample) -> tuple[UUID, list[UUID]]:
    """Add a centre with some of the athletes; return its id and theirs."""
    centre_id, athlete_ids = new_id(), sample.athlete_ids[:MEMBERS]
    connection = await asyncpg.connect(sample.url)
    await connection.execute(
        "INSERT INTO centres (id, name, name_key, time_zone) VALUES ($1, 'B', 'b', 'UTC')",
        centre_id,
    )
    await connection.execute(
        "INSERT INTO enrolments (athlete_id, centre_id) SELECT unnest($1::uuid[]), $2",
        athlete_ids,
        centre_id,
    )
    await tidy(connection)
    await connection.close()
    return centre_id, athlete_ids


def _caller(sample: Sample, role: str, centre_id: UUID) -> dict[str, str]:
    """Make an account with a role at a centre; return the header with its token."""
    email = f"{role}@bench.example"
    token = admin_token(email)
    asyncio.run(_demote(sample, email, role, centre_id))
    return {"Authorization": f"Bearer {token}"}


async def _demote(sample: Sample, email: str, role: str, centre_id: UUID) -> None:
    connection = await asyncpg.connect(sample.url)
    account_id = await connection.fetchval(
        "UPDATE accounts SET is_admin = false WHERE email = $1 RETURNING id", email
    )
    await connection.execute(
        "INSERT INTO staff (id, account_id, centre_id, role) VALUES ($1, $2, $3, $4)",
        new_id(),
        account_id,
        centre_id,
        role,
    )
    await connection.close()


async def _clean(sample: Sample) -> None:
    """Delete the created athletes, so that each measurement starts with equal tables."""
    connection = await asyncpg.connect(sample.url)
    await connection.execute("DELETE FROM athletes WHERE reference LIKE $1", f"{MARK}%")
    await tidy(connection)
    await connection.close()


def _loads(
    sample: Sample, centre_id: UUID, athlete_ids: list[UUID], who: str, chance: random.Random
) -> Loads:
    """Return the requests of a caller; a coach creates no athletes."""
    scope = f"&centre_id={centre_id}" if who == "administrator" else ""
    gets = [Request("GET", f"{ATHLETES}/{row_id}") for row_id in athlete_ids]
    loads = {"get": gets, "list 50": [Request("GET", f"{ATHLETES}?limit=50{scope}")]}
    if who != "coach":
        loads["create"] = [
            Request("POST", ATHLETES, payload(*_person(sample, chance), [centre_id]))
            for _ in range(MOST_WRITES * SECONDS)
        ]
    return loads


def _person(sample: Sample, chance: random.Random) -> tuple[str, str, UUID]:
    """Return a new reference, a name and a category."""
    return (
        f"{MARK}{chance.getrandbits(64)}",
        f"{chance.choice(FIRST_NAMES)} Lindqvist",
        chance.choice(sample.category_ids),
    )
