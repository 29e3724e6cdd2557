"""Rights to results, besides those of administrators.

A result in a competition is published, as its event is. A result at a centre belongs to it. Each
belongs to its athlete.
"""

from app.core.access import COACH, DESK, DEVICE, MEMBER, OWNER, PUBLISHED, SELF, Right
from app.core.resources.queries import FULL

SEE = {FULL: Right(OWNER, COACH, DESK, DEVICE, MEMBER, SELF, PUBLISHED)}
SEE_WHITEBOARD = Right(OWNER, COACH, DESK, DEVICE, MEMBER)
LOG = Right(OWNER, COACH)
"""The right to write results at a centre, and in the competitions that it hosts (to judge)."""
LOG_OWN = Right(SELF)
"""The right to log own results at a centre where the caller trains, and to submit them to events
that are open.
"""
TRAIN = Right(OWNER, COACH, DESK, MEMBER)
"""What an athlete who logs an own result at a centre is there."""
CORRECT = LOG | LOG_OWN
SEE_PROGRAMME = Right(OWNER, COACH, DESK)
"""The right to see workouts on the whiteboard before they are published."""
