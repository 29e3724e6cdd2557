"""A bound on work that goes on at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.errors import Unavailable


class Bound:
    """So many at once; others wait in line, and are refused if that takes longer than ``wait``."""

    def __init__(self, places: int, wait: float) -> None:
        self._places = asyncio.Semaphore(places)
        self._wait = wait

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place, the first who came the first; raise ``Unavailable`` after the wait."""
        await self.enter()
        try:
            yield
        finally:
            self.leave()

    async def enter(self) -> None:
        """Take a place, which has to be left; raise ``Unavailable`` after the wait."""
        if self._places.locked():
            await self._stand_in_line()
        else:
            await self._places.acquire()

    def leave(self) -> None:
        """Leave a place to the next in line."""
        self._places.release()

    async def _stand_in_line(self) -> None:
        try:
            async with asyncio.timeout(self._wait):
                await self._places.acquire()
        except TimeoutError:
            raise Unavailable("The service is busy; try again.") from None
