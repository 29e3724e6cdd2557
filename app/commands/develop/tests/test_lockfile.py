import tomllib
from typing import Any

import pytest

from app.commands.develop.lockfile import content_hash, problems
from app.commands.project import ROOT


@pytest.fixture
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.fixture
def lock() -> dict[str, Any]:
    return tomllib.loads((ROOT / "poetry.lock").read_text("utf-8"))


def test_the_lock_file_matches_pyproject(pyproject: dict[str, Any], lock: dict[str, Any]) -> None:
    assert problems(pyproject, lock) == []


def test_a_new_dependency_makes_the_lock_file_outdated(
    pyproject: dict[str, Any], lock: dict[str, Any]
) -> None:
    pyproject["project"]["dependencies"].append("another>=1")

    assert problems(pyproject, lock) == [
        "poetry.lock does not match pyproject.toml: run `poetry lock`"
    ]


def test_fields_that_poetry_does_not_hash_keep_the_hash(pyproject: dict[str, Any]) -> None:
    before = content_hash(pyproject)
    pyproject["project"]["description"] = "Another"
    pyproject["tool"]["ruff"] = {}

    assert content_hash(pyproject) == before


def test_a_package_index_in_the_lock_is_refused(
    pyproject: dict[str, Any], lock: dict[str, Any]
) -> None:
    lock["package"][0]["source"] = {"type": "legacy", "url": "https://index.example/simple"}

    assert problems(pyproject, lock) == [
        f"poetry.lock names a package index for {lock['package'][0]['name']}:"
        " lock again without that index"
    ]
