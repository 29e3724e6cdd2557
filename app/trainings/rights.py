"""Rights to trainings and bookings, besides those of administrators.

A training belongs to its centre. A booking belongs to the centre of its training, and to its
athlete.
"""

from app.core.access import (
    COACH,
    DESK,
    DEVICE,
    DEVICE_TODAY,
    MEMBER,
    OWNER,
    SELF,
    TIMETABLE,
    Right,
)
from app.core.resources.queries import FULL

PUBLIC = "public"
"""The view of a training without the programme of the day."""

SEE = {FULL: Right(OWNER, COACH, DESK, DEVICE, MEMBER), PUBLIC: Right(TIMETABLE)}
SEE_ANY = SEE[FULL] | SEE[PUBLIC]
"""The right to see trainings in any view."""
CHANGE = Right(OWNER, COACH)
"""The right to create, change, cancel and delete trainings."""
SEE_OCCUPANCY = Right(OWNER, COACH, DESK, DEVICE, MEMBER)

SEE_BOOKINGS = {FULL: Right(OWNER, COACH, DESK, DEVICE_TODAY, SELF)}
BOOK = Right(OWNER, COACH, DESK, SELF)
"""The right to book and to cancel, in trainings that the caller sees."""
CHECK_IN = Right(OWNER, COACH, DESK, DEVICE_TODAY)
"""The right to check in and out."""
STAFF = Right(OWNER, COACH, DESK)
"""The right to correct attendance, and to book and cancel without the rules of the centre."""
WALK_IN = CHECK_IN
"""The right to book an athlete at the door, for a token with the scope ``trainings:write``."""
