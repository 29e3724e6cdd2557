"""What is done with bookings: a seat, a place in the line, and who came."""

from collections.abc import Callable, Iterator, Mapping, Set
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from asyncpg import UniqueViolationError
from sqlmodel.sql.sqltypes import UTCDateTime

from app.athletes.crud import AthletesCRUD
from app.core.db.statements import Statement
from app.core.db.transactions import Unit
from app.core.errors import AlreadyTaken, ReferenceMissing
from app.core.resources.crud import CRUD, Resource
from app.core.resources.fields import new_id
from app.core.resources.models import Payload, one_change_more
from app.core.resources.paging import PageOfJSON
from app.core.resources.projection import Projection
from app.trainings import seats
from app.trainings.crud import TrainingsCRUD, refuse_after_start, starting_in_time
from app.trainings.errors import AthleteBusy, TrainingFull, WrongState
from app.trainings.models import (
    Booking,
    BookingCreate,
    BookingRead,
    BookingsOfAthlete,
    BookingsOfTraining,
)
from app.trainings.seats import (
    BOOKINGS,
    CANCELLED,
    CHECK_IN_BEFORE,
    CHECK_IN_INTERVAL,
    CHECKED_IN,
    NONE,
    ONE,
    RESERVED,
    SEATED,
    TRAININGS,
    WAITLISTED,
)


