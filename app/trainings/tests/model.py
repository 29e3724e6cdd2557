"""A model of trainings and bookings in plain Python, which the service is compared with.

Times are minutes since the gym was opened. ``now`` increases.
"""

from dataclasses import dataclass, field

OK, CREATED = "200", "201"
FULL, BUSY, NO_ROOM = "409 training-full", "409 athlete-busy", "409 centre-full"
TAKEN, STATE, INVALID = "409 already-taken", "409 wrong-state", "422 invalid"

ACTIVE = {"reserved", "waitlisted", "checked_in"}
SEATED = {"reserved", "checked_in"}


@dataclass
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
        before, training.capacity = training.capacity, capacity
        if training.taken > capacity:
            training.capacity = before
            return FULL
        grows = training.status == "scheduled" and capacity > before
        if grows and not self._has_room(
            training.centre, self.trainings, training.start, training.end
        ):
            training.capacity = before
            return NO_ROOM
        self._promote(training)
        return OK

    def move(self, training: Training, start: int) -> str:
        """Change the start of a training, but not its end."""
        if start != training.start and training.taken + training.waiting:
            return STATE
        if not 0 < training.end - start <= 24 * 60:
            return INVALID
        before, training.start = training.start, start
        moves = training.status == "scheduled" and start != before
        if moves and not self._has_room(
            training.centre, self.trainings, training.start, training.end
        ):
            training.start = before
            return NO_ROOM
        return OK

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
        if training.status == "cancelled" or training.start <= self.now:
            return STATE
        if any(one.athlete == athlete and one.status in ACTIVE for one in training.bookings):
            return TAKEN
        has_seat = training.taken < training.capacity
        if not has_seat and not waitlist:
            return FULL
        if has_seat and self._is_busy(athlete, training):
            return BUSY
        status = "reserved" if has_seat else "waitlisted"
        booking = Booking(athlete, training, status)
        training.bookings.append(booking)
        self.bookings.append(booking)
        return CREATED

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
            if booking.status != "reserved" or not training.start - 60 <= self.now < training.end:
                return STATE
            booking.status, booking.in_at = "checked_in", self.now
        return OK

    def check_out(self, booking: Booking) -> str:
        """Check an athlete out."""
        if booking.status != "checked_in":
            return STATE
        if booking.out_at is None:
            booking.out_at = self.now
        return OK

    def _promote(self, training: Training) -> None:
        if training.start <= self.now:
            return
        for booking in training.bookings:
            if training.taken == training.capacity:
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
            sum(one.capacity for one in there if one.start <= minute < one.end) <= centre.capacity
            for minute in range(start, end)
        )
