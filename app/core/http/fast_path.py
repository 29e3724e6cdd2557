"""A faster dispatch to endpoints than FastAPI's, with the same responses: ``FAST_PATH``.

For each request, FastAPI searches its routers, twice for each router that includes another, and
derives the arguments of the endpoint from the declarations again. That is more than half of a
read's time in Python. This module does both once for each route.

Only this module uses private parts of FastAPI, and only a service with ``FAST_PATH`` imports it.
It supports the declarations that our endpoints use. FastAPI handles a route with any other one,
such as a form, a cookie or a generator, and a route that returns anything but a ``Response`` or
None. ``docs/decisions/0010-fast-path.md`` says what FastAPI would have to offer instead.
"""

import inspect
import re
from dataclasses import fields
from functools import cached_property
from http import HTTPStatus
from typing import Any

from fastapi import Request, params
from fastapi._compat import (
    ModelField,
    field_annotation_is_sequence,
    get_missing_field_error,
)
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, RouteContext
from fastapi.security.base import SecurityBase
from pydantic_core import PydanticUndefined
from starlette.responses import Response
from starlette.routing import Match, request_response
from starlette.types import ASGIApp, Scope

from app.core.http.routes import APP, ContractRoute, Handler, RouteTable, Target, is_list, is_model
from app.core.http.security import only_declares

Errors = list[dict[str, Any]]

NOTHING: Any = PydanticUndefined
"""The value of a parameter that is absent from the request."""

_OTHERS = {declared.name for declared in fields(Dependant)} - {
    *("path_params", "query_params", "header_params", "body_params", "dependencies"),
    *("name", "call", "path", "scope", "request_param_name", "use_cache"),
    *("own_oauth_scopes", "parent_oauth_scopes"),
}
"""The fields of ``Dependant`` for declarations that the fast path does not support."""


class FastPath(RouteTable):
    """The table of all routes, which dispatches a request directly to its endpoint."""

    @cached_property
    def _apps(self) -> dict[tuple[str, str], ASGIApp]:
        """The ASGI app for each template and method whose declarations are all supported."""
        apps: dict[tuple[str, str], ASGIApp] = {}
        for target in self.targets:
            for method, route in target.routes.items():
                own = route.original_route
                if isinstance(own, ContractRoute) and (handler := handler_of(route)):
                    apps[target.template, method] = request_response(own.by_contract(handler))
        return apps

    def _lead(self, scope: Scope, target: Target, match: re.Match[str]) -> tuple[Match, Scope]:
        """Match a request whose route is supported, unless a test overrides dependencies."""
        app = self._apps.get((target.template, scope["method"]))
        if app is None or scope["app"].dependency_overrides:
            return Match.NONE, {}
        first = match.lastindex or 0
        values = match.groups()[first : first + len(target.parameters)]
        return Match.FULL, {
            APP: app,
            "path_params": dict(zip(target.parameters, values, strict=True)),
        }


def handler_of(route: APIRoute | RouteContext) -> Handler | None:
    """Return the handler of a route; None if one of its declarations is not supported.

    The handler raises ``RequestValidationError``. If there is a body, it takes a ``JSONRequest``.
    """
    dependant: Dependant = route.dependant
    # With several body parameters, or an embedded one, FastAPI makes another field of them.
    body = [] if route.body_field is None else [route.body_field]
    if dependant.body_params != body or not _is_known(dependant):
        return None
    assert dependant.call
    returned = inspect.signature(dependant.call).return_annotation
    empty = returned is None and route.status_code == HTTPStatus.NO_CONTENT
    if not empty and not (isinstance(returned, type) and issubclass(returned, Response)):
        return None
    endpoint, call = dependant.call, _Call(dependant)

    async def handle(request: Request) -> Response:
        errors: Errors = []
        arguments = await call.arguments(request, {}, errors)
        if errors:
            raise RequestValidationError(errors)
        response: Response | None = await endpoint(**arguments)
        return Response(status_code=HTTPStatus.NO_CONTENT) if response is None else response

    return handle


