"""Checks of the responses to hostile requests."""

import json
from collections import Counter
from typing import Any, NamedTuple

from app.api.tests.hostile.features import every_feature
from app.api.tests.hostile.requests import INVENTED, MARK, Hostile
from app.conftest import API
from app.core.http.problems import Problem
from app.core.http.tests.document import PROBLEM


class Answer(NamedTuple):
    """A response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """Return the first header of a lower-case name, or an empty string."""
        return next((value for key, value in self.headers if key.lower() == name), "")


def complaint(request: Hostile, answer: Answer, *, by_server: bool = False) -> str:
    """Return what is wrong with a response, or an empty string.

    ``by_server``: the server itself may have rejected an invented method.
    """
    status, body = answer.status, answer.body
    answers = request.answers | ({400} if by_server and request.method == INVENTED else set())
    if status not in answers:
        return f"{status}, not {sorted(answers)}: {body[:300]!r}"
    shown = body.decode()
    if status >= 400 and request.method != "HEAD":
        if answer.header("content-type") != PROBLEM:
            return f"{status} is not a problem document: {shown[:300]}"
        problem = json.loads(body)
        if problem.keys() != Problem.model_fields.keys() or problem["status"] != status:
            return f"{status} has other members than a problem document: {shown[:300]}"
        if status == 422 and not _points_at(request.breaks, problem):
            return f"{status} does not point at {request.breaks}: {shown[:300]}"
        del problem["instance"]  # repeats the path of the request, with any values in it
        shown = json.dumps(problem)
    if not _may_repeat(request, status) and MARK in f"{answer.headers} {shown}".lower():
        return f"{status} repeats a value: {answer.headers} {shown[:300]}"
    return ""


def _points_at(broken: str, problem: dict[str, Any]) -> bool:
    """Return whether an error points at the wrong field, or at an item of it."""
    pointers = [error["pointer"] for error in problem["errors"]]
    return not broken or any(f"{pointer}/".startswith(f"{broken}/") for pointer in pointers)


def _may_repeat(request: Hostile, status: int) -> bool:
    """Return whether a success may repeat the query (in a next link) or the body (a new row)."""
    query = request.target.partition("?")[2]
    return status < 400 and (MARK in query or MARK.encode() in request.body)


def created(request: Hostile, answer: Answer) -> Counter[str]:
    """Count the rows that a request created, by collection."""
    counts: Counter[str] = Counter()
    path = request.target.partition(f"{API}/")[2]
    if answer.status == 201:
        counts[path] += 1
    if request.method == "POST" and answer.status in {200, 201}:
        for feature in every_feature():
            for collection, field in feature.reports.get(path, {}).items():
                counts[collection] += json.loads(answer.body)[field]
    return counts
