"""Limits of one process: on concurrent work, with a FIFO queue or without, and on space."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from app.core.errors import Unavailable

BUSY = "The service is busy; try again."
REST = 3
"""How much longer than the work a place of a ``PacedLimit`` rests."""
LONGEST_REST = 0.1
"""Seconds that such a place rests at most."""
SHARE = 4
"""One client gets at most this part of ``Shares``: a quarter."""


class Limit:
    """At most ``places`` at once; the rest queue (FIFO) for at most ``wait`` seconds."""

    def __init__(self, places: int, wait: float) -> None:
        self._places = asyncio.Semaphore(places)
        self._wait = wait

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place during an ``async with``; raise ``Unavailable`` if the wait times out."""
        await self.enter()
        try:
            yield
        finally:
            self.leave()

    async def enter(self) -> None:
        """Take a place, to release with ``leave``; raise ``Unavailable`` if the wait times out."""
        if self._places.locked():
            await self._queue()
        else:
            await self._places.acquire()

    def leave(self) -> None:
        """Release a place: the next in the queue gets it."""
        self._places.release()

    async def _queue(self) -> None:
        try:
            async with asyncio.timeout(self._wait):
                await self._places.acquire()
        except TimeoutError:
            raise Unavailable(BUSY) from None


class PacedLimit(Limit):
    """A limit whose places rest after their work, for longer than the work took.

    So however many requests wait, the work leaves most of the processor's time to others.
    """

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place during an ``async with``; raise ``Unavailable`` if the wait times out."""
        await self.enter()
        loop = asyncio.get_running_loop()
        begin = loop.time()
        try:
            yield
        finally:
            rest = min((loop.time() - begin) * REST, LONGEST_REST)
            loop.call_later(rest, self.leave)


class Shares:
    """At most ``places`` at once, of which each client gets at most a quarter; without a queue.

    It is for work whose end the client decides, such as a transfer: a queue would wait for the
    slowest client.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken: Counter[str] = Counter()

    @contextmanager
    def place(self, client: str) -> Iterator[None]:
        """Hold a place during a ``with``; raise ``Unavailable`` if the client gets none."""
        share = -(-self._places // SHARE)
        if self._taken.total() >= self._places or self._taken[client] >= share:
            raise Unavailable(BUSY)
        self._taken[client] += 1
        try:
            yield
        finally:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]


class Space:
    """At most ``size`` bytes at once."""

    def __init__(self, size: int) -> None:
        self._free = size

    def take(self, size: int) -> None:
        """Take some bytes; raise ``Unavailable`` if there are not enough."""
        if size > self._free:
            raise Unavailable(BUSY)
        self._free -= size

    def give_back(self, size: int) -> None:
        """Give back bytes that were taken."""
        self._free += size
