"""The OpenAPI document: the responses of endpoints, problem documents, and links between them."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from sqlmodel import SQLModel

from app.core.db.schema import is_referred_to, unique_columns
from app.core.errors import (
    PROBLEM_MEDIA_TYPE,
    AlreadyTaken,
    BodyTimeout,
    ContentTooLarge,
    DomainError,
    Forbidden,
    InsufficientScope,
    Invalid,
    InvalidToken,
    KeyInFlight,
    KeyReused,
    MalformedBody,
    MalformedRequest,
    NotFound,
    PreconditionFailed,
    ReferenceMissing,
    StillInUse,
    TooManyConflicts,
    TooManyKeys,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from app.core.http.problems import Problem
from app.core.resources.crud import CRUD

Responses = dict[int | str, dict[str, Any]]
Paths = dict[str, dict[str, dict[str, Any]]]

_PROBLEMS = "x-problems"
"""Key of the problem titles of one status code, until the document is complete.

Each title maps to the name of a table, or to an empty string. With a table, the problem is possible
only if other tables refer to it, which is not known before every feature is imported.
"""


def problems(*errors: type[DomainError], of: sa.Table | None = None) -> Responses:
    """Document the errors of an endpoint, by status code.

    ``of``: document them only if other tables have a foreign key to this one.
    """
    documented: Responses = {}
    for error in errors:
        response = documented.setdefault(error.type.status, {"model": Problem, _PROBLEMS: {}})
        response[_PROBLEMS][error.type.title] = "" if of is None else of.name
    return documented


def merged(*several: Responses) -> Responses:
    """Merge several sets of documented responses, by status code."""
    together: Responses = {}
    for responses in several:
        for status, response in responses.items():
            described = together.setdefault(status, {})
            both = {
                part: described.get(part, {}) | response.get(part, {})
                for part in ("headers", _PROBLEMS)
                if part in described or part in response
            }
            described |= response | both
    return together


def _with_headers(status: int, description: str, **headers: str) -> Responses:
    documented = {
        name.replace("_", "-"): {"description": text, "schema": {"type": "string"}}
        for name, text in headers.items()
    }
    return {status: {"description": description, "headers": documented}}


_TAG = "The row's version and a hash of this response, for `If-Match` and `If-None-Match`."
_BODY_TAG = "A hash of this response, for `If-None-Match`."
_OK = "Successful Response"
_NOT_MODIFIED = "Not modified: the client's copy is current."
_QUERIES = problems(MalformedRequest, Invalid, Unavailable)

READS = merged(_QUERIES, problems(NotFound))
GETS = merged(
    READS,
    _with_headers(200, _OK, ETag=_TAG),
    _with_headers(304, _NOT_MODIFIED, ETag=_TAG),
)
COMPUTES = merged(
    _QUERIES,
    _with_headers(200, _OK, ETag=_BODY_TAG),
    _with_headers(304, _NOT_MODIFIED, ETag=_BODY_TAG),
)
"""A `GET` of a list, or of anything else that is not one row."""
LISTS = merged(
    COMPUTES,
    _with_headers(200, _OK, Link='The next page, as `rel="next"`; absent on the last page.'),
)
COMPUTES_WITHIN = merged(COMPUTES, READS)
LISTS_WITHIN = merged(LISTS, READS)
TAKES_BODY = merged(
    _QUERIES, problems(MalformedBody, BodyTimeout, ContentTooLarge, UnsupportedMediaType)
)
LOOKS_UP = merged(TAKES_BODY, READS, _with_headers(200, _OK, ETag=_TAG))
ACTS = merged(READS, _with_headers(200, _OK, ETag=_TAG))
"""A `POST` without a body that changes the state of a row."""
ISSUES = merged(_QUERIES, _with_headers(201, _OK, Location="The relative URL of the new row."))
"""A `POST` without a body that makes a secret."""
IMPORTS = TAKES_BODY
EXPORTS = _QUERIES


def creates(crud: type[CRUD[Any, Any]], *more: type[DomainError]) -> Responses:
    """Document an endpoint that creates a row, with its own errors in ``more``."""
    created = _with_headers(
        201,
        _OK,
        ETag=_TAG,
        Location="The relative URL of the new row.",
        Idempotency_Replayed="`true` if an earlier request with this key got this response.",
    )
    keys = problems(KeyInFlight, KeyReused, TooManyKeys)
    taken, missing = _conflicts(crud)
    return merged(TAKES_BODY, created, taken, keys, missing, problems(*more))


def issues(*more: type[DomainError]) -> Responses:
    """Document an endpoint that makes a secret, which is never stored, with its own errors."""
    return merged(TAKES_BODY, ISSUES, problems(*more))


def updates(crud: type[CRUD[Any, Any]], *more: type[DomainError]) -> Responses:
    """Document an endpoint that changes a row, with its own errors in ``more``."""
    taken, missing = _conflicts(crud)
    return merged(LOOKS_UP, taken, missing, problems(*more), problems(PreconditionFailed))


def deletes(crud: type[CRUD[Any, Any]]) -> Responses:
    """Document an endpoint that deletes a row; ``StillInUse`` only if other tables refer to it."""
    still_in_use = problems(StillInUse, of=crud.queries.table)
    return merged(READS, still_in_use, problems(PreconditionFailed))


def _conflicts(crud: type[CRUD[Any, Any]]) -> tuple[Responses, Responses]:
    """Document the conflicts of a write: a taken unique value, and a missing reference."""
    table = crud.queries.table
    taken = problems(AlreadyTaken) if unique_columns(table) else {}
    missing = problems(ReferenceMissing) if table.foreign_keys else {}
    return taken, missing


def document(app: FastAPI) -> None:
    """Add to the app's document what holds for all endpoints, and the links between them."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            app.openapi_schema = _with_links(_completed(schema))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    """Add the problem documents, and the headers that the core itself reads and writes."""
    for path in schema["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            if security := operation.get("security"):
                _add_access_errors(responses, security)
                if AlreadyTaken.type.title in responses.get("409", {}).get(_PROBLEMS, ()):
                    _add(responses, TooManyConflicts)
            for status, response in list(responses.items()):
                if _PROBLEMS not in response:
                    continue
                titles = _titles(response.pop(_PROBLEMS))
                if not titles:
                    del responses[status]
                    continue
                (described,) = response["content"].values()
                responses[status] = {
                    "description": ", or ".join(titles),
                    "content": {PROBLEM_MEDIA_TYPE: described},
                }
            for status, headers in _HEADERS.items():
                if status in responses:
                    responses[status]["headers"] = headers
            parameters = operation.get("parameters", [])
            if "304" in responses:
                parameters.append(_IF_NONE_MATCH)
            if _REPLAYED in responses.get("201", {}).get("headers", {}):
                responses["409"]["headers"] = _RETRY_AFTER
                parameters.append(_IDEMPOTENCY_KEY)
            if parameters:
                operation["parameters"] = parameters
            operation["responses"] = dict(sorted(responses.items()))
    return schema


def _add_access_errors(responses: dict[str, Any], security: list[dict[str, list[str]]]) -> None:
    """Document the errors of a caller who is unknown, or may not use the endpoint."""
    errors: list[type[DomainError]] = [Unauthenticated, InvalidToken]
    if any(scopes for one in security for scopes in one.values()):
        errors += [Forbidden, InsufficientScope]
    _add(responses, *errors)


def _add(responses: dict[str, Any], *errors: type[DomainError]) -> None:
    for error in errors:
        response = responses.setdefault(
            str(error.type.status), {"content": {"application/json": _PROBLEM}, _PROBLEMS: {}}
        )
        response[_PROBLEMS][error.type.title] = ""


def _titles(problems: dict[str, str]) -> list[str]:
    """List the titles of the problems that are possible."""
    tables = SQLModel.metadata.tables
    return [title for title, of in problems.items() if not of or is_referred_to(tables[of])]


_REPLAYED = "Idempotency-Replayed"
_PROBLEM = {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait before a retry.",
        "schema": {"type": "integer"},
    }
}
_CHALLENGE = {
    "WWW-Authenticate": {
        "description": "`Bearer`, with `error` if a token came (RFC 6750).",
        "schema": {"type": "string"},
    }
}
_HEADERS = {"401": _CHALLENGE, "429": _RETRY_AFTER, "503": _RETRY_AFTER}
"""The headers of errors, by status code."""
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The `ETag` of the client's copy: 304 if that copy is current.",
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "description": "Makes retries of this request safe: it succeeds once per key, and a retry gets"
    " the same response. Keys are kept for at least 24 hours.",
}


