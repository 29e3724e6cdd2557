"""Rights to series, besides those of administrators. A series belongs to its centre."""

from app.core.access import COACH, DESK, OWNER, Right
from app.core.resources.queries import FULL

SEE = {FULL: Right(OWNER, COACH, DESK)}
CHANGE = Right(OWNER, COACH)
"""The right to create, change, cancel and delete series."""
