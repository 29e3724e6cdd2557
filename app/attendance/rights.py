"""Rights to the attendance of a centre, besides those of administrators."""

from app.core.access import COACH, DESK, OWNER, Right

SEE = Right(OWNER, COACH, DESK)
