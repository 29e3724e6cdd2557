"""Readers follow the journal, and miss nothing whatever the order of commits."""

import asyncio
import io
import json
from itertools import permutations
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.commands import events as command
from app.commands.database import database_url
from app.conftest import Json, patient
from app.core.db.pool import connected
from app.journal.following import Position, events_after, latest

EVENT = """
    INSERT INTO events (actor, type, resource_id, version, centre_ids, changed)
    VALUES ('command', $1, $2, 1, '{}', '{}')
"""
ROW = UUID(int=7)
WRITERS = 4


async def read_plainly(connection: asyncpg.Connection, position: Position) -> list[Any]:
    """Read the events after a position as a reader would that knows nothing of transactions."""
    found: list[Any] = await connection.fetch(
        "SELECT * FROM events WHERE (transaction_id, id) > ($1, $2) ORDER BY transaction_id, id",
        *position,
    )
    return found


async def test_a_reader_misses_nothing_in_any_order_of_commits(own_database: str) -> None:
    writers = [await asyncpg.connect(own_database) for _ in range(WRITERS)]
    plain_reader = await asyncpg.connect(own_database)
    seen: list[str] = []
    seen_plainly: list[str] = []
    written: list[str] = []
    async with connected(patient(own_database), size=1) as database:
        position = plain = Position()

        async def read() -> None:
            nonlocal position, plain
            for event in await events_after(database, position):
                position = Position.after(event)
                seen.append(event["type"])
            for event in await read_plainly(plain_reader, plain):
                plain = Position.after(event)
                seen_plainly.append(event["type"])

        for order in permutations(range(WRITERS)):
            transactions = [writer.transaction() for writer in writers]
            for number, (writer, transaction) in enumerate(zip(writers, transactions, strict=True)):
                await transaction.start()
                written.append(f"{order} {number}")
                await writer.execute(EVENT, written[-1], ROW)
            for number in order:
                await transactions[number].commit()
                await read()
    for connection in (*writers, plain_reader):
        await connection.close()

    assert seen == written
    assert len(seen_plainly) < len(written), "the plain reader shows what this test is for"


async def test_the_latest_events_are_followed_from_the_last_one(
    own_database: str, other: asyncpg.Connection
) -> None:
    for kind in ("booking.created", "booking.promoted", "bookings.created", "athlete.created"):
        await other.execute(EVENT, kind, ROW)
    async with connected(patient(own_database), size=1) as database:
        last = await latest(database, 3)
        bookings = await latest(database, 9, "booking")
        await other.execute(EVENT, "new", ROW)
        after = await events_after(database, Position.after(last[-1]))

    assert [event["type"] for event in last] == [
        "booking.promoted",
        "bookings.created",
        "athlete.created",
    ]
    assert [event["type"] for event in bookings] == ["booking.created", "booking.promoted"]
    assert [event["type"] for event in after] == ["new"]


def test_the_command_prints_the_last_events(
    own_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def write() -> None:
        connection = await asyncpg.connect(own_database)
        for kind in ("athlete.created", "booking.created"):
            await connection.execute(EVENT, kind, ROW)
        await connection.execute(EVENT.replace("'{}')", "'{name,sex}')"), "athlete.updated", ROW)
        await connection.close()

    asyncio.run(write())
    with database_url(own_database):
        command.print_events(2, "athlete", follow=False, as_json=False)
        command.print_events(1, None, follow=False, as_json=True)

    created, updated, as_json = capsys.readouterr().out.splitlines()
    assert created.split(" ", 1)[1] == f"athlete.created {ROW} v1 by command"
    assert updated.endswith(" by command: name, sex")
    event: Json = json.loads(as_json)
    assert event["changed"] == ["name", "sex"]
    assert event["resource_id"] == str(ROW)


async def test_the_command_follows_one_kind_of_events(
    own_database: str, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "POLL", 0.01)
    printed = asyncio.Event()

    class Out(io.StringIO):
        def write(self, text: str) -> int:
            printed.set()
            return super().write(text)

    await other.execute(EVENT, "athlete.created", ROW)
    out = Out()
    with database_url(own_database):
        following = asyncio.create_task(
            command.write_events(out, 1, "athlete", follow=True, as_json=False)
        )
        async with asyncio.timeout(10):
            await printed.wait()
            for kind in ("booking.created", "athlete.deleted"):
                await other.execute(EVENT, kind, ROW)
            printed.clear()
            await printed.wait()
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following

    kinds = [line.split()[1] for line in out.getvalue().splitlines()]
    assert kinds == ["athlete.created", "athlete.deleted"]
