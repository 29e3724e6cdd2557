"""A model of trainings and bookings in plain Python, which the service is compared with.

Times are minutes since the gym was opened. ``now`` increases.
"""

from dataclasses import dataclass, field

OK, CREATED = "200", "201"
FULL, BUSY, NO_ROOM = "409 training-full", "409 athlete-busy", "409 centre-full"
TAKEN, STATE, INVALID = "409 already-taken", "409 wrong-state", "422 invalid"

ACTIVE = {"reserved", "waitlisted", "checked_in"}
SEATED = {"reserved", "checked_in"}
MENDABLE = 7 * 24 * 60
"""How long after the end attendance may be corrected."""


@dataclass(eq=False)
class Centre:
    """A centre and its capacity; None for no limit."""

    capacity: int | None


@dataclass
class Booking:
    """An athlete's booking."""

    athlete: int
    training: "Training"
    status: str
    in_at: int | None = None
    out_at: int | None = None


@dataclass
class Training:
    """A training and its bookings, in the order in which they were booked."""

    centre: Centre
    start: int
    end: int
    capacity: int
    status: str = "scheduled"
    bookings: list[Booking] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """The number of bookings that hold a seat."""
        return sum(booking.status in SEATED for booking in self.bookings)

    @property
    def over(self) -> int:
        """The number of seats that are taken over the capacity."""
        return max(self.taken - self.capacity, 0)

    @property
    def waiting(self) -> int:
        """The number of bookings in the waitlist."""
        return sum(booking.status == "waitlisted" for booking in self.bookings)

    def overlaps(self, other: "Training") -> bool:
        """Return whether two trainings overlap."""
        return self.start < other.end and other.start < self.end


