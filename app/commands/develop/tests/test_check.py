import pytest

from app.commands.develop import check


def test_a_complaint_is_the_output_of_the_failed_module() -> None:
    assert "No module named no_such_module" in check._complaint("-m", "no_such_module")
    assert check._complaint("-m", "json.tool", "--help") == ""


def test_every_check_runs_and_failures_are_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def complain(*arguments: str) -> str:
        ran.append(" ".join(arguments))
        return "app/main.py:1: wrong" if arguments == ("-m", "mypy") else ""

    monkeypatch.setattr(check, "_complaint", complain)

    status = check.run_checks()

    assert status == 1
    assert capsys.readouterr().out.splitlines() == [
        "format: ok",
        "lint: ok",
        "imports: ok",
        "types: failed",
        "app/main.py:1: wrong",
        "migrations: ok",
        "lock: ok",
    ]
    assert ran == [
        "-m ruff format --check .",
        "-m ruff check .",
        f"-c {check.LINT_IMPORTS} --no-logo --no-cache",
        "-m mypy",
        "-m alembic upgrade head",
        "-m alembic check",
    ]
