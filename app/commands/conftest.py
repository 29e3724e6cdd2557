"""Fixtures for tests of commands that run as processes."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@contextmanager
def enterable_folder() -> Iterator[Path]:
    """Make a temporary folder that PostgreSQL's account can enter, which ``tmp_path`` is not."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="module")
def data_dir() -> Iterator[str]:
    """Share one data directory among the tests of a module, because creating one takes a second."""
    with enterable_folder() as folder:
        yield str(folder)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Provide a folder for temporary files that PostgreSQL's account can enter."""
    with enterable_folder() as folder:
        yield folder


def remove_data(folder: Path) -> None:
    """Remove the data directory, and the server's home if that is elsewhere."""
    shutil.rmtree((folder / "postgres").resolve(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
