"""Routes that hold requests to the contract, and the answers that are ready-made JSON."""

from collections import Counter
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.responses import Response

from app.core.errors import FieldError, Invalid
from app.core.http.etags import is_known, tag_of
from app.core.http.fast_path import handler_of, is_model
from app.core.http.idempotency import answered_once, key_of
from app.core.http.json_bodies import JSONRequest
from app.core.resources.crud import Resource
from app.core.resources.paging import PageOfJSON


class ContractRoute(APIRoute):
    """A route that refuses what FastAPI would let through, and creates once for each key.

    Refused are query parameters that are unknown or repeated, and bodies that are too long, are not
    declared JSON, or are JSON only to Python.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap our handler of the route, or FastAPI's where ours does not know enough."""
        by_fastapi = super().get_route_handler()
        by_us = handler_of(self) or by_fastapi

        def handle(request: Request) -> Coroutine[Any, Any, Response]:
            return (by_fastapi if request.app.dependency_overrides else by_us)(request)

        known = _query_parameters(self.dependant)
        takes_body = self.body_field is not None
        creates = takes_body and self.status_code == HTTPStatus.CREATED

        async def handle_by_contract(request: Request) -> Response:
            if request.scope["query_string"]:
                _check_query(request, known)
            if takes_body:
                request = JSONRequest(request.scope, request.receive)
                await request.parse()
            if creates and (key := key_of(request)):
                return await answered_once(key, request, request.app.state.database, handle)
            return await handle(request)

        return handle_by_contract


def found_response(request: Request, resource: Resource) -> Response:
    """Answer a GET with one resource, unless the client has it already as it is."""
    response = resource_response(resource)
    tag = response.headers["ETag"]
    if is_known(tag, request):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
    return response


def resource_response(
    resource: Resource, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> Response:
    """Answer with one resource and its entity tag."""
    body = resource.body.encode()
    tag = {"ETag": tag_of(resource.version, body)}
    return json_response(body, status, {**tag, **(headers or {})})


def created_response(
    request: Request, resource: Resource, collection: str | None = None
) -> Response:
    """Answer a POST to a collection with the resource that it created.

    It is in the collection of that path, or in another one of the API, such as ``bookings``.
    """
    path = request.scope["path"]
    if collection is not None:
        path = f"{request.app.state.settings.api_v1_prefix}/{collection}"
    location = f"{path}/{resource.id}"
    return resource_response(resource, HTTPStatus.CREATED, {"Location": location})


def page_response(request: Request, page: PageOfJSON) -> Response:
    """Answer with one page of a list, and a link to the next one."""
    headers: dict[str, str] = {}
    following = "null"
    if page.cursor is not None:
        again = [
            (name, value)
            for name, value in request.query_params.multi_items()
            if name not in {"cursor", "offset"}
        ]
        query = urlencode(again) + "&" * bool(again) + f"cursor={page.cursor}"
        url = f"{quote(request.scope['path'])}?{query}"
        headers["Link"] = f'<{url}>; rel="next"'
        following = f'"{url}"'
    total = "null" if page.total is None else page.total
    return json_response(
        f'{{"items": {page.items}, "next": {following}, "total": {total}}}', headers=headers
    )


def json_response(
    body: str | bytes, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> Response:
    """Answer with JSON that is ready-made."""
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def _query_parameters(dependant: Dependant) -> frozenset[str]:
    """Name the query parameters of a route, those of its dependencies and models among them."""
    names: set[str] = set()
    for parameter in dependant.query_params:
        model = parameter.field_info.annotation
        if is_model(model):
            names |= {field.alias or name for name, field in model.model_fields.items()}
        else:
            names.add(parameter.alias)
    return frozenset(names.union(*map(_query_parameters, dependant.dependencies)))


def _check_query(request: Request, known: frozenset[str]) -> None:
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
