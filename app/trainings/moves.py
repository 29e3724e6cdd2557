"""Moves of booked trainings: all active bookings move along, or none does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlmodel.sql.sqltypes import UTCDateTime

from app.core.access import Caller
from app.core.db.statements import Statement
from app.core.db.transactions import Transaction
from app.core.errors import RFC_3339, FieldError, WrongState
from app.core.resources.queries import FULL
from app.trainings import rights, seats
from app.trainings.errors import AthleteBusy
from app.trainings.seats import ATHLETES, BOOKINGS, TRAININGS

PLACE = "starts_at", "ends_at", "centre_id"
"""Fields that say when and where a training is: a change of them moves it."""
MOST_NAMED = 50
"""How many athletes an error names, at most."""
MOVED_FROM = "moved_from"
"""The field of the columns that say from where a training was moved."""


@dataclass(frozen=True)
class Move:
    """A move of a locked training that somebody has booked, to another time or centre."""

    training: Any
    place: Mapping[str, Any]
    """The new time and centre: the values of ``PLACE``."""
    field: str
    """The first field that changes."""

    @classmethod
    def of(cls, training: Any, values: Mapping[str, Any]) -> "Move | None":
        """Return the move that new values of columns are, or None if nobody has to move."""
        place = {name: values.get(f"new_{name}", training[name]) for name in PLACE}
        changed = [name for name in PLACE if place[name] != training[name]]
        is_booked = training["taken"] + training["waiting"] > 0
        return cls(training, place, changed[0]) if changed and is_booked else None

    def check_time(self, now: datetime) -> None:
        """Raise ``WrongState`` if the training has started, or would have started already."""
        if now >= self.training["starts_at"]:
            raise WrongState("This training has started, and has bookings: it cannot be moved.")
        if now >= self.place["starts_at"]:
            raise WrongState("This training has bookings: it cannot be moved into the past.")

    def former(self, now: datetime, *, is_told: bool) -> dict[str, Any]:
        """Return the new values of the columns that say from where it was moved.

        After several moves, this is the first place, unless the training is back there, or the
        earlier moves are not ``is_told`` any more.
        """
        before = {name: self.training[name] for name in PLACE}
        if is_told:
            first = {name: self.training[f"moved_from_{name}"] for name in PLACE}
            if first != self.place:
                before = first
        return {
            "new_moved_at": now,
            **{f"new_moved_from_{name}": value for name, value in before.items()},
        }


async def lock_booked(transaction: Transaction, training_ids: Sequence[UUID]) -> datetime:
    """Lock all athletes with active bookings of locked trainings; return the time after that."""
    (now,) = await transaction.row(seats.lock_active_query(), {"trainings": training_ids})
    assert isinstance(now, datetime)
    return now


async def is_told(transaction: Transaction, training: Any) -> bool:
    """Return whether an active booking of a locked training is older than its last move."""
    if training["moved_at"] is None:
        return False
    values = {"training_id": training["id"], "moved_at": training["moved_at"]}
    (told,) = await transaction.row(_told_query(), values)
    return bool(told)


async def refuse_if_busy(
    transaction: Transaction, training_ids: Sequence[UUID], caller: Caller, field: str
) -> None:
    """Raise ``AthleteBusy`` if a move has given athletes two seats at one time.

    The error names these athletes, and of their other trainings those that the caller sees.
    """
    busy = await transaction.rows(_busy_query(), {"trainings": training_ids})
    if not busy:
        return
    reach = rights.SEE_BOOKINGS[FULL].reach(caller)
    errors = [
        FieldError(
            pointer=f"/{field}",
            code="busy",
            detail=_detail(one, sees=reach.includes([one["centre_id"]], one["athlete_id"])),
        )
        for one in busy
    ]
    raise AthleteBusy(
        "Nobody was moved: some athletes have a seat in another training, which overlaps.", errors
    )


def _detail(busy: Any, *, sees: bool) -> str:
    athlete = f"{busy['athlete']} ({busy['athlete_id']})"
    if not sees:
        return f"{athlete} has a seat in another training."
    return (
        f'{athlete} has a seat in "{busy["name"]}" ({busy["id"]}):'
        f" from {busy['starts_at']:{RFC_3339}} to {busy['ends_at']:{RFC_3339}}."
    )


@cache
def _told_query() -> Statement:
    """Find out whether an active booking of a training is older than ``moved_at``."""
    older = sa.select(BOOKINGS.c.id).where(
        BOOKINGS.c.training_id == sa.bindparam("training_id", type_=sa.Uuid),
        BOOKINGS.c.cancelled_at.is_(None),
        BOOKINGS.c.booked_at < sa.bindparam("moved_at", type_=UTCDateTime()),
    )
    return Statement(sa.select(older.exists()))


@cache
def _busy_query() -> Statement:
    """Find athletes with a seat in one of some ``trainings`` and one in another that overlaps."""
    this, other = BOOKINGS.alias("this"), TRAININGS.alias("other")
    others, keep = seats.seats_meanwhile(
        this.c.athlete_id, this.c.training_id, this.c.starts_at, this.c.ends_at
    )
    each = (
        sa.select(
            this.c.athlete_id,
            ATHLETES.c.name.label("athlete"),
            other.c.id,
            other.c.name,
            other.c.starts_at,
            other.c.ends_at,
            other.c.centre_id,
        )
        .join_from(this, ATHLETES, ATHLETES.c.id == this.c.athlete_id)
        .join(others, keep)
        .join(other, other.c.id == others.c.training_id)
        .where(
            this.c.training_id == sa.func.any(sa.bindparam("trainings", type_=ARRAY(sa.Uuid))),
            seats.seated(this),
        )
        .ext(distinct_on(this.c.athlete_id))
        .order_by(this.c.athlete_id, other.c.starts_at)
        .subquery("each")
    )
    return Statement(
        sa.select(each)
        .order_by(each.c.athlete, each.c.athlete_id)
        .limit(sa.literal_column(str(MOST_NAMED)))
    )
