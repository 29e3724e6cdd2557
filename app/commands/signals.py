"""Being told to end, so that all that was begun is also cleaned up."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

Result = TypeVar("Result")


class Stopped(SystemExit):
    """The end that a signal asked for; not KeyboardInterrupt, which Python may end by itself."""

    arrived = False

    def __del__(self) -> None:
        # A destructor or a broad `except` swallowed it: once more, a moment later.
        if not self.arrived:
            signal.setitimer(signal.ITIMER_REAL, 0.01)


def end_cleanly_on_signals() -> None:
    """Let Ctrl-C, TERM and a closed terminal raise ``Stopped`` in the main thread."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(signum, _stop)
    # One more way to say TERM, also to uvicorn, which takes that over and does not know this one.
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def _stop(signum: int, frame: FrameType | None) -> None:
    raise Stopped(128 + signum)


@contextmanager
def stopped_with(status: int | None = None) -> Iterator[None]:
    """Take a ``Stopped`` that went all the way, and end with this status, else the signal's."""
    try:
        yield
    except Stopped as stopped:
        stopped.arrived = True
        if status is None:
            raise
        sys.exit(status)


def run_until_stopped(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end; a signal cancels it, and raises ``Stopped`` once it is over.

    Raised where it happens to arrive, the signal could end in a callback's error handling.
    """
    arrived: list[int] = []

    async def run() -> Result:
        task = asyncio.current_task()
        assert task
        loop = asyncio.get_running_loop()

        def stop(signum: int) -> None:
            arrived.append(signum)
            task.cancel()

        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, stop, signum)
        return await work

    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        raise Stopped(128 + arrived[0]) from None
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put signals off: an impatient second one shall not interrupt a clean end."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
