"""The command that prints the journal, and follows it."""

import asyncio
import json
import sys
from contextlib import redirect_stdout
from typing import Any, TextIO

from app.commands.database import command_database, migrate_to_head
from app.commands.signals import run_until_stopped
from app.core.db.pool import connected
from app.core.db.transactions import Database
from app.core.errors import RFC_3339, DomainError
from app.core.settings import get_settings
from app.journal.following import BATCH, Position, events_after, latest

POLL = 0.5
"""Seconds between two looks for new events."""


def print_events(last: int, kind: str | None, *, follow: bool, as_json: bool) -> None:
    """Print the last events, and then maybe each new one; exit with an error in one line."""
    try:
        out = sys.stdout
        # Only events are printed to stdout.
        with redirect_stdout(sys.stderr), command_database():
            migrate_to_head()
            run_until_stopped(write_events(out, last, kind, follow=follow, as_json=as_json))
    except DomainError as error:
        sys.exit(f"error: {error.detail}")


async def write_events(
    out: TextIO, last: int, kind: str | None, *, follow: bool, as_json: bool
) -> None:
    """Write the last events to a file, and then maybe each new one."""
    async with connected(get_settings(), size=1) as database:
        newest = await latest(database, 1)
        position = Position.after(newest[0]) if newest else Position()
        for event in await latest(database, last, kind) if last else ():
            _write(event, as_json, out)
        while follow:
            position = await _write_after(database, position, kind, as_json, out)


async def _write_after(
    database: Database, position: Position, kind: str | None, as_json: bool, out: TextIO
) -> Position:
    """Write the events after a position, or wait if there is none; return the next position."""
    events = await events_after(database, position)
    for event in events:
        if kind is None or f"{event['type']}.".startswith(f"{kind}."):
            _write(event, as_json, out)
    if len(events) < BATCH:
        await asyncio.sleep(POLL)
    return Position.after(events[-1]) if events else position


def _write(event: Any, as_json: bool, out: TextIO) -> None:
    when = event["occurred_at"].strftime(RFC_3339)
    if as_json:
        fields = {**event, "occurred_at": when}
        line = json.dumps(fields, default=str)
    else:
        changed = ", ".join(event["changed"])
        line = f"{when} {event['type']} {event['resource_id']} v{event['version']}"
        line += f" by {event['actor']}" + f": {changed}" * bool(changed)
    print(line, file=out, flush=True)
