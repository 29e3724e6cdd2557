"""A reader that follows the journal: it gets each event once, also those that commit late."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from app.core.db.transactions import Runner
from app.journal.queries import followed_query, latest_query

BATCH = 1000
"""How many events a reader gets at once, at most."""


class Position(NamedTuple):
    """A place in the journal, after an event.

    Transaction ids count within one cluster of PostgreSQL, and its standbys continue them. A dump
    that is restored into another cluster keeps the ids of its events, but new ones get ids of that
    cluster, which may be lower. So a position is of no use there: a reader reads all events once
    more, and goes on from ``latest``.
    """

    transaction_id: int = 0
    id: UUID = UUID(int=0)

    @classmethod
    def after(cls, event: Mapping[str, Any]) -> "Position":
        """Return the position after an event."""
        return cls(event["transaction_id"], event["id"])


async def latest(runner: Runner, number: int, kind: str | None = None) -> list[Any]:
    """Return the latest events that can be followed, in their order; maybe only of one kind."""
    values = {"number": number, "kind": kind}
    return (await runner.rows(latest_query(of_kind=kind is not None), values))[::-1]


async def events_after(runner: Runner, position: Position) -> list[Any]:
    """Return the next events after a position, in their order: at most ``BATCH``."""
    return await runner.rows(followed_query(), position._asdict())