def _with_links(schema: dict[str, Any]) -> dict[str, Any]:
    """Link each POST that creates a row to every operation with a parameter for its id.

    The path of the row has the name of that parameter: ``centre_id`` in ``/centres/{centre_id}``.
    The path of the row is the path of the POST and the id. It may also begin with the last segment
    of that path: ``/trainings/{training_id}/bookings`` creates ``/bookings/{booking_id}``. That
    segment may follow the name of its parent: ``/competitions/{competition_id}/events`` creates
    ``/competition-events/{event_id}``.
    """
    paths: Paths = schema["paths"]
    for collection, operations in paths.items():
        created = operations.get("post", {}).get("responses", {}).get("201")
        parameter = _parameter_after(collection, paths)
        if created is None or parameter is None:
            continue
        created["links"] = {
            operation["operationId"]: {
                "operationId": operation["operationId"],
                "parameters": {parameter: "$response.body#/id"},
            }
            for operation in _taking(parameter, paths)
        }
    return schema


def _parameter_after(collection: str, paths: Paths) -> str | None:
    """Name the parameter that follows a collection's path, or follows its last segment."""
    for path in paths:
        before, _, last = path.rpartition("/")
        prefix, _, name = before.rpartition("/")
        parent, _, child = name.partition("-")
        ends = f"/{name}", f"/{parent}s/{{{parent}_id}}/{child}"
        of_its_own = collection.startswith(prefix) and collection.endswith(ends)
        if last.startswith("{") and (before == collection or of_its_own):
            return last.strip("{}")
    return None


def _taking(parameter: str, paths: Paths) -> Iterator[dict[str, Any]]:
    """Yield the operations that have a parameter of this name."""
    for operations in paths.values():
        for operation in operations.values():
            if any(one["name"] == parameter for one in operation.get("parameters", ())):
                yield operation
