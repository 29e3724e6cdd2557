"""Which methods a path has: for ``Allow``, which the framework fills from one route only."""

import re
from functools import cache

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path


def allowed_methods(app: FastAPI, path: str) -> list[str]:
    """Return every method of a path, sorted; HEAD and OPTIONS come with the others."""
    methods = {
        method for pattern, of_route in _routes(app) if pattern.match(path) for method in of_route
    }
    methods = methods or {"GET"}  # a mounted folder of files, which declares none
    return sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set()))


@cache
def _routes(app: FastAPI) -> list[tuple[re.Pattern[str], frozenset[str]]]:
    return [
        (compile_path(route.path)[0], frozenset(route.methods))
        for route in iter_route_contexts(app.routes)
        if route.path and route.methods
    ]
