"""A database to measure on: a temporary server with default settings, filled with athletes."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg

from app.commands.database import database_url, migrate_to_head
from app.commands.identity import admin_token
from app.commands.postgres.access import ROLE
from app.commands.postgres.embedded import temporary_postgres
from app.commands.postgres.server import OwnPostgres
from app.core.resources.fields import new_id
from app.core.resources.text import email_key, name_key

CATEGORIES = 5
CENTRES = 200
"""For any number of athletes; each trains at two centres on average."""
FIRST_NAMES, STEMS, ENDINGS = (
    words.split()
    for words in (
        "Ana Bruno Chloe Diego Elias Freya Grace Hugo Ines Jonas Keiko Liam Maja Nora Omar Priya"
        " Quentin Rosa Sofia Theo Uma Viktor Wanda Xavier Yara Zoe",
        "Alv Ander Berg Brand Cas Dal Eng Falk Ferr Grun Hag Holm Ivan Jan Karl Kov Lind Lund Mart"
        " Mor Nak Nor Oster Pal Petr Quin Rod Ros Sand Sil Stein Strand Tan Torr Ulv Var Vest West"
        " Yam Zim",
        "a aker amoto ard as ato berg by dahl dal din eiro elli en enko er ero es eva ez gaard"
        " hammer holt i ic ini itz klint kvist land lund man mark nes off osa ova quist rud sen ski"
        " son strom strup vall vig wald",
    )
)


@dataclass(frozen=True)
class Sample:
    """The ids in a database, from which requests are made."""

    url: str
    headers: dict[str, str]
    """The header with an administrator's token, for requests to the service."""
    athlete_ids: list[UUID]
    category_ids: list[UUID]
    centre_ids: list[UUID]


@contextmanager
def filled_database(rows: int) -> Iterator[tuple[OwnPostgres, Sample]]:
    """Run a temporary, durable server with ``rows`` athletes until the context ends."""
    with temporary_postgres(durable=True) as server, database_url(server.url()):
        migrate_to_head()
        asyncio.run(_let_checkpoint(server.administration_url()))
        token = admin_token("admin@bench.example")
        yield server, asyncio.run(_filled(server.url(), token, rows))


async def _let_checkpoint(url: str) -> None:
    """Let the service's role, with which bench connects, start a checkpoint."""
    connection = await asyncpg.connect(url)
    await connection.execute(f"GRANT pg_checkpoint TO {ROLE}")
    await connection.close()


async def _filled(url: str, token: str, rows: int) -> Sample:
    chance = random.Random(rows)  # noqa: S311 - the same ones each time
    sample = Sample(
        url,
        {"Authorization": f"Bearer {token}"},
        [new_id() for _ in range(rows)],
        [new_id() for _ in range(CATEGORIES)],
        [new_id() for _ in range(CENTRES)],
    )
    connection = await asyncpg.connect(url)
    categories = (
        (row_id, f"Level {number}", f"level {number}")
        for number, row_id in enumerate(sample.category_ids)
    )
    await connection.copy_records_to_table(
        "categories", records=categories, columns=["id", "name", "name_key"]
    )
    centres = (
        (row_id, FIRST_DAY + timedelta(days=number), f"Box {number:04}", f"box {number:04}", "UTC")
        for number, row_id in enumerate(sample.centre_ids)
    )
    await connection.copy_records_to_table(
        "centres", records=centres, columns=["id", "created_at", "name", "name_key", "time_zone"]
    )
    athletes = (_athlete(sample, number, chance) for number in range(rows))
    await connection.copy_records_to_table("athletes", records=athletes, columns=COLUMNS)
    enrolments = (
        (athlete_id, centre_id)
        for athlete_id in sample.athlete_ids
        for centre_id in chance.sample(sample.centre_ids, chance.choice([1, 2, 2, 3]))
    )
    await connection.copy_records_to_table(
        "enrolments", records=enrolments, columns=["athlete_id", "centre_id"]
    )
    await tidy(connection)
    await connection.close()
    return sample


COLUMNS = (
    *("id", "created_at", "updated_at", "name", "name_key", "reference", "email", "email_key"),
    *("birth_date", "sex", "height_cm", "weight_kg", "category_id"),
)
FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)


def _athlete(sample: Sample, number: int, chance: random.Random) -> tuple[Any, ...]:
    name = f"{chance.choice(FIRST_NAMES)} {chance.choice(STEMS)}{chance.choice(ENDINGS)}"
    came_at = FIRST_DAY + timedelta(minutes=number)
    email = f"member.{number}@example.com"
    return (
        sample.athlete_ids[number],
        came_at,
        came_at,
        name,
        cached_name_key(name),
        f"M-{number}",
        email,
        email_key(email),
        date(1970, 1, 1) + timedelta(days=chance.randrange(13_000)),
        chance.choice(["female", "male"]),
        Decimal(chance.randrange(1500, 2000)) / 10,
        Decimal(chance.randrange(5000, 11000)) / 100,
        chance.choice(sample.category_ids),
    )


cached_name_key = cache(name_key)


async def tidy(connection: Any) -> None:
    """Vacuum and checkpoint now, so that PostgreSQL does not do it during a measurement."""
    await connection.execute("VACUUM (ANALYZE) athletes, enrolments, categories, centres, events")
    await connection.execute("CHECKPOINT")
