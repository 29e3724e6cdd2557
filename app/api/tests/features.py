"""The features of the API and their test modules, found by the routes."""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from fastapi.routing import iter_route_contexts

from app.api.v1 import router


def packages() -> list[str]:
    """Name the package of each feature, ``app.athletes`` for example."""
    endpoints = [route.endpoint for route in iter_route_contexts(router.routes)]
    return sorted({endpoint.__module__.rpartition(".")[0] for endpoint in endpoints if endpoint})


def modules(name: str) -> Iterator[ModuleType]:
    """Yield the module of each feature's tests that has a name; one without it yields none."""
    for package in packages():
        module = f"{package}.tests.{name}"
        if find_spec(module):
            yield import_module(module)
