"""The tools are installed from the lock files, or the reason why not is one line."""

import json
from pathlib import Path

import pytest

from clients import tools


def test_a_failed_installation_says_why_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "VENV", tmp_path / "venv")
    monkeypatch.setattr(tools, "PYTHON", tmp_path / "venv" / "bin" / "python")
    monkeypatch.setattr(tools, "REQUIREMENTS", tmp_path / "requirements.txt")
    tools.REQUIREMENTS.write_text(f"{tmp_path}/none-1.0-py3-none-any.whl --hash=sha256:{'0' * 64}")

    with pytest.raises(tools.NotInstalled, match=r"^ERROR: .*No such file or directory.*$"):
        tools.install()


def test_the_lock_files_name_no_package_registry() -> None:
    locked = json.loads(tools.LOCK.read_text("utf-8"))["packages"]

    assert [name for name, package in locked.items() if "resolved" in package] == []
    assert "://" not in tools.REQUIREMENTS.read_text("utf-8")
