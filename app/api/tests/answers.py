"""Answers to hostile requests, and what may be wrong with them."""

import json
from collections import Counter
from typing import Any, NamedTuple

from app.api.tests.hostile.features import every_feature
from app.api.tests.hostile.requests import INVENTED, MARK, Hostile
from app.conftest import API
from app.core.http.problems import Problem
from app.core.http.tests.document import PROBLEM

NOT_HTTP = b"Invalid HTTP request received."
"""What the server itself answers with 400, before the app sees anything."""


class Answer(NamedTuple):
    """What a request is answered with."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """Return the first header of a name in lower case, or nothing."""
        return next((value for key, value in self.headers if key.lower() == name), "")


def complaint(request: Hostile, answer: Answer, *, by_server: bool = False) -> str:
    """Say what is wrong with an answer, if something is.

    ``by_server``: the server may have refused an invented method by itself.
    """
    status, body = answer.status, answer.body
    if by_server and request.method == INVENTED and (status, body) == (400, NOT_HTTP):
        return ""
    if status not in request.answers:
        return f"{status}, not {sorted(request.answers)}: {body[:300]!r}"
    shown = body.decode()
    if status >= 400 and request.method != "HEAD":
        if answer.header("content-type") != PROBLEM:
            return f"{status} is no problem document: {shown[:300]}"
        problem = json.loads(body)
        if problem.keys() != Problem.model_fields.keys() or problem["status"] != status:
            return f"{status} is not the whole problem document: {shown[:300]}"
        if status == 422 and not _points_at(request.breaks, problem):
            return f"{status} does not point at {request.breaks}: {shown[:300]}"
        del problem["instance"]  # the path that was asked for, whatever stands in it
        shown = json.dumps(problem)
    if not _may_repeat(request, status) and MARK in f"{answer.headers} {shown}".lower():
        return f"{status} repeats a value: {answer.headers} {shown[:300]}"
    return ""


def _points_at(broken: str, problem: dict[str, Any]) -> bool:
    """Tell whether a refusal names what is wrong, which may be within a list."""
    pointers = [error["pointer"] for error in problem["errors"]]
    return not broken or any(f"{pointer}/".startswith(f"{broken}/") for pointer in pointers)


def _may_repeat(request: Hostile, status: int) -> bool:
    """Tell whether a success shows what was in the query or the body: a next link, a new row."""
    query = request.target.partition("?")[2]
    return status < 400 and (MARK in query or MARK.encode() in request.body)


def created(request: Hostile, answer: Answer) -> Counter[str]:
    """Count what a request has created, by collection."""
    counts: Counter[str] = Counter()
    path = request.target.partition(f"{API}/")[2]
    if answer.status == 201:
        counts[path] += 1
    elif answer.status == 200:
        for feature in every_feature():
            for collection, field in feature.reports.get(path, {}).items():
                counts[collection] += json.loads(answer.body)[field]
    return counts
