"""Limits of one process: on concurrent work, with a FIFO queue, and on what clients hold."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from weakref import WeakValueDictionary

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


class FairLimit:
    """At most ``places`` at once, of which each client gets at most half; the rest queue (FIFO)."""

    def __init__(self, places: int, wait: float) -> None:
        self._all = Limit(places, wait)
        self._share = max(1, places // 2)
        self._wait = wait
        self._limits: WeakValueDictionary[str, Limit] = WeakValueDictionary()

    @asynccontextmanager
    async def place(self, client: str) -> AsyncIterator[None]:
        """Hold a place during an ``async with``; raise ``Unavailable`` if the wait times out."""
        own = self._limits.get(client) or Limit(self._share, self._wait)
        self._limits[client] = own
        async with own.place(), self._all.place():
            yield


class Shares:
    """At most ``total`` at once, of which each client gets at most a quarter; without a queue.

    It is for what clients hold as long as they want, such as a connection, or memory for a body
    that arrives. A queue would wait for the slowest client.
    """

    def __init__(self, total: int) -> None:
        self._free = total
        self._share = -(-total // SHARE)
        self._taken: Counter[str] = Counter()

    def take(self, client: str, number: int = 1) -> None:
        """Take some; raise ``Unavailable`` if there are not enough for this client."""
        if number > self._free or self._taken[client] + number > self._share:
            raise Unavailable(BUSY)
        self._free -= number
        self._taken[client] += number

    def give_back(self, client: str, number: int = 1) -> None:
        """Give back some that were taken."""
        self._free += number
        self._taken[client] -= number
        if not self._taken[client]:
            del self._taken[client]

    @contextmanager
    def place(self, client: str) -> Iterator[None]:
        """Take one during a ``with``; raise ``Unavailable`` if there is none for this client."""
        self.take(client)
        try:
            yield
        finally:
            self.give_back(client)
