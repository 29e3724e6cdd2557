"""What is done with trainings."""

from collections.abc import Iterator, Mapping, Set
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel.sql.sqltypes import UTCDateTime

from app.centres.crud import CentresCRUD
from app.core.db.statements import Statement
from app.core.db.transactions import Unit
from app.core.resources.crud import CRUD, Resource
from app.core.resources.models import one_change_more
from app.core.resources.projection import Projection
from app.trainings import seats
from app.trainings.errors import WrongState
from app.trainings.models import Training, TrainingCreate, TrainingRead, TrainingUpdate
from app.trainings.occupancy import occupancy_statement
from app.trainings.seats import BOOKINGS, CANCELLED, NONE, ONE, SCHEDULED, TRAININGS

FIXED = {"centre_id", "starts_at", "ends_at"}
"""What nobody changes who has promised it to somebody."""
RULED = {*FIXED, "capacity"}
"""What the rules of seats and of the centre are about."""


class TrainingsCRUD(CRUD[TrainingCreate, TrainingUpdate]):
    """Creates, reads, lists, changes, cancels and deletes trainings."""

    row = Training
    read = TrainingRead
    summary = TrainingRead
    sorts = {"starts_at": "starts_at"}  # noqa: RUF012 - it is a ClassVar of the base

    async def cancel(self, training_id: UUID) -> Resource:
        """Cancel a training and its bookings, unless that is done; raise ``WrongState``."""

        async def work(unit: Unit) -> Resource:
            values = {"id": training_id, "expected": None}
            training = await unit.row(seats.lock_training(), values)
            if training is None:
                raise self.not_found()
            if training["status"] == "cancelled":
                return self._resource_of(await unit.row_of(self.get_statement(), training_id))
            refuse_after_start(training, training["now"])
            return self._resource_of(await unit.row(self.cancel_statement(), dict(training)))

        return await self._database.transaction(work)

    async def occupancy(self, centre_id: UUID, at: datetime | None) -> str:
        """Tell how full a centre is at some time, as JSON; raise ``NotFound``."""
        row = await self._database.row(occupancy_statement(), {"id": centre_id, "at": at})
        if row is None:
            raise CentresCRUD.not_found()
        body: str = row["body"]
        return body

    async def _changed(self, fields: frozenset[str], values: Mapping[str, Any]) -> Resource | None:
        if fields.isdisjoint(RULED):
            return await super()._changed(fields, values)

        async def change(unit: Unit) -> Resource | None:
            centres = {"centre_id": values.get("new_centre_id")}
            training = await unit.row(seats.lock_training_at_centres(), {**values, **centres})
            if training is None:
                return None
            self._refuse_to_move(training, values)
            changed = await self._written_row(unit, self.update_statement(fields), values)
            has_more = values.get("new_capacity", 0) > training["taken"]
            if changed and has_more and training["waiting"]:
                (now,) = await unit.row(seats.lock_waiting(), {"training_id": changed.id})
                if now < training["starts_at"]:
                    await unit.row(self.promote_statement(), values)
                return self._resource_of(await unit.row_of(self.get_statement(), changed.id))
            return changed

        return await self._database.transaction(change)

    @staticmethod
    def _refuse_to_move(training: Any, values: Mapping[str, Any]) -> None:
        """Raise ``WrongState`` if time or centre would change for somebody."""
        moves = any(
            values.get(f"new_{field}", training[field]) != training[field] for field in FIXED
        )
        if moves and training["taken"] + training["waiting"]:
            raise WrongState("This training has bookings: its time and its centre are fixed.")

    @classmethod
    def filters(cls, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each filter that is given."""
        yield from starting_in_time(TRAININGS, given)
        if "centre_id" in given:
            yield TRAININGS.c.centre_id == sa.bindparam("centre_id")
        if "status" in given:
            yield TRAININGS.c.status == sa.bindparam("status")
        if "available" in given:
            yield TRAININGS.c.status == SCHEDULED
            yield TRAININGS.c.taken < TRAININGS.c.capacity
            yield TRAININGS.c.starts_at > sa.func.statement_timestamp()

    @classmethod
    @cache
    def cancel_statement(cls) -> Statement:
        """Cancel a training that is locked, with its bookings, and read it."""
        training_id = sa.bindparam("id", type_=sa.Uuid)
        cancelled = {
            BOOKINGS.c.status: CANCELLED,
            BOOKINGS.c.cancelled_at: sa.bindparam("now", type_=UTCDateTime()),
        }
        bookings = (
            sa.update(BOOKINGS)
            .where(
                BOOKINGS.c.training_id == training_id,
                BOOKINGS.c.status != CANCELLED,
            )
            .values({**cancelled, **one_change_more(BOOKINGS)})
            .cte("bookings_of_it")
        )
        projection = Projection(cls.read, cls.row)
        training = (
            sa.update(TRAININGS)
            .where(TRAININGS.c.id == training_id)
            .values(
                {
                    TRAININGS.c.status: CANCELLED,
                    TRAININGS.c.taken: NONE,
                    TRAININGS.c.waiting: NONE,
                    **one_change_more(TRAININGS),
                }
            )
            .returning(*projection.columns)
            .cte("training")
        )
        return Statement(projection.each(training).add_cte(bookings))

    @classmethod
    @cache
    def promote_statement(cls) -> Statement:
        """Give the free seats of a training that is locked to those who wait."""
        training_id = sa.bindparam("id", type_=sa.Uuid)
        return Statement(sa.select(ONE).add_cte(*seats.line_served(training_id, NONE)))


def refuse_after_start(training: Any, now: datetime) -> None:
    """Raise ``WrongState`` if a training has started."""
    if now >= training["starts_at"]:
        raise WrongState("This training has started: nothing is booked or cancelled any more.")


def starting_in_time(table: sa.FromClause, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
    """Yield the conditions of the filters by time that are given."""
    if "from_" in given:
        yield table.c.starts_at >= sa.bindparam("from_")
    if "to" in given:
        yield table.c.starts_at < sa.bindparam("to")
