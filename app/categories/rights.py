"""Rights to categories, besides those of administrators."""

from app.core.access import ADMINISTRATORS, ANYONE, TIMETABLE, Right
from app.core.resources.queries import FULL

SEE = {FULL: Right(ANYONE, TIMETABLE)}
CREATE = CHANGE = ADMINISTRATORS
