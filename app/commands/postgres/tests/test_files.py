import os
import pwd
from pathlib import Path

import pytest

from app.commands.postgres import files
from app.commands.postgres.files import PROGRAMS, Account, can_run


def test_the_copied_programs_run_and_are_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account: Account = {"user": os.getuid(), "group": os.getgid(), "extra_groups": []}
    monkeypatch.setattr(files, "can_run", lambda account, program: program.parent != PROGRAMS)

    programs = files.runnable_programs(account, tmp_path)
    again = files.runnable_programs(account, tmp_path)

    assert programs == again
    assert programs.is_relative_to(tmp_path)
    assert all(can_run({}, programs / program) for program in files.PROGRAMS_NEEDED)


def test_can_run_is_false_for_a_file_without_execute_permission(tmp_path: Path) -> None:
    program = tmp_path / "initdb"
    program.write_text("")

    assert not can_run({}, program)


def test_an_account_that_cannot_be_created_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(files, "ACCOUNT", "not a valid name")

    with pytest.raises(SystemExit):
        files.existing_or_new_account()

    assert capsys.readouterr().err.startswith("error: PostgreSQL refuses to run as root")


def test_an_existing_account_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ACCOUNT", "root")

    assert files.existing_or_new_account() == pwd.getpwnam("root")


def test_data_that_the_account_can_no_longer_enter_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "postgres" / "data").mkdir(parents=True)
    monkeypatch.setattr(files, "can_enter", lambda account, folder: False)

    with pytest.raises(SystemExit):
        files.make_home(tmp_path / "postgres")

    assert "can no longer enter" in capsys.readouterr().err


def test_a_link_to_a_missing_home_is_replaced(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    home.symlink_to(tmp_path / "gone")

    place = files.make_home(home)

    assert place.is_dir()
    if home.is_symlink():  # as root, because other accounts cannot enter pytest's folders
        place.rmdir()
