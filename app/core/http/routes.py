"""Routes that check requests against the contract, and the table of all routes."""

import re
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Any, ClassVar, NamedTuple, NoReturn, TypeGuard, get_args, get_origin

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic import BaseModel
from starlette.datastructures import URLPath
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import (
    AlreadyTaken,
    DomainError,
    FieldError,
    Forbidden,
    Invalid,
    MalformedRequest,
    NotFound,
)
from app.core.http.bodies import REFUSED, JSONRequest
from app.core.http.conflict_limit import ConflictLimit
from app.core.http.idempotency import HEADER, Idempotency, key_of
from app.core.http.security import (
    CALLER,
    CallerChanged,
    access_to,
    admit,
    caller_has_changed,
    use_caller,
)
from app.core.http.urls import is_utf8, link_to, route_path

ROUTE = "route"
"""Key in ``scope["state"]`` of the template of the route that matched a request."""
APP = "app_of_route"
"""Key in the scope of the ASGI app that handles a request; set by the table."""

NOT_STORED = "The response has a secret, which is not stored: send this request without a key."

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class ContractRoute(APIRoute):
    """A route with stricter checks than FastAPI's, and with idempotent creation.

    It first finds the caller, unless the route is public. It rejects query parameters that are
    unknown or repeated, and bodies that are too long, have another ``Content-Type`` than JSON, or
    are JSON only for Python. A POST that creates a row honours its idempotency key.
    """

    stores_responses: ClassVar[bool] = True
    """Whether a response may be stored, for a retry with the same idempotency key."""

    def get_route_handler(self) -> Handler:
        """Return FastAPI's handler of this route, with the checks of the contract."""
        return self.by_contract(super().get_route_handler())

    def by_contract(self, handle: Handler) -> Handler:
        """Wrap a handler of this route so that it checks requests against the contract.

        A request with a body reaches the handler as a ``JSONRequest``.
        """
        access = access_to(self.dependant)
        known = _query_parameters(self.dependant)
        takes_body = self.body_field is not None
        creates = takes_body and self.status_code == HTTPStatus.CREATED
        stores = self.stores_responses
        is_empty = self.status_code == HTTPStatus.NO_CONTENT

        async def handle_by_contract(request: Request) -> Response:
            if access is not None:
                await admit(request, access)
                if takes_body:
                    return await _with_few_conflicts(handle_admitted, request)
            return await handle_admitted(request)

        async def handle_admitted(request: Request) -> Response:
            if not stores and key_of(request):
                raise Invalid.of_field(HEADER, "unsupported", NOT_STORED)
            if request.scope["query_string"]:
                _check_query(request, known)
            if takes_body:
                request = JSONRequest(request.scope, request.receive)
                await request.parse()
            if creates and stores and (key := key_of(request)):
                await caller_has_changed(request)
                state = request.app.state
                idempotency: Idempotency = state.idempotency
                response = await idempotency.answered_once(key, request, state.database, handle)
            else:
                response = await _handled(handle, request)
            if creates:
                # Only here, so that a stored response gets the prefix of each request.
                location = response.headers["Location"]
                response.headers["Location"] = link_to(request.scope, location)
            if is_empty:
                del response.headers["content-type"]  # FastAPI sets it, though there is no body
            return response

        return handle_by_contract


async def _with_few_conflicts(handle: Handler, request: Request) -> Response:
    """Handle a request of a caller who has not found too many unique values taken."""
    limit: ConflictLimit = request.app.state.conflicts
    limit.check(request.scope["state"][CALLER])
    try:
        return await handle(request)
    except AlreadyTaken:
        limit.note(request.scope["state"][CALLER])
        raise


async def _handled(handle: Handler, request: Request) -> Response:
    """Handle a request; once more if the rights of its caller are others than a moment ago."""
    try:
        return await handle(request)
    except CallerChanged as changed:
        use_caller(request, changed.caller)
    except (Forbidden, NotFound):
        if not await caller_has_changed(request):
            raise
    return await handle(request)


class SecretRoute(ContractRoute):
    """A route whose response has a secret, so that it is never stored.

    It rejects an idempotency key: a retry could not get the same response.
    """

    stores_responses = False


