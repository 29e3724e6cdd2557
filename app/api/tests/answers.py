"""Answers to hostile requests, and what may be wrong with them."""

import json
from collections import Counter
from typing import NamedTuple

from app.api.tests.hostile import INVENTED, MARK, Hostile
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
        del problem["instance"]  # the path that was asked for, whatever stands in it
        shown = json.dumps(problem)
    if not _may_repeat(request, status) and MARK in f"{answer.headers} {shown}".lower():
        return f"{status} repeats a value: {answer.headers} {shown[:300]}"
    return ""


def _may_repeat(request: Hostile, status: int) -> bool:
    """Tell whether a success shows what was in the query or the body: a next link, a new row."""
    query = request.target.partition("?")[2]
    return status < 400 and (MARK in query or MARK.encode() in request.body)


def created(request: Hostile, answer: Answer) -> Counter[str]:
    """Count what a request has created, by collection."""
    counts: Counter[str] = Counter()
    if answer.status == 201:
        path = request.target.partition("/api/v1/")[2]
        counts[path] += 1
    elif answer.status == 200 and request.target == f"{API}/athletes/import":
        report = json.loads(answer.body)
        counts["athletes"] += report["created"]
        counts["categories"] += report["new_categories"]
        counts["centres"] += report["new_centres"]
    return counts
