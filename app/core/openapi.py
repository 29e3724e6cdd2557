"""The OpenAPI document: what endpoints can answer, and how errors look."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.core.errors import PROBLEM_MEDIA_TYPE, ProblemType
from app.core.links import add_links
from app.core.problems import Problem

Responses = dict[int | str, dict[str, Any]]


def refusals(*problems: ProblemType) -> Responses:
    """Document the problems that an endpoint can answer with, by status."""
    documented: Responses = {}
    for problem in problems:
        response = documented.setdefault(problem.status, {"model": Problem, "description": ""})
        described = filter(None, [response["description"], problem.title])
        response["description"] = ", or ".join(described)
    return documented


def _with_header(name: str, description: str) -> dict[str, Any]:
    return {"headers": {name: {"description": description, "schema": {"type": "string"}}}}


READS = refusals(ProblemType.NOT_FOUND, ProblemType.INVALID)
LISTS: Responses = {
    200: _with_header("Link", 'The next page, as `rel="next"`; absent on the last one.'),
    **refusals(ProblemType.INVALID),
}
LISTS_WITHIN: Responses = {**LISTS, **READS}
TAKES_BODY = refusals(
    ProblemType.MALFORMED_BODY, ProblemType.UNSUPPORTED_MEDIA_TYPE, ProblemType.INVALID
)
LOOKS_UP: Responses = {**TAKES_BODY, **READS}
CREATES: Responses = {
    201: _with_header("Location", "Where it is."),
    **TAKES_BODY,
    **refusals(ProblemType.ALREADY_TAKEN),
}
UPDATES: Responses = {**TAKES_BODY, **READS, **refusals(ProblemType.ALREADY_TAKEN)}
DELETES = refusals(ProblemType.NOT_FOUND, ProblemType.STILL_IN_USE, ProblemType.INVALID)
IMPORTS = {
    **TAKES_BODY,
    **refusals(ProblemType.CONTENT_TOO_LARGE, ProblemType.UNAVAILABLE),
}
EXPORTS = refusals(ProblemType.INVALID, ProblemType.UNAVAILABLE)
REFERS = refusals(ProblemType.ALREADY_TAKEN, ProblemType.REFERENCE_MISSING)
"""The conflicts of a write that refers to other rows."""


def document(app: FastAPI) -> None:
    """Make the app's document say that errors are problem documents, and where rows lead to."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            app.openapi_schema = add_links(_as_problems(schema))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _as_problems(schema: dict[str, Any]) -> dict[str, Any]:
    for path in schema["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    (described,) = response["content"].values()
                    response["content"] = {PROBLEM_MEDIA_TYPE: described}
    return schema
