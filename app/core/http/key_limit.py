"""A limit on the idempotency keys that each caller has stored: ``MAX_KEYS_PER_ACCOUNT``.

Counting the keys of a caller that has many takes longer than a write. So each worker counts again
only after a hundredth of the limit, and refuses for a while without a count. One worker keeps the
limit; each further worker may exceed it by a hundredth.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from uuid import UUID

from app.core.errors import TooManyKeys

REMEMBERED = 10_000
"""The maximum number of callers that a worker remembers, the latest ones: about 4 MB."""

TOO_MANY = (
    "Too many idempotency keys of the last 24 hours are stored for this account."
    " Nothing was written; try again later."
)

Count = Callable[[int], Awaitable[int]]
"""Counts the live keys of a caller, at most a number of them, including its claim."""


class KeyLimit:
    """At most ``most`` live keys for each caller, as far as one worker sees them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._callers: OrderedDict[UUID, _Caller] = OrderedDict()

    @contextmanager
    def claim(self, owner: UUID) -> Iterator["Claim"]:
        """Provide the claim of a key; leave the context when its transaction has ended."""
        claim = Claim(self._known(owner), self._most)
        try:
            yield claim
        finally:
            claim.end()

    def _known(self, owner: UUID) -> "_Caller":
        """Return a caller, and forget the one that has sent no key for the longest time."""
        known = self._callers.pop(owner, None) or _Caller()
        self._callers[owner] = known
        if len(self._callers) > REMEMBERED:
            self._callers.popitem(last=False)
        return known


class _Caller:
    """What a worker remembers of one caller."""

    __slots__ = ("admitted", "counting", "ended", "free", "refused_until")

    def __init__(self) -> None:
        self.counting = asyncio.Lock()
        self.free = 0
        """The number of claims until the next count."""
        self.admitted = 0
        """The number of claims that were admitted."""
        self.ended = 0
        """The number of admitted claims whose transactions have ended."""
        self.refused_until = 0.0
        """The ``monotonic`` time before which new claims are refused without a count."""


class Claim:
    """A claim of a key by a caller. A retry of its transaction claims the key again."""

    def __init__(self, caller: _Caller, most: int) -> None:
        self._caller = caller
        self._most = most
        self._is_admitted = False

    @property
    def is_refused(self) -> bool:
        """Whether the caller was over the limit at the last count, a moment ago."""
        return monotonic() < self._caller.refused_until

    async def admit(self, count: Count) -> None:
        """Raise ``TooManyKeys`` if the caller has too many live keys with this one."""
        caller = self._caller
        if self._is_admitted:
            return
        if not caller.free:
            async with caller.counting:
                if not caller.free:
                    caller.free = await self._free(count)
        caller.free -= 1
        caller.admitted += 1
        self._is_admitted = True

    def end(self) -> None:
        """Note that the transaction of this claim has ended."""
        self._caller.ended += self._is_admitted

    async def _free(self, count: Count) -> int:
        """Count, and return the number of claims that are free until the next count."""
        caller = self._caller
        if self.is_refused:
            raise TooManyKeys(TOO_MANY)
        ended = caller.ended
        live = await count(self._most + 1)
        # The count misses the claims in flight. It may include some that have ended meanwhile.
        total = live + caller.admitted - ended
        if live > self._most:
            caller.refused_until = monotonic() + TooManyKeys.retry_after
        if total > self._most:
            raise TooManyKeys(TOO_MANY)
        return min(max(1, self._most // 100), self._most - total + 1)
