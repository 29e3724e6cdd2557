"""The migration that writes the keys of names again."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from alembic import command
from alembic.util import CommandError

from app.commands.database import alembic_config, database_url, migrate_to_head
from app.commands.project import ROOT
from app.conftest import Databases, lock_waiters
from app.core.resources.text import name_key

BEFORE, AFTER = "af88871983e2", "d07c41e9a352"

# Rows of the version before: a name, and the key that it had.
CENTRES = [
    ("CrossFit Northside", "crossfit northside"),
    ("パーク", "ハーク"),
    ("Łódź", "łodz"),
    # The new key of each is the earlier one of the next.
    ("мои‑клуб", "мои‐клуб"),
    ("мой-клуб", "мои-клуб"),
]
ATHLETES = [("Łukasz", "łukasz"), ("lukasz", "lukasz"), ("한국", name_key("한국"))]
ADD_CENTRE = """
    INSERT INTO centres (id, name, name_key, time_zone, version, created_at, updated_at)
    VALUES (coalesce($3, gen_random_uuid()), $1, $2, 'UTC', 7, '2026-01-01', '2026-01-02')
"""
ADD_ATHLETE = """
    INSERT INTO athletes (id, name, name_key, category_id, version, created_at, updated_at)
    SELECT gen_random_uuid(), $1, $2, id, 3, '2026-01-01', '2026-01-02' FROM categories
"""
LISTED = """\
error: cannot migrate: names of categories and centres are unique, and these names, which were \
different, are one name now (all of them):
  categories: Ø ({category_id}), O (ffffffff-ffff-4fff-bfff-ffffffffffff)
  centres: Lodz ({ids[3]}), Łódź ({ids[4]})
  centres: O'Brien ({ids[0]}), O’Brien ({ids[1]}), O‘Brien ({ids[2]})
Nothing was changed. Give each its own name, with the version that ran before or with SQL, and
migrate again:
  UPDATE centres SET name = 'Another name' WHERE id = '...'
