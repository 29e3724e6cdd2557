"""Rights to workouts and programmes, besides those of administrators.

A benchmark belongs to no centre, so only administrators write it. Any other workout belongs to all
centres. A workout in a programme belongs to its centre.
"""

from app.core.access import (
    ANYONE,
    COACH,
    DESK,
    DEVICE_PUBLISHED,
    MEMBER_PUBLISHED,
    OWNER,
    Right,
)
from app.core.resources.queries import FULL

SEE = {FULL: Right(ANYONE)}
CREATE = CHANGE = Right(OWNER, COACH)

SEE_PROGRAMME = {FULL: Right(OWNER, COACH, DESK, MEMBER_PUBLISHED, DEVICE_PUBLISHED)}
CHANGE_PROGRAMME = Right(OWNER, COACH)
