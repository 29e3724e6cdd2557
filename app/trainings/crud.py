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
from app.trainings import moves, rights, seats
from app.trainings.models import TrainingCreate, TrainingUpdate
from app.trainings.occupancy import occupancy_query
from app.trainings.queries import TRAINING_QUERIES

RULED = {*moves.PLACE, "capacity"}
"""Fields that the rules about seats and centre capacity depend on; changing them takes locks."""


class CentreChanged(Exception):
    """The training has moved to another centre while a transaction waited for it."""


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
        return self.reach().includes([training["centre_id"]])

    def check(
        self,
        right: Right,
        training: Any,
        athlete_id: UUID | None = None,
        *,
        is_today: bool = False,
    ) -> None:
        """Check a right for a training, or for a booking of it by an athlete, given its columns.

        Raise ``NotFound`` if the caller does not see the training, else ``Forbidden``.
        """
        centres = [training["centre_id"]]
        today = centres if is_today else []
        if not right.reach(self._caller).includes(centres, athlete_id, today):
            raise self.forbidden() if self.sees_row(training) else self.not_found()

    async def _check_creation(self, payload: TrainingCreate) -> None:
        await self._check_centre(self._database, payload.centre_id)

    async def _update(self, fields: frozenset[str], values: Mapping[str, Any]) -> Resource | None:
        if fields.isdisjoint(RULED):
            return await super()._update(fields, values)

        async def change(transaction: Transaction) -> Resource | None:
            training = await self._lock(transaction, values)
            if training is None:
                return None
            self.check(rights.CHANGE, training)
            if "centre_id" in fields:
                await self._check_centre(transaction, values["new_centre_id"])
            move = moves.Move.of(training, values)
            written, new = set(fields), dict(values)
            if "capacity" in fields:
                new["new_over"] = max(training["taken"] - values["new_capacity"], 0)
            if move is not None:
                now = await moves.lock_booked(transaction, [training["id"]])
                move.check_time(now)
                written.add(moves.MOVED_FROM)
                new |= move.former(now, is_told=await moves.is_told(transaction, training))
            statement = self.queries.update_query(frozenset(written))
            changed = await self._write(transaction, statement, new)
            if changed is None:
                return None
            if move is not None:
                await moves.refuse_if_busy(transaction, [changed.id], self._caller, move.field)
            if await self._fill(transaction, training, values):
                return await self._read(transaction, changed.id)
            return changed

        while True:
            try:
                return await self._database.transaction(change)
            except CentreChanged:
                continue  # the centre of the training is another one now

    async def _lock(self, transaction: Transaction, values: Mapping[str, Any]) -> Any:
        """Lock a training and its centres; None if it has no expected version."""
        new_centre = {"centre_id": values.get("new_centre_id")}
        query = seats.lock_training_at_centres_query()
        training = await transaction.row(query, {**values, **new_centre})
        if training is not None and training["centre_id"] not in training["locked"]:
            raise CentreChanged
        return training

    async def _fill(
        self, transaction: Transaction, training: Any, values: Mapping[str, Any]
    ) -> bool:
        """Give new seats of a locked training to its waitlist; return whether there were any."""
        has_more = values.get("new_capacity", 0) > training["taken"]
        if not (has_more and training["waiting"]):
            return False
        starts_at = values.get("new_starts_at", training["starts_at"])
        (now,) = await transaction.row(seats.lock_waiting_query(), {"training_id": training["id"]})
        if now < starts_at:
            await transaction.row(self.queries.promote_query(), {"id": training["id"]})
        return True

    async def _check_centre(self, runner: Runner, centre_id: UUID) -> None:
        """Raise ``Forbidden`` if the caller may not schedule trainings at a centre."""
        with suppress(NotFound):  # the write reports it
            centres = CentresCRUD(runner, self._caller)
            await centres.require_right(rights.CHANGE, centre_id)


def refuse_after_start(training: Any, now: datetime) -> None:
    """Raise ``WrongState`` if a training has started."""
    if now >= training["starts_at"]:
        raise WrongState("This training has started: it is too late to book or cancel.")