def _is_known(dependant: Dependant) -> bool:
    return (
        not any(getattr(dependant, name) for name in _OTHERS)
        and dependant.use_cache
        and _is_asynchronous(dependant.call)
        and all(map(_has_one_value, [*dependant.query_params, *dependant.header_params]))
        and all(map(_is_known, dependant.dependencies))
    )


def _is_asynchronous(call: object) -> bool:
    """Return whether a dependency is a coroutine function, or a security scheme."""
    return inspect.iscoroutinefunction(call) or (
        isinstance(call, SecurityBase) and inspect.iscoroutinefunction(type(call).__call__)
    )


def _has_one_value(field: ModelField) -> bool:
    """Return whether a parameter is a single value, or a query model of such values."""
    kind = field.field_info.annotation
    if is_model(kind):
        assert isinstance(field.field_info, params.Param)
        kinds = [one.annotation for one in kind.model_fields.values()]
        return field.field_info.in_ == params.ParamTypes.query and not any(map(is_list, kinds))
    return not field_annotation_is_sequence(kind)


class _Call:
    """Reads the arguments of an endpoint, or of a dependency, from a request."""

    def __init__(self, dependant: Dependant) -> None:
        assert dependant.call
        self._function = dependant.call
        self._dependencies = [
            (needed.name, _Call(needed))
            for needed in dependant.dependencies
            # What only declares does nothing here: `ContractRoute` has found the caller.
            if needed.name is not None or not only_declares(needed.call)
        ]
        self._parameters = [
            *(_Parameter(field, "path", "path_params") for field in dependant.path_params),
            *(_Parameter(field, "query", "query_params") for field in dependant.query_params),
            *(_Parameter(field, "header", "headers") for field in dependant.header_params),
            *(_Parameter(field, "body", "parsed") for field in dependant.body_params),
        ]
        self._request_name = dependant.request_param_name

    async def arguments(
        self, request: Request, results: dict[object, Any], errors: Errors
    ) -> dict[str, Any]:
        """Return the arguments; append validation errors to ``errors``."""
        arguments: dict[str, Any] = {}
        for name, needed in self._dependencies:
            result = await needed._result(request, results, errors)
            if name is not None:
                arguments[name] = result
        for parameter in self._parameters:
            arguments[parameter.name] = parameter.read(request, errors)
        if self._request_name is not None:
            arguments[self._request_name] = request
        return arguments

    async def _result(self, request: Request, results: dict[object, Any], errors: Errors) -> Any:
        """Call the function once per request; return its result, or None if arguments are wrong."""
        if self._function in results:
            return results[self._function]
        before = len(errors)
        arguments = await self.arguments(request, results, errors)
        if len(errors) > before:
            return None
        result = results[self._function] = await self._function(**arguments)
        return result


class _Parameter:
    """One argument, read from the path, query, headers or body.

    It is one value of that place, or the whole place: a body, or a query that is a model.
    """

    def __init__(self, field: ModelField, place: str, attribute: str) -> None:
        self.name = field.name
        self._field = field
        self._alias = field.validation_alias or field.alias
        is_query_model = place == "query" and is_model(field.field_info.annotation)
        self._is_whole = place == "body" or is_query_model
        self._location = (place,) if self._is_whole else (place, self._alias)
        self._attribute = attribute

    def read(self, request: Request, errors: Errors) -> Any:
        """Return the value or its default; append validation errors to ``errors``."""
        value = getattr(request, self._attribute)
        if not self._is_whole:
            value = value.get(self._alias, NOTHING)
        if value is NOTHING:
            if not self._field.field_info.is_required():
                return self._field.get_default()
            errors.append(get_missing_field_error(self._location))
            return None
        value, problems = self._field.validate(value, loc=self._location)
        errors += problems
        return value
