"""Being told to end, so that all that was begun is also cleaned up."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

TOLD_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(SystemExit):
    """The end that a signal asked for; not KeyboardInterrupt, which Python may end by itself."""


def end_cleanly_on_signals() -> None:
    """Let Ctrl-C, TERM and a closed terminal raise ``Stopped`` in the main thread."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(signum, _stop)
    # One more way to say TERM, also to uvicorn, which takes that over and does not know this one.
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    sys.unraisablehook = _stop_again


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put signals off: an impatient second one shall not interrupt a clean end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, TOLD_TO_END)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(signum: int, frame: FrameType | None) -> None:
    raise Stopped(128 + signum)


def _stop_again(lost: "UnraisableHookArgs") -> None:
    # Raised in a destructor, which cannot pass it on: once more, a moment later.
    if isinstance(lost.exc_value, Stopped):
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        sys.__unraisablehook__(lost)
