"""Rights to athletes, besides those of administrators.

An athlete belongs to the centres where they are enrolled, and to themselves.
"""

from collections.abc import Collection

from app.core.access import ADMINISTRATORS, COACH, DESK, OWNER, SELF, Right
from app.core.resources.queries import FULL

TRAINING = "training"
"""The view of an athlete for training: without address, national id and birth date."""

SEE = {FULL: Right(OWNER, DESK, SELF), TRAINING: Right(COACH)}
LOOK_UP = Right(OWNER, DESK)
CREATE = Right(OWNER, DESK)
CHANGE = Right(OWNER, DESK)
"""The right to change all fields. To delete an athlete, it must reach all their centres."""
CHANGE_CATEGORY = Right(COACH)
CHANGE_OWN = Right(SELF)
OWN_FIELDS = {"email", "height_cm", "weight_kg"}
ENROL = Right(OWNER, DESK)
LEAVE = Right(OWNER, DESK, SELF)
TRANSFER = ADMINISTRATORS
"""The right to import and export files."""


def right_to_change(fields: Collection[str]) -> Right:
    """Return the right to change these fields of an athlete."""
    right = CHANGE
    if set(fields) == {"category_id"}:
        right |= CHANGE_CATEGORY
    if OWN_FIELDS.issuperset(fields):
        right |= CHANGE_OWN
    return right
