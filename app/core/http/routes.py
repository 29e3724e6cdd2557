"""Routes that hold requests to the contract, and the table of all routes."""

import re
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import cached_property
from http import HTTPStatus
from typing import Any, NamedTuple, NoReturn, TypeGuard

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic import BaseModel
from starlette.datastructures import URLPath
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import FieldError, Invalid
from app.core.http.bodies import JSONRequest
from app.core.http.idempotency import answered_once, key_of

ROUTE = "route"
"""Where the template of the route that a request has met is, in ``scope["state"]``."""
APP = "app_of_route"
"""Where the table puts, in the scope, what handles a request."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class ContractRoute(APIRoute):
    """A route that refuses what FastAPI would let through, and creates once for each key.

    Refused are query parameters that are unknown or repeated, and bodies that are too long, are not
    declared JSON, or are JSON only to Python.
    """

    def get_route_handler(self) -> Handler:
        """Return FastAPI's handler of this route, within the contract."""
        return self.by_contract(super().get_route_handler())

    def by_contract(self, handle: Handler) -> Handler:
        """Hold the requests of a handler of this route to the contract.

        A request with a body reaches the handler as a ``JSONRequest``.
        """
        known = _query_names(self.dependant)
        takes_body = self.body_field is not None
        creates = takes_body and self.status_code == HTTPStatus.CREATED
        is_empty = self.status_code == HTTPStatus.NO_CONTENT

        async def handle_by_contract(request: Request) -> Response:
            if request.scope["query_string"]:
                _check_query(request, known)
            if takes_body:
                request = JSONRequest(request.scope, request.receive)
                await request.parse()
            if creates and (key := key_of(request)):
                return await answered_once(key, request, request.app.state.database, handle)
            response = await handle(request)
            if is_empty:
                del response.headers["content-type"]  # FastAPI's, of a body that is not there
            return response

        return handle_by_contract


class Target(NamedTuple):
    """Where a path leads: the template that it matches, and the routes by method."""

    template: str
    parameters: list[str]
    routes: dict[str, RouteContext]

    async def refuse(self, scope: Scope, receive: Receive, send: Send) -> NoReturn:
        """Refuse a method that the path does not have."""
        methods = [*self.routes, *(["HEAD"] if "GET" in self.routes else [])]
        raise HTTPException(405, headers={"Allow": ", ".join(methods)})


class RouteTable(BaseRoute):
    """The table of all routes, which every request meets first.

    It answers 405 with all the methods of a path, where FastAPI knows those of one route only, and
    tells the log which template a request has met. All other requests go on to FastAPI's routing.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    @cached_property
    def targets(self) -> list[Target]:
        """Every path of the app: made with the first request, for no route is added later.

        A path without parameters goes before one with them: ``/athletes/export`` is no athlete.
        """
        targets: dict[str, Target] = {}
        for route in iter_route_contexts(self._app.routes):
            if route.path and route.methods:
                parameters = re.findall(r"(?<=/){(\w+)}(?=/|$)", route.path)
                assert route.path.count("{") == len(parameters), "a parameter is a whole segment"
                target = targets.setdefault(route.path, Target(route.path, parameters, {}))
                for method in route.methods:
                    target.routes.setdefault(method, route)
        return sorted(targets.values(), key=lambda target: _specific_first(target.template))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """One group for each target, and within it one for each of its parameters."""
        return re.compile("|".join(f"({_pattern_of(target.template)})" for target in self.targets))

    @cached_property
    def _target_of_group(self) -> dict[int | None, Target]:
        groups: dict[int | None, Target] = {}
        group = 1
        for target in self.targets:
            groups[group] = target
            group += 1 + len(target.parameters)
        return groups

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Take a request that no route handles."""
        if scope["type"] != "http":
            return Match.NONE, {}
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path.endswith("\n"):
            # The patterns of FastAPI end in $, which also matches before a line break.
            return Match.FULL, {APP: _nothing_there}
        match = self._pattern.fullmatch(path)
        if match is None:
            return Match.NONE, {}
        # The group of a target closes after those of its parameters, so it is the last one.
        target = self._target_of_group[match.lastindex]
        scope["state"][ROUTE] = target.template
        if scope["method"] not in target.routes:
            return Match.FULL, {APP: target.refuse}
        return self._lead(scope, target, match)

    def _lead(self, scope: Scope, target: Target, match: re.Match[str]) -> tuple[Match, Scope]:
        """Leave a request that some route handles to FastAPI's routing."""
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request that was taken."""
        app: ASGIApp = scope[APP]
        await app(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """Leave that to the routes themselves."""
        raise NoMatchFound(name, path_params)


def _specific_first(template: str) -> list[tuple[bool, str]]:
    return [(segment.startswith("{"), segment) for segment in template.split("/")]


def _pattern_of(template: str) -> str:
    segments = (
        "([^/]+)" if part.startswith("{") else re.escape(part) for part in template.split("/")
    )
    return "/".join(segments)


async def _nothing_there(scope: Scope, receive: Receive, send: Send) -> NoReturn:
    raise HTTPException(404)


def is_model(kind: object) -> TypeGuard[type[BaseModel]]:
    """Tell whether a parameter is all that a model asks for."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _query_names(dependant: Any) -> frozenset[str]:
    """Name the query parameters of a route, those of its dependencies and models among them."""
    names: set[str] = set()
    for parameter in dependant.query_params:
        model = parameter.field_info.annotation
        if is_model(model):
            names |= {field.alias or name for name, field in model.model_fields.items()}
        else:
            names.add(parameter.alias)
    return frozenset(names.union(*map(_query_names, dependant.dependencies)))


def _check_query(request: Request, known: frozenset[str]) -> None:
    """Raise ``Invalid`` if a query parameter is unknown or repeated."""
    names = [name for name, _ in request.query_params.multi_items()]
    if known.issuperset(names) and len(set(names)) == len(names):
        return
    errors = []
    for name, times in Counter(names).items():
        if name not in known:
            code, detail = "extra_forbidden", "There is no such parameter."
        elif times > 1:
            code, detail = "repeated", "This parameter is repeated."
        else:
            continue
        errors.append(FieldError(pointer=f"?{name}", code=code, detail=detail))
    raise Invalid("The query is not valid; see the errors.", errors)