class Target(NamedTuple):
    """A path template, its parameters, and its routes by method."""

    template: str
    parameters: list[str]
    routes: dict[str, RouteContext]

    async def refuse(self, scope: Scope, receive: Receive, send: Send) -> NoReturn:
        """Raise the 405 for a method that the path does not support."""
        methods = [*self.routes, *(["HEAD"] if "GET" in self.routes else [])]
        raise HTTPException(405, headers={"Allow": ", ".join(methods)})


class RouteTable(BaseRoute):
    """The table of all routes, which sees every request before FastAPI's routing.

    Its 405 lists all methods of a path; FastAPI's lists those of one route only. It also records
    the matched template for the log. All other requests continue to FastAPI's routing.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    @cached_property
    def targets(self) -> list[Target]:
        """Every path of the app, collected at the first request: no route is added later.

        A fixed segment goes before a parameter: ``/athletes/export`` is not an athlete.
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
        """Match a request that no route handles (400, 404 or 405); record the path's template."""
        if scope["type"] != "http":
            return Match.NONE, {}
        if refused := scope["state"].get(REFUSED):
            return Match.FULL, {APP: _raising(refused)}
        path = route_path(scope)
        if (scope["query_string"] or not path.isascii()) and not is_utf8(scope):
            return Match.FULL, {APP: _raising(MalformedRequest("The URL is not UTF-8."))}
        if path.endswith("\n"):
            # FastAPI's patterns end in $, which also matches before a trailing line break.
            return Match.FULL, {APP: _nothing_there}
        match = self._pattern.fullmatch(path)
        if match is None:
            return Match.NONE, {}
        # A target's group closes after those of its parameters, so lastindex is that group.
        target = self._target_of_group[match.lastindex]
        scope["state"][ROUTE] = target.template
        if scope["method"] not in target.routes:
            return Match.FULL, {APP: target.refuse}
        return self._lead(scope, target, match)

    def _lead(self, scope: Scope, target: Target, match: re.Match[str]) -> tuple[Match, Scope]:
        """Leave a request with a supported method to FastAPI's routing."""
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request that the table matched."""
        app: ASGIApp = scope[APP]
        await app(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """Raise ``NoMatchFound``: the routes themselves build URLs."""
        raise NoMatchFound(name, path_params)


def _specific_first(template: str) -> list[tuple[bool, str]]:
    return [(segment.startswith("{"), segment) for segment in template.split("/")]


def _pattern_of(template: str) -> str:
    segments = (
        "([^/]+)" if part.startswith("{") else re.escape(part) for part in template.split("/")
    )
    return "/".join(segments)


def _raising(error: DomainError) -> ASGIApp:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> NoReturn:
        raise error

    return refuse


async def _nothing_there(scope: Scope, receive: Receive, send: Send) -> NoReturn:
    raise HTTPException(404)


def is_model(kind: object) -> TypeGuard[type[BaseModel]]:
    """Return whether the type of a parameter is a Pydantic model."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _query_parameters(dependant: Any) -> dict[str, bool]:
    """Return the query parameters of a route, and whether each is a list, which can be repeated.

    Includes the parameters of dependencies and models.
    """
    known: dict[str, bool] = {}
    for needed in dependant.dependencies:
        known |= _query_parameters(needed)
    for parameter in dependant.query_params:
        kind = parameter.field_info.annotation
        if is_model(kind):
            for name, field in kind.model_fields.items():
                known[field.alias or name] = is_list(field.annotation)
        else:
            known[parameter.alias] = is_list(kind)
    return known


def is_list(kind: object) -> bool:
    """Return whether the type of a parameter is a list, or an optional one."""
    return any(get_origin(one) is list for one in (kind, *get_args(kind)))


def _check_query(request: Request, known: Mapping[str, bool]) -> None:
    """Raise ``Invalid`` if a query parameter is unknown, or repeated and no list."""
    names = [name for name, _ in request.query_params.multi_items()]
    if len(set(names)) == len(names) and known.keys() >= set(names):
        return
    errors = []
    for name, times in Counter(names).items():
        if name not in known:
            code, detail = "extra_forbidden", "There is no such parameter."
        elif times > 1 and not known[name]:
            code, detail = "repeated", "This parameter is repeated."
        else:
            continue
        errors.append(FieldError(pointer=f"?{name}", code=code, detail=detail))
    if errors:
        raise Invalid("The query is not valid; see the errors.", errors)
