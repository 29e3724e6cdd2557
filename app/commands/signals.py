"""Signal handling that lets a command clean up before it ends."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

Result = TypeVar("Result")


class Stopped(SystemExit):
    """Raised on a signal; not KeyboardInterrupt, which Python may end by itself."""

    arrived = False
    raised = False
    """Whether it was ever raised in this process: other code may have swallowed it, and kept it."""

    def __del__(self) -> None:
        # A destructor or a broad `except` swallowed it: raise it again a moment later.
        if not self.arrived:
            signal.setitimer(signal.ITIMER_REAL, 0.01)


def end_cleanly_on_signals() -> None:
    """Let Ctrl-C, TERM and a closed terminal raise ``Stopped`` in the main thread."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(signum, _stop)
    # HUP is handled as TERM, also by uvicorn, which sets its own handler for TERM but not for HUP.
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def _stop(signum: int, frame: FrameType | None) -> None:
    Stopped.raised = True
    raise Stopped(128 + signum)


@contextmanager
def stopped_with(status: int | None = None) -> Iterator[None]:
    """Catch ``Stopped`` at the top, and exit with this status or, by default, the signal's."""
    try:
        yield
    except Stopped as stopped:
        stopped.arrived = True
        if status is None:
            raise
        sys.exit(status)


def run_until_stopped(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine; a signal cancels it, and ``Stopped`` is raised once it has ended.

    If the signal raised where it arrives, a callback's error handling could swallow it.
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
    """Block signals during the context, so that a second one does not interrupt the cleanup."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
