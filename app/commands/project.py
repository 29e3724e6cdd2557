"""Where the project is, and where its commands are called from."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def from_caller(file: Path) -> Path:
    """Find a file from where manage.py was called, which goes to the project's folder itself."""
    called_from = Path(os.environ.get("CALLED_FROM", "."))
    return file if called_from.resolve() == Path.cwd() else called_from / file
