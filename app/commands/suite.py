"""Running the tests as processes of their own."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import psutil

from app.commands.project import ROOT

WORKERS = ("-n2", "--dist=worksteal")
WHOLE_SUITE = ("coverage", "run", "--parallel-mode", "-m", "pytest", *WORKERS)
INTERRUPTED = 2
"""The status of a pytest that a signal ended."""


def run_tests(arguments: list[str]) -> int:
    """Run pytest with the arguments and return its status; without any, measure coverage too.

    Two workers run the whole suite, and what ``-m`` alone selects. Other arguments are for one
    process: ``-x``, ``-k`` and ``--pdb`` look at a few tests, which start sooner there.
    """
    if arguments:
        selects_by_mark = arguments[0] == "-m" and len(arguments) == 2
        return _run("pytest", *(WORKERS if selects_by_mark else ()), *arguments)
    _run("coverage", "erase")
    tests = _run(*WHOLE_SUITE)
    if tests == INTERRUPTED:
        _run("coverage", "erase")
        return tests
    _run("coverage", "combine", "--quiet")
    coverage = _run("coverage", "report")
    return tests or coverage


def _run(*module: str) -> int:
    """Run a module to its end; what would end this process ends the other one, cleanly, first."""
    has_workers = any(word.startswith(("-n", "--numprocesses")) for word in module)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # inherited: a closed terminal is told by us
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", *module],
        cwd=ROOT,
        # A group of its own keeps the terminal's Ctrl-C away: we tell the workers, and only them.
        process_group=0 if has_workers else None,
    )

    def interrupt(*_: object) -> None:
        # Once: a second signal would interrupt what the first one has begun to take down.
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, _overhear)
        # pytest takes its fixtures down, the database server among them, on SIGINT only. It waits
        # for interrupted workers; interrupted itself, it would kill them after 10 seconds.
        workers = _workers(process.pid) if has_workers else []
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                worker.send_signal(signal.SIGINT)
        if not workers:
            process.send_signal(signal.SIGINT)

    # Without workers the terminal tells both.
    signal.signal(signal.SIGINT, interrupt if has_workers else _overhear)
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupt)
    return process.wait()


def _overhear(*_: object) -> None:
    """Do nothing on a signal; unlike SIG_IGN, which the next process would inherit."""


def _workers(controller: int) -> list[psutil.Process]:
    """Return the workers of a pytest: its children that are in its own process group."""
    try:
        children: list[psutil.Process] = psutil.Process(controller).children()
        return [child for child in children if os.getpgid(child.pid) == controller]
    except (psutil.NoSuchProcess, ProcessLookupError):
        return []
