import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from app.commands.develop import suite
from app.commands.tests.launcher import Launcher, launched, living

PATIENCE = 60.0
"""Timeout in seconds for every process to run a test, and for a killed one's workers to end."""
WAITING = """
import os
import time
from pathlib import Path

import pytest

from app.commands.postgres.embedded import temporary_postgres

@pytest.fixture(scope="session")
def server():
    with temporary_postgres() as server:
        yield server

@pytest.mark.parametrize("number", [1, 2])
def test_sleeps_until_a_signal(server, number):
    Path(os.environ["BUSY"], str(os.getpid())).touch()
    time.sleep(100)
"""


@pytest.mark.slow
def test_options_are_passed_to_pytest_and_its_exit_status_is_returned() -> None:
    file = "app/commands/develop/tests/test_lockfile.py"
    with launched("test", file, "-m", "not slow", "-x", "-k", "no_such_test") as tests:
        assert tests.ended() == pytest.ExitCode.NO_TESTS_COLLECTED, tests.output

    assert " deselected in " in tests.output


@contextmanager
def busy_tests(temporary: Path, *options: str, processes: int) -> Iterator[Launcher]:
    """Start tests that take long, and wait until each process runs one on its own server.

    Without options ``manage.py`` runs them as it runs the whole suite.
    """
    file, busy = temporary / "test_waiting.py", temporary / "busy"
    file.write_text(WAITING)
    busy.mkdir()
    environment = {
        "TMPDIR": str(temporary),
        "BUSY": str(busy),
        "COVERAGE_FILE": str(temporary / ".coverage"),
        # The file is outside the project; -c applies the project's options all the same.
        "PYTEST_ADDOPTS": f"-c pytest.ini {file}",
    }
    with launched("test", *options, measured=False, **environment) as tests:
        deadline = time.monotonic() + PATIENCE
        while len(list(busy.iterdir())) < processes and time.monotonic() < deadline:
            time.sleep(0.05)
        servers = list(temporary.glob("crossfit-*/postgres/data/postmaster.pid"))
        assert len(servers) == processes
        yield tests


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signum", "options", "processes"),
    [
        pytest.param(signal.SIGTERM, ["-x"], 1, id="TERM"),
        pytest.param(signal.SIGTERM, ["-n2"], 2, id="TERM, workers"),
        pytest.param(signal.SIGHUP, ["-n2"], 2, id="terminal closed, workers"),
        pytest.param(signal.SIGINT, [], 2, id="Ctrl-C, the whole suite"),
    ],
)
def test_a_signal_ends_the_tests_and_leaves_no_processes_or_files(
    temporary: Path, signum: signal.Signals, options: list[str], processes: int
) -> None:
    with busy_tests(temporary, *options, processes=processes) as tests:
        family = tests.family()

        assert tests.stop(signum, group=signum != signal.SIGTERM) == 2, tests.output

    assert living(family, 0) == []
    assert list(temporary.glob("crossfit-*")) == list(temporary.glob(".coverage*")) == []


@pytest.mark.slow
def test_workers_whose_controller_is_killed_leave_no_processes_or_files(temporary: Path) -> None:
    with busy_tests(temporary, "-n2", processes=2) as tests:
        family = tests.family()
        (controller,) = psutil.Process(tests.process.pid).children()

        controller.kill()

        assert tests.ended() != 0
    assert living(family, PATIENCE) == []
    assert list(temporary.glob("crossfit-*")) == []


def test_temporary_files_are_in_memory_if_it_has_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(suite, "ROOM", 0)
    assert suite.temporary_files(tmp_path) == {"TMPDIR": str(tmp_path)}
    assert suite.temporary_files(tmp_path / "missing") == {}

    monkeypatch.setattr(suite, "ROOM", shutil.disk_usage(tmp_path).total)
    assert suite.temporary_files(tmp_path) == {}


@pytest.mark.parametrize(
    ("tests", "coverage", "status"), [(0, 0, 0), (1, 0, 1), (0, 2, 2), (1, 2, 1)]
)
def test_the_whole_suite_fails_if_a_test_or_the_coverage_fails(
    monkeypatch: pytest.MonkeyPatch, tests: int, coverage: int, status: int
) -> None:
    statuses = {suite.WHOLE_SUITE: tests, ("coverage", "report"): coverage}
    monkeypatch.setattr(suite, "_run", lambda *module: statuses.get(module, 0))

    assert suite.run_tests([]) == status


def test_an_interrupted_suite_erases_its_coverage_without_a_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[tuple[str, ...]] = []

    def run(*module: str) -> int:
        ran.append(module)
        return 2 if module == suite.WHOLE_SUITE else 0

    monkeypatch.setattr(suite, "_run", run)

    assert suite.run_tests([]) == 2
    assert ran == [("coverage", "erase"), suite.WHOLE_SUITE, ("coverage", "erase")]


@pytest.mark.parametrize(
    ("arguments", "workers"),
    [
        (["-m", "not slow"], suite.WORKERS),
        (["-m", "not slow", "-x"], ()),
        (["-k", "cursor"], ()),
        (["--pdb", "app/core"], ()),
        (["-n", "4"], ()),
    ],
)
def test_workers_are_used_if_a_mark_is_the_only_option(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], workers: tuple[str, ...]
) -> None:
    statuses = {("pytest", *workers, *arguments): 7}
    monkeypatch.setattr(suite, "_run", lambda *module: statuses[module])

    assert suite.run_tests(arguments) == 7
