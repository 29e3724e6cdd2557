"""Responses whose JSON the database built."""

from functools import lru_cache
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response

from app.core.http.etags import is_known, tag_of, tag_of_body
from app.core.http.urls import link_to, route_path
from app.core.resources.crud import Resource
from app.core.resources.paging import PageOfJSON

JSON = "application/json"


def found_response(request: Request, resource: Resource) -> Response:
    """Return the response to a GET of one resource: 304 if the client's copy is current."""
    return _unless_known(request, resource_response(resource))


def resource_response(
    resource: Resource, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> Response:
    """Return a response with one resource and its ETag."""
    body = resource.body.encode()
    tag = {"ETag": tag_of(resource.version, body)}
    return Response(body, status, {**tag, **(headers or {})}, JSON)


def created_response(
    request: Request, resource: Resource, collection: str | None = None
) -> Response:
    """Return the response to a POST that created a resource, with its ``Location``.

    The resource is below the path of the POST, or in ``collection`` of the API, if that is given.
    ``ContractRoute`` adds the prefix of a proxy.
    """
    path = route_path(request.scope)
    if collection is not None:
        path = f"{request.app.state.settings.api_v1_prefix}/{collection}"
    location = f"{path}/{resource.id}"
    return resource_response(resource, HTTPStatus.CREATED, {"Location": location})


def secret_response(
    request: Request, resource: Resource, collection: str, name: str, secret: str
) -> Response:
    """Return the response to a POST that made a secret: the resource, and the secret by its name.

    The resource is in ``collection`` of the API. The secret is URL-safe text.
    """
    prefix = request.app.state.settings.api_v1_prefix
    location = {"Location": f"{prefix}/{collection}/{resource.id}"}
    return Response(with_secret(resource, name, secret), HTTPStatus.CREATED, location, JSON)


def with_secret(resource: Resource, name: str, secret: str) -> bytes:
    """Return the JSON of a resource and of a secret by its name; the secret is URL-safe text."""
    return f'{resource.body.removesuffix("}")}, "{name}": "{secret}"}}'.encode()


def page_response(request: Request, page: PageOfJSON) -> Response:
    """Return a response with one page of a list, and a link to the next page."""
    following, headers = following_page(request, page.cursor)
    total = "null" if page.total is None else page.total
    body = f'{{"items": {page.items}, "next": {following}, "total": {total}}}'
    return computed_response(request, body, headers)


def following_page(request: Request, cursor: str | None) -> tuple[str, dict[str, str]]:
    """Return the JSON of the URL of the next page, and the headers of a page; null for the last."""
    if cursor is None:
        return "null", {}
    again = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in {"cursor", "offset"}
    ]
    query = urlencode(again) + "&" * bool(again) + f"cursor={cursor}"
    url = f"{link_to(request.scope, route_path(request.scope))}?{query}"
    return f'"{url}"', {"Link": f'<{url}>; rel="next"'}


def computed_response(
    request: Request, body: str, headers: dict[str, str] | None = None
) -> Response:
    """Return the response to a GET of JSON that is not one row: 304 if the client has it."""
    content = body.encode()
    tag = {"ETag": tag_of_body(content)}
    return _unless_known(
        request, Response(content, headers={**tag, **(headers or {})}, media_type=JSON)
    )


def shared_response(request: Request, body: str) -> Response:
    """Return the response to a GET of computed JSON that several requests share.

    It is encoded and hashed once for all of them.
    """
    content, tag = _tagged(body)
    return _unless_known(request, Response(content, headers={"ETag": tag}, media_type=JSON))


@lru_cache(maxsize=16)
def _tagged(body: str) -> tuple[bytes, str]:
    """Return the bytes of JSON, and their ETag; cached, as that costs more than finding them."""
    content = body.encode()
    return content, tag_of_body(content)


def not_modified(request: Request, tag: str) -> Response | None:
    """Return the 304 for a client whose copy has this ETag, or None."""
    if is_known(tag, request):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
    return None


def _unless_known(request: Request, response: Response) -> Response:
    return not_modified(request, response.headers["ETag"]) or response
