"""Running the tests in child processes."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from app.commands.project import ROOT

WORKERS = ("-n2", "--dist=worksteal")
WHOLE_SUITE = ("coverage", "run", "--parallel-mode", "-m", "pytest", *WORKERS)
INTERRUPTED = 2
"""The exit status of pytest after a signal."""
MEMORY = Path("/dev/shm")  # noqa: S108 - pytest and tempfile make private folders in it
ROOM = 4 * 10**9
"""Bytes that must be free in memory for the temporary files of the tests to go there."""


def run_tests(arguments: list[str]) -> int:
    """Run pytest with the arguments and return its status; without arguments, measure coverage.

    Two workers run the whole suite, or the tests that ``-m`` alone selects. With other arguments
    one process runs the tests: ``-x``, ``-k`` and ``--pdb`` are for a few tests, which start
    sooner without workers.
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
    """Run a module and return its status; on a signal, stop it cleanly before this process ends."""
    has_workers = any(word.startswith(("-n", "--numprocesses")) for word in module)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # inherited: this process passes HUP on as INT
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", *module],
        cwd=ROOT,
        env={**temporary_files(MEMORY), **os.environ},
        # In its own process group it does not get the terminal's Ctrl-C: `interrupt` signals the
        # workers, and only them.
        process_group=0 if has_workers else None,
    )

    def interrupt(*_: object) -> None:
        # Only once: a second signal would interrupt the teardown that the first one started.
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, _overhear)
        # pytest tears down its fixtures, such as the database server, on SIGINT only. It waits
        # for interrupted workers. If it is interrupted itself, it kills them after 10 seconds.
        workers = _workers(process.pid) if has_workers else []
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                worker.send_signal(signal.SIGINT)
        if not workers:
            process.send_signal(signal.SIGINT)

    # Without workers the terminal sends Ctrl-C to both processes.
    signal.signal(signal.SIGINT, interrupt if has_workers else _overhear)
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupt)
    return process.wait()


def temporary_files(memory: Path) -> Mapping[str, str]:
    """Return the setting that puts temporary files into memory, if it has room for them.

    Each of 200 test databases is 350 files, and some disks take 0.3 seconds to create those.
    """
    if not memory.is_dir() or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return {}
    return {"TMPDIR": str(memory)} if shutil.disk_usage(memory).free > ROOM else {}


def _overhear(*_: object) -> None:
    """Ignore a signal; unlike SIG_IGN, a child process does not inherit this."""


def _workers(controller: int) -> list[psutil.Process]:
    """Return the workers of a pytest: its child processes in its process group."""
    try:
        children: list[psutil.Process] = psutil.Process(controller).children()
        return [child for child in children if os.getpgid(child.pid) == controller]
    except (psutil.NoSuchProcess, ProcessLookupError):
        return []
