"""The OpenAPI document: what endpoints can answer, and how errors look."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.core.errors import PROBLEM_MEDIA_TYPE, ProblemType
from app.core.http.links import add_links
from app.core.http.problems import Problem

Responses = dict[int | str, dict[str, Any]]


def refusals(*problems: ProblemType) -> Responses:
    """Document the problems that an endpoint can answer with, by status."""
    documented: Responses = {}
    for problem in problems:
        response = documented.setdefault(problem.status, {"model": Problem, "description": ""})
        described = filter(None, [response["description"], problem.title])
        response["description"] = ", or ".join(described)
    return documented


def merged(*several: Responses) -> Responses:
    """Document the answers of each, those of one status together."""
    together: Responses = {}
    for responses in several:
        for status, response in responses.items():
            described = together.setdefault(status, {"description": ""})
            texts = filter(None, [described["description"], response["description"]])
            headers = described.get("headers", {}) | response.get("headers", {})
            described |= response | {"description": ", or ".join(dict.fromkeys(texts))}
            if headers:
                described["headers"] = headers
    return together


def _with_headers(status: int, description: str, **headers: str) -> Responses:
    documented = {
        name.replace("_", "-"): {"description": text, "schema": {"type": "string"}}
        for name, text in headers.items()
    }
    return {status: {"description": description, "headers": documented}}


_TAG = "Its version and a hash of this answer: for `If-Match` and `If-None-Match`."
_OK = "Successful Response"
_QUERIES = refusals(ProblemType.INVALID, ProblemType.UNAVAILABLE)

READS = merged(_QUERIES, refusals(ProblemType.NOT_FOUND))
GETS = merged(
    READS,
    _with_headers(200, _OK, ETag=_TAG),
    _with_headers(304, "It is as the client knows it.", ETag=_TAG),
)
LISTS = merged(
    _QUERIES,
    _with_headers(200, _OK, Link='The next page, as `rel="next"`; absent on the last one.'),
)
LISTS_WITHIN = merged(LISTS, READS)
TAKES_BODY = merged(
    _QUERIES,
    refusals(
        ProblemType.MALFORMED_BODY,
        ProblemType.BODY_TIMEOUT,
        ProblemType.CONTENT_TOO_LARGE,
        ProblemType.UNSUPPORTED_MEDIA_TYPE,
    ),
)
LOOKS_UP = merged(TAKES_BODY, READS, _with_headers(200, _OK, ETag=_TAG))
CREATES = merged(
    TAKES_BODY,
    _with_headers(
        201,
        _OK,
        ETag=_TAG,
        Location="Where it is.",
        Idempotency_Replayed="`true` if this is the answer to an earlier request with the key.",
    ),
    refusals(ProblemType.ALREADY_TAKEN, ProblemType.KEY_IN_FLIGHT, ProblemType.KEY_REUSED),
)
UPDATES = merged(LOOKS_UP, refusals(ProblemType.ALREADY_TAKEN, ProblemType.PRECONDITION_FAILED))
DELETES = merged(READS, refusals(ProblemType.STILL_IN_USE, ProblemType.PRECONDITION_FAILED))
ACTS = merged(READS, _with_headers(200, _OK, ETag=_TAG), refusals(ProblemType.WRONG_STATE))
"""A `POST` without a body that brings a row into another state."""
IMPORTS = TAKES_BODY
EXPORTS = _QUERIES
REFERS = refusals(ProblemType.REFERENCE_MISSING)
"""The conflict of a write that refers to other rows."""


def document(app: FastAPI) -> None:
    """Make the app's document say what holds for all endpoints, and where rows lead to."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            app.openapi_schema = add_links(_completed(schema))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    """Add that errors are problem documents, and the headers that the core itself reads."""
    for path in schema["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            for status, response in responses.items():
                if status >= "400":
                    (described,) = response["content"].values()
                    response["content"] = {PROBLEM_MEDIA_TYPE: described}
            if "503" in responses:
                responses["503"]["headers"] = _RETRY_AFTER
            parameters = operation.get("parameters", [])
            if "304" in responses:
                parameters.append(_IF_NONE_MATCH)
            if "201" in responses:
                responses["409"]["headers"] = _RETRY_AFTER
                parameters.append(_IDEMPOTENCY_KEY)
            if parameters:
                operation["parameters"] = parameters
    return schema


_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which the same request may do better.",
        "schema": {"type": "integer"},
    }
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The `ETag` of what the client has: 304 if that is still so.",
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "description": "Makes this request safe to repeat: with the same key it is done once, and the"
    " answer is the same. Kept for 24 hours at least.",
}