@dataclass
class Model:
    """A few centres with trainings and bookings; each change returns the expected response."""

    centres: list[Centre]
    trainings: list[Training] = field(default_factory=list)
    bookings: list[Booking] = field(default_factory=list)
    now: int = 0

    def schedule(self, centre: Centre, start: int, end: int, capacity: int) -> str:
        """Create a training."""
        planned = Training(centre, start, end, capacity)
        if not self._has_room(centre, [*self.trainings, planned], start, end):
            return NO_ROOM
        self.trainings.append(planned)
        return CREATED

    def resize(self, training: Training, capacity: int) -> str:
        """Change the capacity of a training."""
        before, counted = training.capacity, training.capacity + training.over
        training.capacity = capacity
        grows = training.status == "scheduled" and capacity + training.over > counted
        if grows and not self._has_room(
            training.centre, self.trainings, training.start, training.end
        ):
            training.capacity = before
            return NO_ROOM
        self._promote(training)
        return OK

    def move(self, training: Training, start: int, end: int | None, centre: Centre | None) -> str:
        """Change the start of a training, and maybe its end and its centre."""
        before = training.start, training.end, training.centre
        after = start, training.end if end is None else end, centre or training.centre
        if after == before:
            return OK
        if training.taken + training.waiting and min(training.start, start) <= self.now:
            return STATE
        if not 0 < after[1] - start <= 24 * 60:
            return INVALID
        training.start, training.end, training.centre = after
        refused = None
        if training.status == "scheduled" and not self._has_room(
            training.centre, self.trainings, training.start, training.end
        ):
            refused = NO_ROOM
        elif any(
            one.status in SEATED and self._is_busy(one.athlete, training)
            for one in training.bookings
        ):
            refused = BUSY
        if refused:
            training.start, training.end, training.centre = before
        return refused or OK

    def limit(self, centre: Centre, capacity: int | None) -> str:
        """Change the capacity of a centre."""
        before, centre.capacity = centre.capacity, capacity
        if capacity is None or (before is not None and capacity >= before):
            return OK
        ahead = [one for one in self.trainings if one.end > self.now]
        for training in ahead:
            if not self._has_room(centre, ahead, max(training.start, self.now), training.end):
                centre.capacity = before
                return NO_ROOM
        return OK

    def cancel_training(self, training: Training) -> str:
        """Cancel a training and its bookings."""
        if training.status == "scheduled":
            if training.start <= self.now:
                return STATE
            training.status = "cancelled"
            for booking in training.bookings:
                booking.status = "cancelled"
        return OK

    def book(self, training: Training, athlete: int, *, waitlist: bool) -> str:
        """Book a training."""
        if training.status == "cancelled":
            return STATE
        if training.start <= self.now:
            return self._walk_in(training, athlete)
        self._promote(training)
        if self._active(training, athlete):
            return TAKEN
        has_seat = training.taken < training.capacity
        if not has_seat and not waitlist:
            return FULL
        if has_seat and self._is_busy(athlete, training):
            return BUSY
        self._add(Booking(athlete, training, "reserved" if has_seat else "waitlisted"))
        return CREATED

    def come(self, training: Training, athlete: int) -> str:
        """Check in an athlete at the door."""
        booking = self._active(training, athlete)
        if booking is None or booking.status == "waitlisted":
            if training.status == "cancelled" or self.now < training.start - 60:
                return STATE
            self._promote(training)
            booking = self._active(training, athlete)
        if booking is not None and booking.status in SEATED:
            return self.check_in(booking)
        walked_in = self._walk_in(training, athlete)
        return OK if walked_in == CREATED else walked_in

    def cancel(self, booking: Booking) -> str:
        """Cancel a booking."""
        if booking.status in ACTIVE:
            if booking.training.start <= self.now:
                return STATE
            had_seat, booking.status = booking.status in SEATED, "cancelled"
            if had_seat:
                self._promote(booking.training)
        return OK

    def check_in(self, booking: Booking) -> str:
        """Check an athlete in."""
        if booking.status != "checked_in":
            training = booking.training
            if booking.status != "reserved" or self.now < training.start - 60:
                return STATE
            if self._is_settled(training):
                return STATE
            booking.status, booking.in_at = "checked_in", self._time_of_check_in(training)
        return OK

    def undo_check_in(self, booking: Booking) -> str:
        """Undo a check-in."""
        if booking.status == "reserved":
            return OK
        if booking.status != "checked_in" or self._is_settled(booking.training):
            return STATE
        booking.status, booking.in_at, booking.out_at = "reserved", None, None
        return OK

    def check_out(self, booking: Booking) -> str:
        """Check an athlete out."""
        if booking.status != "checked_in":
            return STATE
        if booking.out_at is None:
            booking.out_at = self.now
        return OK

    def _walk_in(self, training: Training, athlete: int) -> str:
        if self._is_settled(training):
            return STATE
        booking = self._active(training, athlete)
        if booking is not None and booking.status in SEATED:
            return TAKEN
        if training.taken >= training.capacity:
            return FULL
        if self._is_busy(athlete, training):
            return BUSY
        if booking is None:
            booking = self._add(Booking(athlete, training, "checked_in"))
        booking.status, booking.in_at = "checked_in", self._time_of_check_in(training)
        return CREATED

    def _add(self, booking: Booking) -> Booking:
        booking.training.bookings.append(booking)
        self.bookings.append(booking)
        return booking

    def _time_of_check_in(self, training: Training) -> int:
        return self.now if self.now < training.end else training.start

    def _is_settled(self, training: Training) -> bool:
        return self.now >= training.end + MENDABLE

    @staticmethod
    def _active(training: Training, athlete: int) -> Booking | None:
        """Return the athlete's booking that is not cancelled."""
        active = (one for one in training.bookings if one.status in ACTIVE)
        return next((one for one in active if one.athlete == athlete), None)

    def _promote(self, training: Training) -> None:
        if training.start <= self.now:
            return
        for booking in training.bookings:
            if training.taken >= training.capacity:
                break
            if booking.status == "waitlisted" and not self._is_busy(booking.athlete, training):
                booking.status = "reserved"

    def _is_busy(self, athlete: int, training: Training) -> bool:
        return any(
            one.athlete == athlete
            and one.status in SEATED
            and one.training is not training
            and one.training.overlaps(training)
            for one in self.bookings
        )

    @staticmethod
    def _has_room(centre: Centre, trainings: list[Training], start: int, end: int) -> bool:
        """Return whether the centre has room for its trainings at each minute of a time span."""
        there = [one for one in trainings if one.centre is centre and one.status == "scheduled"]
        return centre.capacity is None or all(
            sum(one.capacity + one.over for one in there if one.start <= minute < one.end)
            <= centre.capacity
            for minute in sorted({start, *(one.start for one in there if start < one.start < end)})
        )
