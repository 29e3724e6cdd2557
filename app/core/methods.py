"""What the app's routes are: which methods a path has, and which template a request has met."""

import re
from functools import cache

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path
from starlette.types import Scope


def allowed_methods(app: FastAPI, path: str) -> list[str]:
    """Return every method of a path, sorted; HEAD and OPTIONS come with the others."""
    methods = _literal_paths(app).get(path) or {
        method for pattern, of_route in _routes(app) if pattern.match(path) for method in of_route
    }
    methods = methods or {"GET"}  # a mounted folder of files, which declares none
    return sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set()))


def route_of(scope: Scope) -> str | None:
    """Return the path of the route that a request has met, like ``/athletes/{athlete_id}``.

    None if there is none, or it is a mounted folder of files.
    """
    return _paths(scope["app"]).get(scope.get("endpoint"))


@cache
def _paths(app: FastAPI) -> dict[object, str | None]:
    # By endpoint, because a route that a router includes knows of no prefix.
    return {
        route.endpoint: route.path for route in iter_route_contexts(app.routes) if route.endpoint
    }


def is_literal(app: FastAPI, path: str) -> bool:
    """Tell whether a route has this very path: it is no place for a parameter of another one."""
    return path in _literal_paths(app)


@cache
def _literal_paths(app: FastAPI) -> dict[str, frozenset[str]]:
    """Return the methods of each path that has no parameters."""
    methods: dict[str, frozenset[str]] = {}
    for route in iter_route_contexts(app.routes):
        if route.path and route.methods and "{" not in route.path:
            methods[route.path] = methods.get(route.path, frozenset()) | route.methods
    return methods


@cache
def _routes(app: FastAPI) -> list[tuple[re.Pattern[str], frozenset[str]]]:
    return [
        (compile_path(route.path)[0], frozenset(route.methods))
        for route in iter_route_contexts(app.routes)
        if route.path and route.methods
    ]
