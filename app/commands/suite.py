"""Running the tests as a process of their own."""

import signal
import subprocess
import sys

from app.commands.project import ROOT

WHOLE_SUITE = ("coverage", "run", "--parallel-mode", "-m", "pytest")


def run_tests(arguments: list[str]) -> int:
    """Run pytest with the arguments and return its status; without any, measure coverage too."""
    if arguments:
        return _run("pytest", *arguments)
    _run("coverage", "erase")
    tests = _run(*WHOLE_SUITE)
    _run("coverage", "combine", "--quiet")
    coverage = _run("coverage", "report")
    return tests or coverage


def _run(*module: str) -> int:
    """Run a module to its end; what would end this process ends the other one, cleanly, first."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # inherited: a closed terminal is told by us
    process = subprocess.Popen([sys.executable, "-m", *module], cwd=ROOT)  # noqa: S603
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells both
    for signum in (signal.SIGTERM, signal.SIGHUP):
        # pytest takes its fixtures down, the database server among them, on this one only.
        signal.signal(signum, lambda *_: process.send_signal(signal.SIGINT))
    return process.wait()
