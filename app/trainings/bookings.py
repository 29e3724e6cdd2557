"""Operations on bookings: book, cancel, check in and check out."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import UniqueViolationError

from app.athletes.crud import AthletesCRUD, check_named
from app.core.access import Caller, Reach, Right
from app.core.db.statements import Statement
from app.core.db.transactions import Runner, Transaction
from app.core.errors import (
    RFC_3339,
    AlreadyTaken,
    Conflict,
    NotFound,
    ReferenceMissing,
    WrongState,
)
from app.core.resources.crud import CRUD, Resource
from app.core.resources.fields import new_id
from app.core.resources.models import Payload
from app.core.resources.paging import PageOfJSON
from app.trainings import rights, seats
from app.trainings.crud import TrainingsCRUD, refuse_after_start
from app.trainings.errors import AthleteBusy, TrainingFull
from app.trainings.models import (
    BookingCreate,
    BookingsOfAthleteQuery,
    BookingsOfTrainingQuery,
    BookingStatus,
)
from app.trainings.queries import BOOKING_QUERIES, TRAINING_QUERIES
from app.trainings.seats import CHECK_IN_BEFORE, MENDABLE, SEATED


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
        whom = self._athletes.reach()

        async def work(transaction: Transaction) -> Resource | Conflict:
            return await self._book(transaction, ids, whom, rights.BOOK, waitlist=wish.waitlist)

        return _booked_or_refused(await self._database.transaction(work))

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
            has_seat = status in SEATED
            is_late = False
            if has_seat and not self._is_staff(training):
                terms = await transaction.row(self.queries.terms_query(), ids)
                is_late = terms["late_from"] is not None and now > terms["late_from"]
            statement = self.queries.cancel_query(seat=has_seat, late=is_late)
            return self._found(await transaction.row(statement, {**ids, "now": now}))

        return await self._database.transaction(work)

    async def check_in(self, booking_id: UUID) -> Resource:
        """Check in an athlete (idempotent).

        After the end, staff may do so for some days; the check-in then has the time of the start.
        Raise ``NotFound``, ``Forbidden`` or ``WrongState``.
        """

        def time_of(booking: Any, is_staff: bool) -> datetime:
            if booking["status"] != "reserved":
                raise WrongState("Only an athlete with a seat can check in.")
            return _time_of_check_in(booking, booking["now"], is_staff)

        return await self._noted(booking_id, "checked_in_at", time_of)

    async def undo_check_in(self, booking_id: UUID) -> Resource:
        """Undo a check-in, and the check-out after it (idempotent); the booking keeps its seat.

        Raise ``NotFound``, ``Forbidden`` or ``WrongState``.
        """

        async def work(transaction: Transaction) -> Resource:
            booking = await transaction.row(seats.lock_booking_query(), {"id": booking_id})
            if booking is None:
                raise self.not_found()
            await self._check(rights.STAFF, transaction, booking_id)
            if booking["status"] == "reserved":
                return await self._read(transaction, booking_id)
            if booking["status"] != "checked_in":
                raise WrongState("This athlete is not checked in.")
            _refuse_settled(booking, booking["now"])
            statement = self.queries.undo_check_in_query()
            return self._found(await transaction.row(statement, {"id": booking_id}))

        return await self._database.transaction(work)

    async def check_in_at_door(self, training_id: UUID, reference: str) -> Resource:
        """Check in the athlete with a reference (idempotent); book a walk-in if there is a seat.

        A walk-in is enrolled at the centre, or the caller sees them. It needs the scope
        ``trainings:write``. Raise ``NotFound``, ``Forbidden``, ``TrainingFull``, ``AthleteBusy``,
        ``WrongState`` or ``Erased``.
        """
        named = {"training_id": training_id, "reference": reference}
        training = await self._database.row(self.queries.door_query(), named)
        if training is None or not self._trainings.sees_row(training):
            raise TrainingsCRUD.not_found()
        is_today = training["is_today"]
        self._trainings.check(rights.CHECK_IN, training, is_today=is_today)
        athlete = await self._database.row(self.queries.at_door_query(), named)
        if athlete is not None and athlete["status"] in SEATED:
            return await self.check_in(athlete["id"])
        nobody = NotFound("No athlete with this reference has a seat in this training.")
        if athlete is None or "trainings:write" not in self._caller.scopes:
            raise nobody
        ids = {"training_id": training_id, "athlete_id": athlete["athlete_id"]}
        whom = self._athletes.reach() | Reach(centres=frozenset([training["centre_id"]]))

        async def work(transaction: Transaction) -> Resource | Conflict:
            return await self._book(
                transaction, ids, whom, rights.CHECK_IN, is_today=is_today, at_door=True
            )

        try:
            return _booked_or_refused(await self._database.transaction(work))
        except ReferenceMissing:
            raise nobody from None
        except AlreadyTaken:
            # The waitlist has just given them a seat, or another request has.
            athlete = await self._database.row(self.queries.at_door_query(), named)
            return await self.check_in(athlete["id"])

    async def check_out(self, booking_id: UUID) -> Resource:
        """Check out an athlete (idempotent).

        Raise ``NotFound``, ``Forbidden`` or ``WrongState``.
        """

        def time_of(booking: Any, is_staff: bool) -> datetime:
            if booking["status"] != "checked_in":
                raise WrongState("Only an athlete who is checked in can check out.")
            now: datetime = booking["now"]
            return now

        return await self._noted(booking_id, "checked_out_at", time_of)

    async def of_training(self, training_id: UUID, query: BookingsOfTrainingQuery) -> PageOfJSON:
        """List the bookings of a training; raise ``NotFound`` if there is no such training."""
        return await self.page_within(self._trainings, training_id, query)

    async def of_athlete(self, athlete_id: UUID, query: BookingsOfAthleteQuery) -> PageOfJSON:
        """List the bookings of an athlete; raise ``NotFound`` if there is no such athlete."""
        return await self.page_within(self._athletes, athlete_id, query)

    async def _book(
        self,
        transaction: Transaction,
        ids: Mapping[str, UUID],
        whom: Reach,
        right: Right,
        *,
        waitlist: bool = False,
        is_today: bool = False,
        at_door: bool = False,
    ) -> Resource | Conflict:
        """Give an athlete a seat, or a place in the waitlist, after the waitlist got its seats.

        An athlete ``at_door``, and a walk-in after the start, is checked in. An error is returned,
        not raised, if the waitlist got seats: these are to be committed.
        """
        values = {**ids, **whom.values()}
        training = await transaction.row(seats.lock_training_and_athlete_query(), values)
        if training is None or not self._trainings.sees_row(training):
            raise TrainingsCRUD.not_found()
        has_line = training["waiting"] > 0 and training["taken"] < training["capacity"]
        locked = training
        if has_line:
            locked = await transaction.row(seats.lock_line_and_athlete_query(), values)
        now = locked["now"]
        check_named(locked["athlete"], locked["erased_at"])
        self._trainings.check(right, training, ids["athlete_id"], is_today=is_today)
        if training["status"] == "cancelled":
            raise WrongState("This training is cancelled.")
        is_staff = self._is_staff(training)
        has_started = now >= training["starts_at"]
        if not (is_staff or at_door):
            refuse_after_start(training, now)
            await self._refuse_too_far_ahead(transaction, training["id"], now)
        checks_in = at_door or has_started
        checked_in_at = _time_of_check_in(training, now, is_staff) if checks_in else None
        served = 0
        if has_line and not has_started:
            statement = TRAINING_QUERIES.promote_query()
            (served,) = await transaction.row(statement, {"id": training["id"]})
        has_seat = training["taken"] + served < training["capacity"]
        status: BookingStatus = "reserved" if has_seat else "waitlisted"
        if checks_in:
            status, waitlist = "checked_in", False
        try:
            if not (has_seat or waitlist):
                await self._refuse_another(transaction, ids, may_wait=checks_in)
                raise TrainingFull("This training is full.")
            new = {**ids, "id": new_id(), "now": now, "checked_in_at": checked_in_at}
            return await self._place(transaction, status, new, must_commit=served > 0)
        except Conflict as refused:
            if not served:
                raise
            return refused

    async def _place(
        self,
        transaction: Transaction,
        status: BookingStatus,
        values: Mapping[str, Any],
        *,
        must_commit: bool,
    ) -> Resource:
        """Insert a booking of a locked training; a walk-in who waits keeps the one they have.

        Raise ``AlreadyTaken`` or ``AthleteBusy``. If the transaction ``must_commit``, the database
        raises no error.
        """
        statement = self.queries.book_query(status)
        active = None
        if must_commit or status == "checked_in":
            active = await transaction.row(self.queries.active_query(), values)
        if active is not None:
            if status != "checked_in" or active["status"] != "waitlisted":
                raise booked_already()
            statement = self.queries.seat_waiting_query()
            values = {**values, "id": active["id"]}
        while (booked := await self._written(transaction, statement, values)) is None:
            if other := await transaction.row(self.queries.other_query(), values):
                if active is None:
                    await self._refuse_another(transaction, values)
                sees_it = self.reach().includes([other["centre_id"]], values["athlete_id"])
                raise busy_with(other if sees_it else None)
            # The overlapping booking has just been cancelled: the athlete is free, so retry.
        return booked

    @staticmethod
    async def _written(
        transaction: Transaction, statement: Statement, values: Mapping[str, Any]
    ) -> Resource | None:
        try:
            booked = await transaction.row(statement, values)
        except UniqueViolationError:
            raise booked_already() from None
        return Resource(*booked) if booked else None

    def _is_staff(self, training: Any) -> bool:
        """Return whether the caller is staff of the centre of a training."""
        return rights.STAFF.reach(self._caller).includes([training["centre_id"]])

    async def _refuse_too_far_ahead(
        self, transaction: Transaction, training_id: UUID, now: datetime
    ) -> None:
        """Raise ``WrongState`` if the centre has not opened the booking of a training yet."""
        terms = await transaction.row(self.queries.terms_query(), {"training_id": training_id})
        if terms["opens_at"] is not None and now < terms["opens_at"]:
            raise WrongState(f"It is too early: booking opens at {terms['opens_at']:{RFC_3339}}.")

    async def _refuse_another(
        self, transaction: Transaction, ids: Mapping[str, UUID], *, may_wait: bool = False
    ) -> None:
        """Raise ``AlreadyTaken`` if the athlete has an active booking of the training.

        This error takes precedence over ``TrainingFull`` and ``AthleteBusy``. A walk-in
        ``may_wait``: they keep that booking.
        """
        active = await transaction.row(self.queries.active_query(), ids)
        if active and not (may_wait and active["status"] == "waitlisted"):
            raise booked_already()

    async def _noted(
        self, booking_id: UUID, column: str, time_of: Callable[[Any, bool], datetime]
    ) -> Resource:
        """Write the current time to a column (idempotent).

        Normally, one statement is enough. If it changes nothing, the booking is locked to find out
        why: ``time_of`` returns the time to write for it, or raises an error. It is told whether
        the caller is staff.
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
            is_staff = await self._has(rights.STAFF, transaction, booking_id)
            again = {**values, "now": time_of(booking, is_staff)}
            return self._found(await transaction.row(self.queries.note_query(column), again))

        return await self._database.transaction(work)

    async def _check(self, right: Right, transaction: Transaction, booking_id: UUID) -> None:
        """Raise ``NotFound`` for a booking that the caller does not see, or ``Forbidden``."""
        if not await self._has(right, transaction, booking_id):
            raise self.forbidden()

    async def _has(self, right: Right, transaction: Transaction, booking_id: UUID) -> bool:
        """Return whether the caller has a right for a booking; raise ``NotFound``."""
        if self._caller.is_admin:
            return True
        seen = await self._see(transaction, booking_id)
        return right.reach(self._caller).includes(**seen.belongs)


def _booked_or_refused(outcome: Resource | Conflict) -> Resource:
    """Return a booking, or raise the error that was returned in its place."""
    if isinstance(outcome, Conflict):
        raise outcome
    return outcome


def _time_of_check_in(training: Any, now: datetime, is_staff: bool) -> datetime:
    """Return the time of a check-in that is noted now: after the end, it is that of the start.

    ``training`` may be a booking, which has the same times. Raise ``WrongState`` if it is too early
    or too late.
    """
    if now < training["starts_at"] - CHECK_IN_BEFORE:
        raise WrongState("It is too early: check-in opens an hour before the start.")
    if now < training["ends_at"]:
        return now
    if not is_staff:
        raise WrongState("This training has ended.")
    _refuse_settled(training, now)
    begins: datetime = training["starts_at"]
    return begins


def _refuse_settled(training: Any, now: datetime) -> None:
    """Raise ``WrongState`` if a training ended too long ago to correct its attendance."""
    if now >= training["ends_at"] + MENDABLE:
        raise WrongState(
            f"This training ended more than {MENDABLE.days} days ago: its attendance is settled."
        )


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
