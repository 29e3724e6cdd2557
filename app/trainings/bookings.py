"""Operations on bookings: book, cancel, check in and check out."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from asyncpg import UniqueViolationError

from app.athletes.crud import AthletesCRUD, check_named
from app.core.access import Caller, Right
from app.core.db.statements import Statement
from app.core.db.transactions import Runner, Transaction
from app.core.errors import RFC_3339, AlreadyTaken, WrongState
from app.core.resources.crud import CRUD, Resource
from app.core.resources.fields import new_id
from app.core.resources.models import Payload
from app.core.resources.paging import PageOfJSON
from app.trainings import rights, seats
from app.trainings.crud import TrainingsCRUD, refuse_after_start
from app.trainings.errors import AthleteBusy, TrainingFull
from app.trainings.models import BookingCreate, BookingsOfAthleteQuery, BookingsOfTrainingQuery
from app.trainings.queries import BOOKING_QUERIES
from app.trainings.seats import CHECK_IN_BEFORE, SEATED


class BookingsCRUD(CRUD[BookingCreate, Payload]):
    """Books, reads, lists and cancels bookings, and checks in and out."""

    queries = BOOKING_QUERIES
    sees = rights.SEE_BOOKINGS

    def __init__(self, database: Runner, caller: Caller) -> None:
        super().__init__(database, caller)
        self._trainings = TrainingsCRUD(database, caller)
        self._athletes = AthletesCRUD(database, caller)

    async def book(self, training_id: UUID, wish: BookingCreate) -> Resource:
        """Give an athlete a seat in a training, or a place in its waitlist.

        Raise ``NotFound``, ``Forbidden``, ``ReferenceMissing``, ``AlreadyTaken``,
        ``TrainingFull``, ``AthleteBusy``, ``WrongState`` or ``Erased``.
        """
        ids = {"training_id": training_id, "athlete_id": wish.athlete_id}
        whom = self._athletes.reach().values()

        async def work(transaction: Transaction) -> Resource:
            training = await transaction.row(
                seats.lock_training_and_athlete_query(), {**ids, **whom}
            )
            if training is None or not self._trainings.sees_row(training):
                raise TrainingsCRUD.not_found()
            check_named(training["athlete"], training["erased_at"])
            self._trainings.check(rights.BOOK, training, wish.athlete_id)
            if training["status"] == "cancelled":
                raise WrongState("This training is cancelled.")
            refuse_after_start(training, training["now"])
            is_full = training["taken"] >= training["capacity"]
            if is_full and not wish.waitlist:
                await self._refuse_another(transaction, ids)
                raise TrainingFull("This training is full.")
            values = {**ids, "id": new_id(), "now": training["now"]}
            statement = self.queries.book_query(seat=not is_full)
            while (booked := await self._booked(transaction, statement, values)) is None:
                if other := await transaction.row(self.queries.other_query(), ids):
                    await self._refuse_another(transaction, ids)
                    sees_it = self.reach().includes([other["centre_id"]], wish.athlete_id)
                    raise busy_with(other if sees_it else None)
                # The overlapping booking has just been cancelled: the athlete is free, so retry.
            return booked

        return await self._database.transaction(work)

    async def cancel(self, booking_id: UUID) -> Resource:
        """Cancel a booking (idempotent), and give its seat to the waitlist.

        Raise ``NotFound``, ``Forbidden`` or ``WrongState``.
        """

        async def work(transaction: Transaction) -> Resource:
            training = await transaction.row(
                seats.lock_training_of_booking_query(), {"id": booking_id}
            )
            if training is None:
                raise self.not_found()
            await self._check(rights.BOOK, transaction, booking_id)
            ids = {"id": booking_id, "training_id": training["id"]}
            status, now = await transaction.row(seats.lock_waiting_for_seat_query(), ids)
            if status == "cancelled":
                return await self._read(transaction, booking_id)
            refuse_after_start(training, now)
            statement = self.queries.cancel_query(seat=status in SEATED)
            return self._found(await transaction.row(statement, {**ids, "now": now}))

        return await self._database.transaction(work)

    async def check_in(self, booking_id: UUID) -> Resource:
        """Check in an athlete (idempotent).

        Raise ``NotFound``, ``Forbidden`` or ``WrongState``.
        """

        def refuse(booking: Any) -> None:
            if booking["status"] != "reserved":
                raise WrongState("Only an athlete with a seat can check in.")
            if booking["now"] < booking["starts_at"] - CHECK_IN_BEFORE:
                raise WrongState("It is too early: check-in opens an hour before the start.")
            if booking["now"] >= booking["ends_at"]:
                raise WrongState("This training has ended.")

        return await self._noted(booking_id, "checked_in_at", refuse)

    async def check_out(self, booking_id: UUID) -> Resource:
        """Check out an athlete (idempotent).

        Raise ``NotFound``, ``Forbidden`` or ``WrongState``.
        """

        def refuse(booking: Any) -> None:
            if booking["status"] != "checked_in":
                raise WrongState("Only an athlete who is checked in can check out.")

        return await self._noted(booking_id, "checked_out_at", refuse)

    async def of_training(self, training_id: UUID, query: BookingsOfTrainingQuery) -> PageOfJSON:
        """List the bookings of a training; raise ``NotFound`` if there is no such training."""
        return await self.page_within(self._trainings, training_id, query)

    async def of_athlete(self, athlete_id: UUID, query: BookingsOfAthleteQuery) -> PageOfJSON:
        """List the bookings of an athlete; raise ``NotFound`` if there is no such athlete."""
        return await self.page_within(self._athletes, athlete_id, query)

    @staticmethod
    async def _booked(
        transaction: Transaction, statement: Statement, values: Mapping[str, Any]
    ) -> Resource | None:
        try:
            booked = await transaction.row(statement, values)
        except UniqueViolationError:
            raise booked_already() from None
        return Resource(*booked) if booked else None

    async def _refuse_another(self, transaction: Transaction, ids: Mapping[str, UUID]) -> None:
        """Raise ``AlreadyTaken`` if the athlete has an active booking of the training.

        This error takes precedence over ``TrainingFull`` and ``AthleteBusy``.
        """
        if await transaction.row(self.queries.active_query(), ids):
            raise booked_already()

    async def _noted(
        self, booking_id: UUID, column: str, refuse: Callable[[Any], None]
    ) -> Resource:
        """Write the current time to a column (idempotent), unless ``refuse`` raises an error.

        Normally, one statement is enough. If it changes nothing, the booking is locked to find out
        why.
        """
        reach = rights.CHECK_IN.reach(self._caller)
        values = {"id": booking_id, "now": None, **reach.values()}
        noted = await self._database.row(self.queries.note_query(column), values)
        if noted is not None:
            return Resource(*noted)

        async def work(transaction: Transaction) -> Resource:
            booking = await transaction.row(seats.lock_booking_query(), {"id": booking_id})
            if booking is None:
                raise self.not_found()
            await self._check(rights.CHECK_IN, transaction, booking_id)
            if booking["status"] == "checked_in" and booking[column] is not None:
                return await self._read(transaction, booking_id)
            refuse(booking)
            again = {**values, "now": booking["now"]}
            return self._found(await transaction.row(self.queries.note_query(column), again))

        return await self._database.transaction(work)

    async def _check(self, right: Right, transaction: Transaction, booking_id: UUID) -> None:
        """Raise ``NotFound`` for a booking that the caller does not see, or ``Forbidden``."""
        if self._caller.is_admin:
            return
        seen = await self._see(transaction, booking_id)
        if not right.reach(self._caller).includes(**seen.belongs):
            raise self.forbidden()


def booked_already() -> AlreadyTaken:
    """Return the error for an athlete who books a training again."""
    detail = "This athlete already has a booking of this training."
    return AlreadyTaken.of_field("/athlete_id", "taken", detail)


def busy_with(training: Any) -> AthleteBusy:
    """Return the error for an athlete with a seat in a training that overlaps.

    It names the training, unless that is None: the caller does not see the booking there.
    """
    if training is None:
        detail = "This athlete has a seat in another training, which overlaps."
        return AthleteBusy.of_field("/athlete_id", "busy", detail)
    detail = (
        f'This athlete has a seat in "{training["name"]}" ({training["id"]}), which overlaps:'
        f" from {training['starts_at']:{RFC_3339}} to {training['ends_at']:{RFC_3339}}."
    )
    return AthleteBusy.of_field("/athlete_id", "busy", detail)
