"""A limit on concurrent work, with a FIFO queue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.errors import Unavailable


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
            raise Unavailable("The service is busy; try again.") from None
