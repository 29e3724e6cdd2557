"""Rights to competitions, events and entries, besides those of administrators.

They belong to the centre that hosts the competition. An entry belongs to its athlete too. A
competition is published at a time, an event and an entry with it.
"""

from app.core.access import COACH, DESK, LEADERBOARDS, OWNER, PUBLISHED, SELF, Right
from app.core.resources.queries import FULL

SEE = {FULL: Right(OWNER, COACH, DESK, PUBLISHED, LEADERBOARDS)}
CHANGE = Right(OWNER, COACH)
"""The right to run a competition: its events, entries and results."""

SEE_ENTRIES = {FULL: Right(OWNER, COACH, DESK, SELF, PUBLISHED)}
ENTER = Right(OWNER, COACH, SELF)
"""The right to enter an athlete in a competition that the caller sees, and to withdraw them."""
