"""Operations on trainings."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from app.centres.crud import CentresCRUD
from app.core.access import Right
from app.core.db.transactions import Runner, Transaction
from app.core.errors import NotFound, WrongState
from app.core.resources.crud import CRUD, Resource
from app.core.resources.queries import FULL
from app.trainings import rights, seats
from app.trainings.models import TrainingCreate, TrainingUpdate
from app.trainings.occupancy import occupancy_query
from app.trainings.queries import TRAINING_QUERIES

FIXED = {"centre_id", "starts_at", "ends_at"}
"""Fields that are frozen once a training has bookings."""
RULED = {*FIXED, "capacity"}
"""Fields that the rules about seats and centre capacity depend on; changing them takes locks."""


class TrainingsCRUD(CRUD[TrainingCreate, TrainingUpdate]):
    """Creates, reads, lists, updates, cancels and deletes trainings."""

    queries = TRAINING_QUERIES
    sees = rights.SEE
    changes = rights.CHANGE

    async def cancel(self, training_id: UUID) -> Resource:
        """Cancel a training and its bookings (idempotent).

        Raise ``NotFound``, ``Forbidden`` or ``WrongState``.
        """

        async def work(transaction: Transaction) -> Resource:
            values = {"id": training_id, "expected": None}
            training = await transaction.row(seats.lock_training_query(), values)
            if training is None:
                raise self.not_found()
            self.check(rights.CHANGE, training)
            if training["status"] == "cancelled":
                return await self._read(transaction, training_id)
            refuse_after_start(training, training["now"])
            return self._found(await transaction.row(self.queries.cancel_query(), dict(training)))

        return await self._database.transaction(work)

    async def occupancy(self, centre_id: UUID, at: datetime | None) -> str:
        """Report how full a centre is, as JSON; raise ``NotFound`` or ``Forbidden``."""
        centres = CentresCRUD(self._database, self._caller)
        await centres.require_right(rights.SEE_OCCUPANCY, centre_id)
        row = await self._database.row(occupancy_query(), {"id": centre_id, "at": at})
        if row is None:
            raise CentresCRUD.not_found()
        body: str = row["body"]
        return body

    def sees_row(self, training: Any) -> bool:
        """Return whether the caller sees a training, given its columns."""
        return rights.SEE[FULL].reach(self._caller).includes([training["centre_id"]])

    def check(self, right: Right, training: Any, athlete_id: UUID | None = None) -> None:
        """Check a right for a training, or for a booking of it by an athlete, given its columns.

        Raise ``NotFound`` if the caller does not see the training, else ``Forbidden``.
        """
        if not right.reach(self._caller).includes([training["centre_id"]], athlete_id):
            raise self.forbidden() if self.sees_row(training) else self.not_found()

    async def _check_creation(self, payload: TrainingCreate) -> None:
        await self._check_centre(self._database, payload.centre_id)

    async def _update(self, fields: frozenset[str], values: Mapping[str, Any]) -> Resource | None:
        if fields.isdisjoint(RULED):
            return await super()._update(fields, values)

        async def change(transaction: Transaction) -> Resource | None:
            centres = {"centre_id": values.get("new_centre_id")}
            training = await transaction.row(
                seats.lock_training_at_centres_query(), {**values, **centres}
            )
            if training is None:
                return None
            self.check(rights.CHANGE, training)
            if "centre_id" in fields:
                await self._check_centre(transaction, values["new_centre_id"])
            self._refuse_to_move(training, values)
            changed = await self._write(transaction, self.queries.update_query(fields), values)
            has_more = values.get("new_capacity", 0) > training["taken"]
            if changed and has_more and training["waiting"]:
                (now,) = await transaction.row(
                    seats.lock_waiting_query(), {"training_id": changed.id}
                )
                if now < training["starts_at"]:
                    await transaction.row(self.queries.promote_query(), values)
                return await self._read(transaction, changed.id)
            return changed

        return await self._database.transaction(change)

    async def _check_centre(self, runner: Runner, centre_id: UUID) -> None:
        """Raise ``Forbidden`` if the caller may not schedule trainings at a centre."""
        with suppress(NotFound):  # the write reports it
            centres = CentresCRUD(runner, self._caller)
            await centres.require_right(rights.CHANGE, centre_id)

    @staticmethod
    def _refuse_to_move(training: Any, values: Mapping[str, Any]) -> None:
        """Raise ``WrongState`` if times or centre would change, and there are active bookings."""
        moves = any(
            values.get(f"new_{field}", training[field]) != training[field] for field in FIXED
        )
        if moves and training["taken"] + training["waiting"]:
            raise WrongState("This training has bookings: its times and centre cannot change.")


def refuse_after_start(training: Any, now: datetime) -> None:
    """Raise ``WrongState`` if a training has started."""
    if now >= training["starts_at"]:
        raise WrongState("This training has started: it is too late to book or cancel.")