class BookingsCRUD(CRUD[BookingCreate, Payload]):
    """Books, reads, lists and cancels bookings, and checks in and out."""

    row = Booking
    read = BookingRead
    summary = BookingRead
    sorts = {"booked_at": "booked_at", "starts_at": "starts_at"}  # noqa: RUF012 - as in the base

    async def book(self, training_id: UUID, wish: BookingCreate) -> Resource:
        """Give an athlete a seat in a training, or a place in the line for one.

        Raise ``NotFound``, ``ReferenceMissing``, ``AlreadyTaken``, ``TrainingFull``,
        ``AthleteBusy`` or ``WrongState``.
        """
        ids = {"training_id": training_id, "athlete_id": wish.athlete_id}

        async def work(unit: Unit) -> Resource:
            training = await unit.row(seats.lock_training_and_athlete(), ids)
            if training is None:
                raise TrainingsCRUD.not_found()
            if training["athlete"] is None:
                raise ReferenceMissing.of_field(
                    "/athlete_id", "missing", "There is no such athlete."
                )
            if training["status"] == "cancelled":
                raise WrongState("This training is cancelled.")
            refuse_after_start(training, training["now"])
            is_full = training["taken"] >= training["capacity"]
            if is_full and not wish.waitlist:
                await self._refuse_another(unit, ids)
                raise TrainingFull("This training is full.")
            values = {**ids, "id": new_id(), "now": training["now"]}
            statement = self.book_statement(seat=not is_full)
            while (booked := await self._booked(unit, statement, values)) is None:
                if other := await unit.row(self.other_statement(), ids):
                    await self._refuse_another(unit, ids)
                    raise busy_with(other)
                # That seat was cancelled this very moment: the athlete is free.
            return booked

        return await self._database.transaction(work)

    async def cancel(self, booking_id: UUID) -> Resource:
        """Cancel a booking, unless that is done; a seat goes to whoever waits the longest for it.

        Raise ``NotFound`` or ``WrongState``.
        """

        async def work(unit: Unit) -> Resource:
            training = await unit.row(seats.lock_training_of_booking(), {"id": booking_id})
            if training is None:
                raise self.not_found()
            ids = {"id": booking_id, "training_id": training["id"]}
            status, now = await unit.row(seats.lock_waiting_for_seat(), ids)
            if status == "cancelled":
                return self._resource_of(await unit.row_of(self.get_statement(), booking_id))
            refuse_after_start(training, now)
            statement = self.cancel_statement(seat=status in SEATED)
            return self._resource_of(await unit.row(statement, {**ids, "now": now}))

        return await self._database.transaction(work)

    async def check_in(self, booking_id: UUID) -> Resource:
        """Note that an athlete has come, unless that is done.

        Raise ``NotFound`` or ``WrongState``.
        """

        def refuse(booking: Any) -> None:
            if booking["status"] != "reserved":
                raise WrongState("Only who has a seat can check in.")
            if booking["now"] < booking["starts_at"] - CHECK_IN_BEFORE:
                raise WrongState("It is too early to check in: come an hour before the start.")
            if booking["now"] >= booking["ends_at"]:
                raise WrongState("This training has ended.")

        return await self._noted(booking_id, "checked_in_at", refuse)

    async def check_out(self, booking_id: UUID) -> Resource:
        """Note that an athlete has left, unless that is done.

        Raise ``NotFound`` or ``WrongState``.
        """

        def refuse(booking: Any) -> None:
            if booking["status"] != "checked_in":
                raise WrongState("Only who is checked in can check out.")

        return await self._noted(booking_id, "checked_out_at", refuse)

    async def of_training(self, training_id: UUID, query: BookingsOfTraining) -> PageOfJSON:
        """List the bookings of a training; raise ``NotFound`` if there is no such training."""
        page = await self.page(query, {"training_id": training_id})
        if page.is_empty:
            await TrainingsCRUD(self._database).require(training_id)
        return page

    async def of_athlete(self, athlete_id: UUID, query: BookingsOfAthlete) -> PageOfJSON:
        """List the bookings of an athlete; raise ``NotFound`` if there is no such athlete."""
        page = await self.page(query, {"athlete_id": athlete_id})
        if page.is_empty:
            await AthletesCRUD(self._database).require(athlete_id)
        return page

    @staticmethod
    async def _booked(
        unit: Unit, statement: Statement, values: Mapping[str, Any]
    ) -> Resource | None:
        try:
            booked = await unit.row(statement, values)
        except UniqueViolationError:
            raise booked_already() from None
        return Resource(*booked) if booked else None

    async def _refuse_another(self, unit: Unit, ids: Mapping[str, UUID]) -> None:
        """Raise ``AlreadyTaken`` if the athlete has booked: that comes before other refusals."""
        if await unit.row(self.active_statement(), ids):
            raise booked_already()

    async def _noted(
        self, booking_id: UUID, column: str, refuse: Callable[[Any], None]
    ) -> Resource:
        """Note in a column that something has happened now, unless it has or is refused.

        Mostly one statement does. If not, the booking is locked to tell why.
        """
        values = {"id": booking_id, "now": None}
        noted = await self._database.row(self.note_statement(column), values)
        if noted is not None:
            return Resource(*noted)

        async def work(unit: Unit) -> Resource:
            booking = await unit.row(seats.lock_booking(), {"id": booking_id})
            if booking is None:
                raise self.not_found()
            if booking["status"] == "checked_in" and booking[column] is not None:
                return self._resource_of(await unit.row_of(self.get_statement(), booking_id))
            refuse(booking)
            values = {"id": booking_id, "now": booking["now"]}
            return self._resource_of(await unit.row(self.note_statement(column), values))

        return await self._database.transaction(work)

    @classmethod
    def filters(cls, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each filter that is given."""
        yield from starting_in_time(BOOKINGS, given)
        if "training_id" in given:
            yield BOOKINGS.c.training_id == sa.bindparam("training_id")
        if "athlete_id" in given:
            yield BOOKINGS.c.athlete_id == sa.bindparam("athlete_id")
        if "status" in given:
            yield BOOKINGS.c.status == sa.bindparam("status")

    @classmethod
    @cache
    def book_statement(cls, *, seat: bool) -> Statement:
        """Book a seat, unless another training keeps the athlete, or a place in the line."""
        training_id = sa.bindparam("training_id", type_=sa.Uuid)
        athlete_id = sa.bindparam("athlete_id", type_=sa.Uuid)
        # The clock may be set back, but not the order.
        newest = sa.select(sa.func.max(BOOKINGS.c.booked_at)).where(
            BOOKINGS.c.training_id == training_id
        )
        later = newest.scalar_subquery() + sa.literal_column("interval '1 microsecond'")
        booked = {
            BOOKINGS.c.id: sa.bindparam("id", type_=sa.Uuid),
            BOOKINGS.c.training_id: TRAININGS.c.id,
            BOOKINGS.c.athlete_id: athlete_id,
            BOOKINGS.c.starts_at: TRAININGS.c.starts_at,
            BOOKINGS.c.ends_at: TRAININGS.c.ends_at,
            BOOKINGS.c.status: RESERVED if seat else WAITLISTED,
            BOOKINGS.c.booked_at: sa.func.greatest(sa.bindparam("now", type_=UTCDateTime()), later),
        }
        row = sa.select(*booked.values()).where(TRAININGS.c.id == training_id)
        if seat:
            others, keep = seats.seats_meanwhile(
                athlete_id, training_id, TRAININGS.c.starts_at, TRAININGS.c.ends_at
            )
            row = row.where(~sa.select(others.c.id).where(keep).correlate(TRAININGS).exists())
        projection = Projection(cls.read, cls.row)
        made = (
            sa.insert(BOOKINGS)
            .from_select(list(booked), row)
            .returning(*projection.columns)
            .cte("made")
        )
        number = seats.number_of(made)
        counted = seats.counted(training_id, number if seat else NONE, NONE if seat else number)
        return Statement(projection.each(made).add_cte(counted))

    @classmethod
    @cache
    def active_statement(cls) -> Statement:
        """Find an athlete's booking of a training that is not cancelled."""
        return Statement(
            sa.select(BOOKINGS.c.id).where(
                BOOKINGS.c.training_id == sa.bindparam("training_id"),
                BOOKINGS.c.athlete_id == sa.bindparam("athlete_id"),
                BOOKINGS.c.cancelled_at.is_(None),
            )
        )

    @classmethod
    @cache
    def other_statement(cls) -> Statement:
        """Find the training that keeps an athlete from another one."""
        this, other = TRAININGS.alias("this"), TRAININGS.alias("other")
        others, keep = seats.seats_meanwhile(
            sa.bindparam("athlete_id"), this.c.id, this.c.starts_at, this.c.ends_at
        )
        return Statement(
            sa.select(other.c.id, other.c.name, other.c.starts_at, other.c.ends_at)
            .where(
                this.c.id == sa.bindparam("training_id"), keep, other.c.id == others.c.training_id
            )
            .order_by(other.c.starts_at)
            .limit(ONE)
        )

    @classmethod
    @cache
    def cancel_statement(cls, *, seat: bool) -> Statement:
        """Cancel a booking, and give its seat to the next in the line, if it had one."""
        training_id = sa.bindparam("training_id", type_=sa.Uuid)
        read = cls._changed_to(
            {
                BOOKINGS.c.status: CANCELLED,
                BOOKINGS.c.cancelled_at: sa.bindparam("now", type_=UTCDateTime()),
            }
        )
        if not seat:
            counted = seats.counted(training_id, NONE, -ONE)
            return Statement(read.add_cte(counted))
        return Statement(read.add_cte(*seats.line_served(training_id, ONE)))

    @classmethod
    @cache
    def note_statement(cls, column: str) -> Statement:
        """Note in a column of a booking that something has happened at ``now``, if it may."""
        given = sa.bindparam("now", type_=UTCDateTime())
        now = sa.func.coalesce(given, sa.func.statement_timestamp())
        may_be_noted = {
            "checked_in_at": sa.and_(
                BOOKINGS.c.status == RESERVED,
                now >= BOOKINGS.c.starts_at - CHECK_IN_INTERVAL,
                now < BOOKINGS.c.ends_at,
            ),
            "checked_out_at": sa.and_(
                BOOKINGS.c.status == CHECKED_IN, BOOKINGS.c.checked_out_at.is_(None)
            ),
        }
        # Nobody leaves before they came, also if the clock was set back.
        noted = sa.func.greatest(now, BOOKINGS.c.checked_in_at)
        values = {BOOKINGS.c.status: CHECKED_IN, BOOKINGS.c[column]: noted}
        return Statement(cls._changed_to(values, may_be_noted[column]))

    @classmethod
    def _changed_to(
        cls,
        values: dict[sa.Column[Any], sa.ColumnElement[Any]],
        *conditions: sa.ColumnElement[bool],
    ) -> sa.Select[Any, Any, str]:
        """Change a booking, and read it."""
        projection = Projection(cls.read, cls.row)
        changed = (
            sa.update(BOOKINGS)
            .where(BOOKINGS.c.id == sa.bindparam("id"), *conditions)
            .values({**values, **one_change_more(BOOKINGS)})
            .returning(*projection.columns)
            .cte("changed")
        )
        return projection.each(changed)


def booked_already() -> AlreadyTaken:
    """Make the error for an athlete who books a training again."""
    detail = "This athlete has a booking of this training."
    return AlreadyTaken.of_field("/athlete_id", "taken", detail)


def busy_with(training: Any) -> AthleteBusy:
    """Make the error for an athlete whom a training keeps from another one."""
    detail = (
        f'This athlete has a seat in "{training["name"]}" ({training["id"]}) then: from'
        f" {training['starts_at']:%Y-%m-%d %H:%M} to {training['ends_at']:%Y-%m-%d %H:%M} UTC."
    )
    return AthleteBusy.of_field("/athlete_id", "busy", detail)
