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

SEE = {FULL: Right(OWNER, COACH, DESK, DEVICE, MEMBER, TIMETABLE)}
CHANGE = Right(OWNER, COACH)
"""The right to create, change, cancel and delete trainings."""
SEE_OCCUPANCY = Right(OWNER, COACH, DESK, DEVICE, MEMBER)

SEE_BOOKINGS = {FULL: Right(OWNER, COACH, DESK, DEVICE_TODAY, SELF)}
BOOK = Right(OWNER, COACH, DESK, SELF)
"""The right to book and to cancel, in trainings that the caller sees."""
CHECK_IN = Right(OWNER, COACH, DESK, DEVICE_TODAY)
"""The right to check in and out."""
