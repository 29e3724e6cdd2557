"""What a feature has to declare in its own tests for those of all features."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

Endpoints = dict[tuple[str, str], Callable[..., Any]]


def owned(package: str, module: str, name: str, what: str) -> Any:
    """Return what the tests of a feature declare; tell what to write if they do not."""
    path = f"{package}.tests.{module}"
    file = f"{path.replace('.', '/')}.py"
    assert find_spec(f"{package}.tests"), f"{package} has no tests: write {file}"
    declared = getattr(import_module(path), name, None) if find_spec(path) else None
    assert declared is not None, f"{package} needs {name} in {file}: {what}"
    return declared


def endpoints(routes: list[BaseRoute]) -> Endpoints:
    """Return the function behind each method of each path."""
    return {
        (method, route.path or ""): route.endpoint
        for route in iter_route_contexts(routes)
        if route.endpoint
        for method in route.methods or ()
    }


def file_beside(endpoint: Callable[..., Any], module: str) -> str:
    """Name the file of a test module of the feature that an endpoint belongs to."""
    package = endpoint.__module__.rpartition(".")[0]
    return f"{package.replace('.', '/')}/tests/{module}.py"
