"""The project's root folder, and the folder that a command is called from."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def from_caller(file: Path) -> Path:
    """Resolve a path against the caller's folder; manage.py has changed to the project's root."""
    called_from = Path(os.environ.get("CALLED_FROM", "."))
    return file if called_from.resolve() == Path.cwd() else called_from / file
