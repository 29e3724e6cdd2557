import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the tests of a module one data directory: making one takes a second."""
    folder = tmp_path_factory.mktemp("data")
    yield str(folder)
    remove_data(folder)


def remove_data(folder: Path) -> None:
    """Remove the server's home too where it had to lie elsewhere."""
    shutil.rmtree((folder / "postgres").resolve(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
