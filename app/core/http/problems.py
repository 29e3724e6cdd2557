"""Problem documents (RFC 9457): the body of every error response of the app."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.core.errors import (
    PROBLEM_MEDIA_TYPE,
    AlreadyTaken,
    DomainError,
    FieldError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    PreconditionFailed,
    problem_types,
)
from app.core.http.etags import has_weak_tag
from app.core.http.urls import asked_path

_MOST_ERRORS = 50

_OWN_WORDS = {
    "missing": "This field is required.",
    "extra_forbidden": "There is no such field.",
    "model_attributes_type": "Input should be an object.",
}
"""Details by error type, where Pydantic's message repeats the input or is hard to read."""

_LOST_PLUS = re.compile("[0-9-]{10}[Tt][0-9:.]{5,40} [0-9]{2}:?[0-9]{2}")
"""A time in a query whose offset had a ``+``, which means a space in a URL."""


def _catalogue(schema: dict[str, Any]) -> None:
    """List every problem type, also those of features: all are imported when this runs."""
    schema["enum"] = [problem.uri for problem in problem_types()]


class Problem(BaseModel):
    """Why a request failed (RFC 9457)."""

    type: str = Field(
        description="The problem type.",
        json_schema_extra=_catalogue,
        examples=[AlreadyTaken.type.uri],
    )
    title: str = Field(description="The problem type in words.", examples=["Already taken"])
    status: int = Field(description="The HTTP status code.", examples=[409])
    detail: str = Field(
        description="What is wrong with this request.", examples=["This name is already taken."]
    )
    instance: str = Field(
        description="The path of the request, as a URI reference.",
        examples=["/api/v1/categories"],
    )
    request_id: str = Field(
        description="The request ID, as in the logs and the header `X-Request-ID`.",
        examples=["019aa8a53f0c7c4e9d0f6f2d1c7a5b10"],
    )
    errors: list[FieldError] = Field(
        description="What is wrong with each field; empty if the problem concerns no field.",
        max_length=_MOST_ERRORS,
    )


def problem_response(
    request: Request, error: DomainError, headers: dict[str, str] | None = None
) -> Response:
    """Return the response with the problem document of an error."""
    problem = error.type
    body = Problem(
        type=problem.uri,
        title=problem.title,
        status=problem.status,
        detail=error.detail,
        instance=asked_path(request.scope),
        request_id=request.state.request_id,
        errors=error.errors[:_MOST_ERRORS],
    )
    headers = {**error.headers, **(headers or {})}
    if error.retry_after:
        headers["Retry-After"] = str(error.retry_after)
    return Response(
        body.model_dump_json(),
        status_code=problem.status,
        headers=headers,
        media_type=PROBLEM_MEDIA_TYPE,
    )


def handle_errors(app: FastAPI) -> None:
    """Turn the errors that endpoints and the framework raise into problem documents."""
    app.add_exception_handler(DomainError, _domain_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)


async def _domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)
    if isinstance(error, PreconditionFailed) and has_weak_tag(request):
        error = PreconditionFailed(
            'If-Match has a weak ETag (W/"..."), which never matches. A proxy that compresses makes'
            " ETags weak: read the resource again with Accept-Encoding: identity, or configure the"
            " proxy (docs/operations.md)."
        )
    return problem_response(request, error)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        FieldError(
            pointer=_pointer(problem["loc"]),
            code=problem["type"],
            detail=_detail(problem),
        )
        for problem in error.errors()
        # An optional parameter may also be None, and Pydantic reports that branch too.
        if problem["type"] != "none_required"
    ]
    return problem_response(request, Invalid("The request is not valid; see the errors.", errors))


async def _http_exception(request: Request, error: Exception) -> Response:
    """Handle what the framework rejects by itself: an unknown path, or an unsupported method."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem_response(request, NotFound("There is nothing at this path."))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        methods = (error.headers or {}).get("Allow", "").split(", ")
        allow = {"Allow": ", ".join(sorted({"OPTIONS", *methods}))}
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=allow)
        not_allowed = MethodNotAllowed(
            "This path does not support this method: see the Allow header."
        )
        return problem_response(request, not_allowed, allow)
    raise error


def _detail(problem: Mapping[str, Any]) -> str:
    """Return the detail of an error that Pydantic reports."""
    detail = _OWN_WORDS.get(problem["type"], f"{problem['msg']}.")
    value = problem["input"]
    if problem["loc"][0] == "query" and isinstance(value, str) and _LOST_PLUS.fullmatch(value):
        detail += " In a URL, + means a space: write it as %2B."
    return detail


def _pointer(location: Sequence[str | int]) -> str:
    """Return where an error is: a JSON Pointer into the body, ``?query`` or ``{path}``."""
    place, *steps = location
    if place == "query":
        pointer = f"?{steps[0]}"
    elif place == "path":
        pointer = f"{{{steps[0]}}}"
    else:
        escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
        pointer = "".join(f"/{step}" for step in escaped)
    return pointer
