import pytest

from app.commands import suite
from app.commands.tests.launcher import launched


@pytest.mark.slow
@pytest.mark.parametrize(("choice", "status"), [("in_step", 0), ("no_such_test", 5)])
def test_all_options_go_to_pytest_and_its_status_comes_back(choice: str, status: int) -> None:
    arguments = ("app/commands/tests/test_lockfile.py", "-m", "not slow", "-x", "-k", choice)

    with launched("test", *arguments) as tests:
        assert tests.ended() == status, tests.output


@pytest.mark.parametrize(
    ("tests", "coverage", "status"), [(0, 0, 0), (1, 0, 1), (0, 2, 2), (1, 2, 1)]
)
def test_the_whole_suite_fails_for_a_test_or_for_its_coverage(
    monkeypatch: pytest.MonkeyPatch, tests: int, coverage: int, status: int
) -> None:
    statuses = {suite.WHOLE_SUITE: tests, ("coverage", "report"): coverage}
    monkeypatch.setattr(suite, "_run", lambda *module: statuses.get(module, 0))

    assert suite.run_tests([]) == status
