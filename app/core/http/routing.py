"""Where requests go: every route of the app in one tree, down which a path is followed.

FastAPI asks one route after the other, twice for each router that includes another. For most
requests that took as long as everything else.
"""

from typing import Any, NoReturn

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.datastructures import URLPath
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send

ROUTE = "route"
"""Where the template of the route that a request has met is, in ``scope["state"]``."""


class RouteTree(BaseRoute):
    """The route that a request meets first, and from which it goes to the one of its path.

    A path without parameters goes before one with them: ``/athletes/export`` is no athlete. What is
    not found here, such as the files of a mounted folder, is left to FastAPI.
    """

    def __init__(self, app: FastAPI) -> None:
        self._root = _Place("")
        for route in iter_route_contexts(app.routes):
            if route.path and route.methods:
                _require_own_dependencies(route)
                place = self._root.grown(route.path)
                for method in route.methods:
                    place.apps.setdefault(method, (route.app, route.endpoint))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Find where a request goes; the path parameters are in the scope that is returned."""
        if scope["type"] != "http":
            return Match.NONE, {}
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path.endswith("\n"):
            # FastAPI's patterns end in $, which is also before a line break.
            return Match.FULL, {"app_of_route": _nothing_there}
        parameters: dict[str, str] = {}
        place = self._root.found(path.split("/"), 1, parameters)
        if place is None:
            return Match.NONE, {}
        scope["state"][ROUTE] = place.template
        app, endpoint = place.apps.get(scope["method"], (place.refuse, None))
        return Match.FULL, {
            "app_of_route": app,
            "endpoint": endpoint,
            "path_params": parameters,
        }

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request that has been found its way."""
        await scope["app_of_route"](scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """Leave that to the routes themselves."""
        raise NoMatchFound(name, path_params)


def _require_own_dependencies(route: RouteContext) -> None:
    """Refuse dependencies that a route does not know of, which are not looked at."""
    own = route.original_route
    if isinstance(own, APIRoute):
        there, known = route.dependant.dependencies, own.dependant.dependencies
        assert len(there) == len(known), "give dependencies to a router, not to its inclusion"


class _Place:
    """The end of a path, and the beginning of longer ones."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.apps: dict[str, tuple[ASGIApp, object]] = {}
        """What handles each method, and the endpoint that this leads to."""
        self._literal: dict[str, _Place] = {}
        self._parameter: _Place | None = None
        self._name = template.rpartition("{")[2].rstrip("}")

    def grown(self, template: str) -> "_Place":
        """Return the place of a template, made with all on the way to it."""
        place = self
        for segment in template.split("/")[1:]:
            longer = f"{place.template}/{segment}"
            assert "{" not in segment or segment[1:-1].isidentifier(), "a parameter is a segment"
            if not segment.startswith("{"):
                place = place._literal.setdefault(segment, _Place(longer))
                continue
            if place._parameter is None:
                place._parameter = _Place(longer)
            place = place._parameter
            assert place.template == longer, "one parameter has two names"
        return place

    def found(self, path: list[str], at: int, parameters: dict[str, str]) -> "_Place | None":
        """Return the place of a path, from its segment ``at`` on, and fill in the parameters."""
        if at == len(path):
            return self if self.apps else None
        segment = path[at]
        literal = self._literal.get(segment)
        if literal and (place := literal.found(path, at + 1, parameters)):
            return place
        parameter = self._parameter
        if segment and parameter and (place := parameter.found(path, at + 1, parameters)):
            parameters[parameter._name] = segment
            return place
        return None

    async def refuse(self, scope: Scope, receive: Receive, send: Send) -> NoReturn:
        """Refuse a method that is not there."""
        methods = [*self.apps, *(["HEAD"] if "GET" in self.apps else [])]
        raise HTTPException(405, headers={"Allow": ", ".join(methods)})


async def _nothing_there(scope: Scope, receive: Receive, send: Send) -> NoReturn:
    raise HTTPException(404)
