"""The features of the API, found from its routes, and the declarations in their tests."""

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from app.api.v1 import router

Endpoints = dict[tuple[str, str], Callable[..., Any]]


def packages() -> list[str]:
    """Return the package of each feature, for example ``app.athletes``."""
    endpoints = [route.endpoint for route in iter_route_contexts(router.routes)]
    return sorted({package_of(endpoint) for endpoint in endpoints if endpoint})


def package_of(endpoint: Callable[..., Any]) -> str:
    """Return the package of the feature that an endpoint belongs to; it may have rooms."""
    return ".".join(endpoint.__module__.split(".")[:2])


def modules(name: str) -> Iterator[ModuleType]:
    """Yield the module of this name from the tests of each feature that has one."""
    for package in packages():
        module = f"{package}.tests.{name}"
        if find_spec(module):
            yield import_module(module)


def owned(package: str, module: str, name: str, what: str) -> Any:
    """Return a declaration from the tests of a feature; if missing, fail with what to write."""
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
    """Return the path of a test module of the feature that an endpoint belongs to."""
    return f"{package_of(endpoint).replace('.', '/')}/tests/{module}.py"
