"""What a feature has to declare in its own tests for those of all features."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any


def owned(package: str, module: str, name: str, what: str) -> Any:
    """Return what the tests of a feature declare; tell what to write if they do not."""
    path = f"{package}.tests.{module}"
    file = f"{path.replace('.', '/')}.py"
    assert find_spec(f"{package}.tests"), f"{package} has no tests: write {file}"
    declared = getattr(import_module(path), name, None) if find_spec(path) else None
    assert declared is not None, f"{package} needs {name} in {file}: {what}"
    return declared