"""


def run(url: str, statement: str, rows: Sequence[Sequence[Any]] = ((),)) -> list[asyncpg.Record]:
    """Run a statement with each row of values; return what the last one found."""

    async def running() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        found: list[asyncpg.Record] = []
        try:
            for row in rows:
                found = await connection.fetch(statement, *row)
        finally:
            await connection.close()
        return found

    return asyncio.run(running())


def keys(url: str, table: str) -> dict[str, str]:
    rows = run(url, f"SELECT name, name_key FROM {table}")  # noqa: S608
    return {row["name"]: row["name_key"] for row in rows}


@pytest.fixture
def earlier(databases: Databases) -> Iterator[str]:
    """Provide the URL of a database of the version before, with one category."""
    with databases.empty() as url, database_url(url):
        command.upgrade(alembic_config(), BEFORE)
        run(
            url,
            "INSERT INTO categories (id, name, name_key) VALUES (gen_random_uuid(), 'Ø', 'ø')",
        )
        yield url


def test_all_keys_are_written_again_and_nothing_else_of_the_rows(earlier: str) -> None:
    run(earlier, ADD_CENTRE, [(*centre, None) for centre in CENTRES])
    run(earlier, ADD_ATHLETE, ATHLETES)
    everything = (
        "SELECT to_jsonb(row) - 'name_key' FROM ("
        " SELECT to_jsonb(categories) FROM categories UNION ALL SELECT to_jsonb(centres)"
        " FROM centres UNION ALL SELECT to_jsonb(athletes) FROM athletes) AS each (row) ORDER BY 1"
    )
    rows = run(earlier, everything)

    command.upgrade(alembic_config(), AFTER)

    for table in ("categories", "centres", "athletes"):
        written = keys(earlier, table)
        assert written == {name: name_key(name) for name in written}
    assert run(earlier, everything) == rows

    command.downgrade(alembic_config(), BEFORE)

    assert keys(earlier, "categories") == {"Ø": "ø"}
    assert keys(earlier, "centres") == dict(CENTRES)
    assert keys(earlier, "athletes") == dict(ATHLETES)
    assert run(earlier, everything) == rows


def test_names_that_become_one_are_listed_and_nothing_is_written(
    earlier: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["O'Brien", "O’Brien", "O‘Brien", "Lodz", "Łódź", "パーク"]
    earlier_keys = ["o'brien", "o’brien", "o‘brien", "lodz", "łodz", "ハーク"]
    ids = [UUID(int=number) for number in range(len(names))]
    run(earlier, ADD_CENTRE, list(zip(names, earlier_keys, ids, strict=True)))
    run(
        earlier,
        "INSERT INTO categories (id, name, name_key) VALUES ($1, 'O', 'o')",
        [(UUID("ffffffff-ffff-4fff-bfff-ffffffffffff"),)],
    )
    ((category_id,),) = run(earlier, "SELECT id FROM categories WHERE name = 'Ø'")

    with pytest.raises(SystemExit) as stopped:
        migrate_to_head()

    assert stopped.value.code == 3
    assert capsys.readouterr().err == LISTED.format(category_id=category_id, ids=ids)
    assert keys(earlier, "centres") == dict(zip(names, earlier_keys, strict=True))
    assert [tuple(row) for row in run(earlier, "SELECT * FROM alembic_version")] == [(BEFORE,)]

    run(
        earlier,
        "UPDATE centres SET name = $1 WHERE id = $2",
        [("O’Brien 2", ids[1]), ("O‘Brien 3", ids[2]), ("Łódź 2", ids[4])],
    )
    run(earlier, "UPDATE categories SET name = 'Øre' WHERE name = 'Ø'")
    migrate_to_head()

    assert keys(earlier, "categories") == {"O": "o", "Øre": "ore"}
    assert keys(earlier, "centres") == {
        "O'Brien": "o'brien",
        "O’Brien 2": "o'brien 2",
        "O‘Brien 3": "o'brien 3",
        "Lodz": "lodz",
        "Łódź 2": "lodz 2",
        "パーク": "パーク",
    }


@pytest.mark.slow
def test_the_command_lists_at_most_a_hundred_groups_without_a_traceback(earlier: str) -> None:
    run(
        earlier,
        "INSERT INTO centres (id, name, name_key, time_zone) SELECT gen_random_uuid(),"
        " letter || number, lower(letter) || number, 'UTC'"
        " FROM generate_series(1, 11000) AS number, unnest(ARRAY['O', 'Ø']) AS letter",
    )

    done = subprocess.run(
        [sys.executable, "manage.py", "migrate"], cwd=ROOT, capture_output=True, text=True
    )

    lines = done.stderr.splitlines()
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert sum(line.startswith("  centres: ") for line in lines) == 100
    assert any(line.endswith("(the first 100 of each table):") for line in lines)


def test_a_downgrade_lists_the_names_that_were_one_before(earlier: str) -> None:
    command.upgrade(alembic_config(), AFTER)
    run(earlier, ADD_CENTRE, [(name, name, None) for name in ("パーク", "バーク")])

    with pytest.raises(CommandError, match=r"(?m)^  centres: (パーク|バーク) \(.+\), "):
        command.downgrade(alembic_config(), BEFORE)

    assert keys(earlier, "centres") == {"パーク": "パーク", "バーク": "バーク"}


def test_many_athletes_are_written_in_batches(earlier: str) -> None:
    run(
        earlier,
        "INSERT INTO athletes (id, name, name_key, category_id) SELECT"
        " lpad(to_hex(number), 32, '0')::uuid, 'Łukasz ' || number, 'łukasz ' || number, id"
        " FROM categories, generate_series(0, 10001) AS number",
    )

    command.upgrade(alembic_config(), AFTER)

    counted = "SELECT count(*), bool_and(name_key = replace(lower(name), 'ł', 'l')) FROM athletes"
    assert [tuple(row) for row in run(earlier, counted)] == [(10002, True)]


def test_reads_continue_and_a_row_written_meanwhile_gets_its_new_key(earlier: str) -> None:
    async def concurrently() -> None:
        writer, reader = await asyncpg.connect(earlier), await asyncpg.connect(earlier)
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute(ADD_CENTRE, "パーク", "ハーク", None)
        migration = asyncio.create_task(asyncio.to_thread(command.upgrade, alembic_config(), AFTER))
        await lock_waiters(reader)
        assert await reader.fetchval("SELECT count(*) FROM centres") == 0
        await transaction.commit()
        await migration
        await writer.close()
        await reader.close()

    asyncio.run(concurrently())

    assert keys(earlier, "centres") == {"パーク": "パーク"}
