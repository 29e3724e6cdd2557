"""A limit on the unique values that a caller finds taken.

A caller who gets 409 for a value learns that somebody has it, also if the row is beyond their
reach. So a caller who is no administrator gets few of these answers, and then 429. Each worker
counts for itself.
"""

from collections import OrderedDict, deque
from time import monotonic
from uuid import UUID

from app.core.access import Caller
from app.core.errors import TooManyConflicts

MOST = 30
SECONDS = 60.0
"""A caller gets at most ``MOST`` of these answers in this time."""
REMEMBERED = 10_000
"""The maximum number of callers that a worker remembers, the latest ones."""


class ConflictLimit:
    """Counts the conflicts of each caller in one worker."""

    def __init__(self) -> None:
        self._times: OrderedDict[UUID, deque[float]] = OrderedDict()

    def check(self, caller: Caller) -> None:
        """Raise ``TooManyConflicts`` for a caller who had too many conflicts lately."""
        times = self._times.get(caller.owner)
        if times and len(times) == MOST and times[0] > monotonic() - SECONDS:
            raise TooManyConflicts("Too many values were already taken: try again later.")

    def note(self, caller: Caller) -> None:
        """Note a conflict; those of administrators are not counted."""
        if caller.is_admin:
            return
        times = self._times.pop(caller.owner, None) or deque(maxlen=MOST)
        times.append(monotonic())
        self._times[caller.owner] = times
        if len(self._times) > REMEMBERED:
            self._times.popitem(last=False)
