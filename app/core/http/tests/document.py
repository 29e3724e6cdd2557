"""Checks raw responses, as the database built them, against the OpenAPI document."""

import re
from functools import cache
from typing import Any

import httpx
from fastapi import FastAPI
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.protocols import Validator

PROBLEM = "application/problem+json"
TEXTS = {"text/csv", "text/calendar"}
"""The media types of responses that have no schema."""

formats = FormatChecker()


@formats.checks("date-time")
def _is_our_time(text: object) -> bool:
    """Return whether a time is UTC with ``Z`` and six digits, as every response has it."""
    return not isinstance(text, str) or bool(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
    )


class Document:
    """The OpenAPI document of an app, which checks responses."""

    def __init__(self, app: FastAPI) -> None:
        self.content: dict[str, Any] = app.openapi()
        self.answered: set[tuple[str, str]] = set()
        """The operation ID and status code of each response that was checked."""
        self._paths = {
            template: re.compile(re.sub(r"\{\w+\}", "[^/]+", template) + r"\Z")
            for template in sorted(self.content["paths"], key=lambda path: path.count("{"))
        }

    async def check(self, response: httpx.Response) -> None:
        """Assert that the document describes this response."""
        await response.aread()
        operation = self._operation(response.request)
        if operation is None:
            if response.status_code >= 400:
                assert response.headers["content-type"] == PROBLEM
                self._validate("#/components/schemas/Problem", response)
            return
        status = str(response.status_code)
        documented = operation["responses"]
        assert status in documented, f"{operation['operationId']} does not document {status}"
        self.answered.add((operation["operationId"], status))
        content = documented[status].get("content")
        if content is None:
            assert response.content == b""
            return
        ((media_type, described),) = content.items()
        assert response.headers["content-type"].removesuffix("; charset=utf-8") == media_type
        if media_type not in TEXTS:
            self._validate(described["schema"]["$ref"], response)
        if status == "201":
            created = response.request.url.join(response.headers["Location"])
            homes = (httpx.Request(method, created) for method in ("GET", "DELETE"))
            assert any(map(self._operation, homes)), "Location has neither GET nor DELETE"
            # What a parent has once is at the path of its POST.
            is_one = created.path == response.request.url.path
            assert is_one or created.path.endswith(f"/{response.json()['id']}")

    def operations(self) -> set[tuple[str, str]]:
        """Return the operation ID and status code of every documented response."""
        return {
            (operation["operationId"], status)
            for path in self.content["paths"].values()
            for operation in path.values()
            for status in operation["responses"]
        }

    def _operation(self, request: httpx.Request) -> dict[str, Any] | None:
        method = "get" if request.method == "HEAD" else request.method.lower()
        for template, pattern in self._paths.items():
            if pattern.match(request.url.path):  # those without parameters come first
                operation: dict[str, Any] | None = self.content["paths"][template].get(method)
                return operation
        return None

    def _validate(self, reference: str, response: httpx.Response) -> None:
        if response.request.method != "HEAD":
            self._validator(reference).validate(response.json())

    @cache  # noqa: B019 - a document lives as long as the tests
    def _validator(self, reference: str) -> Validator:
        # Clients may ignore unknown fields, but an undocumented field in a response is a leak.
        closed = {
            name: schema if "anyOf" in schema else {**schema, "additionalProperties": False}
            for name, schema in self.content["components"]["schemas"].items()
        }
        schema = {"$ref": reference, "components": {"schemas": closed}}
        return Draft202012Validator(schema, format_checker=formats)
