"""Rights to centres, besides those of administrators. A centre belongs to itself."""

from app.core.access import ADMINISTRATORS, ANYONE, DEVICE, OWNER, TIMETABLE, Right
from app.core.resources.queries import FULL

PUBLIC = "public"
"""The view of a centre without its owner and capacity."""

SEE = {FULL: Right(ANYONE, DEVICE), PUBLIC: Right(TIMETABLE)}
CREATE = ADMINISTRATORS
CHANGE = Right(OWNER)
