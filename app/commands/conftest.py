"""Fixtures for tests of commands that run as processes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Share one data directory among the tests of a module, because creating one takes a second."""
    folder = tmp_path_factory.mktemp("data")
    yield str(folder)
    remove_data(folder)


def remove_data(folder: Path) -> None:
    """Remove the data directory, and the server's home if that is elsewhere."""
    shutil.rmtree((folder / "postgres").resolve(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
