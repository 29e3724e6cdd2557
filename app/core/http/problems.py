"""Problem documents (RFC 9457): the one shape of every answer with a status of 400 or more."""

from collections.abc import Sequence
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
    problem_types,
)

_MOST_ERRORS = 50

_OWN_WORDS = {
    "missing": "This field is required.",
    "extra_forbidden": "There is no such field.",
    "model_attributes_type": "Input should be an object.",
}
"""Where Pydantic's message repeats a part of the input, or could be plainer."""


def _catalogue(schema: dict[str, Any]) -> None:
    """Document every problem type, those of features too: when asked, all are imported."""
    schema["enum"] = [problem.uri for problem in problem_types()]


class Problem(BaseModel):
    """Why a request was refused."""

    type: str = Field(
        description="What kind of problem this is.",
        json_schema_extra=_catalogue,
        examples=[AlreadyTaken.type.uri],
    )
    title: str = Field(description="The kind, in words.", examples=["Already taken"])
    status: int = Field(description="The HTTP status, again.", examples=[409])
    detail: str = Field(
        description="What is wrong with this request.", examples=["This name is already taken."]
    )
    instance: str = Field(
        description="The path that was asked for.", examples=["/api/v1/categories"]
    )
    request_id: str = Field(
        description="The request in the logs; also the header `X-Request-ID`.",
        examples=["019aa8a53f0c7c4e9d0f6f2d1c7a5b10"],
    )
    errors: list[FieldError] = Field(
        description="What is wrong with each field; empty if no field is to blame.",
        max_length=_MOST_ERRORS,
    )


def problem_response(
    request: Request, error: DomainError, headers: dict[str, str] | None = None
) -> Response:
    """Answer a request with the problem document of an error."""
    problem = error.type
    body = Problem(
        type=problem.uri,
        title=problem.title,
        status=problem.status,
        detail=error.detail,
        instance=request.scope["path"],
        request_id=request.state.request_id,
        errors=error.errors[:_MOST_ERRORS],
    )
    if error.retry_after:
        headers = {"Retry-After": str(error.retry_after), **(headers or {})}
    return Response(
        body.model_dump_json(),
        status_code=problem.status,
        headers=headers,
        media_type=PROBLEM_MEDIA_TYPE,
    )


def handle_errors(app: FastAPI) -> None:
    """Make problem documents of the errors that endpoints and the framework raise."""
    app.add_exception_handler(DomainError, _domain_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)


async def _domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)
    return problem_response(request, error)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        FieldError(
            pointer=_pointer(problem["loc"]),
            code=problem["type"],
            detail=_OWN_WORDS.get(problem["type"], f"{problem['msg']}."),
        )
        for problem in error.errors()
        # That of the other branch, where a parameter may be absent.
        if problem["type"] != "none_required"
    ]
    return problem_response(request, Invalid("The request is not valid; see the errors.", errors))


async def _http_exception(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses by itself: no such route, or not with that method."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem_response(request, NotFound("There is nothing at this path."))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        methods = (error.headers or {}).get("Allow", "").split(", ")
        allow = {"Allow": ", ".join(sorted({"OPTIONS", *methods}))}
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=allow)
        not_allowed = MethodNotAllowed("This path has other methods: see the header Allow.")
        return problem_response(request, not_allowed, allow)
    raise error


def _pointer(location: Sequence[str | int]) -> str:
    """Write where an error is: a JSON Pointer into the body, ``?query`` or ``{path}``."""
    place, *steps = location
    if place == "query":
        pointer = f"?{steps[0]}"
    elif place == "path":
        pointer = f"{{{steps[0]}}}"
    else:
        escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
        pointer = "".join(f"/{step}" for step in escaped)
    return pointer
