"""The operations of the OpenAPI document."""

import json
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

NOBODY = "00000000-0000-0000-0000-000000000000"
"""An id that no row has."""

Document = dict[str, Any]
Schema = dict[str, Any]


class Operation:
    """A method of a path, as the document describes it."""

    def __init__(self, document: Document, path: str, method: str) -> None:
        self._document = document
        self.path = path
        self.method = method.upper()
        self.described: dict[str, Any] = document["paths"][path][method]
        self.id: str = self.described["operationId"]
        self.path_parameters: list[str] = re.findall(r"{(\w+)}", path)
        self.answers = frozenset(map(int, self.described["responses"]))
        self.creates = "Idempotency-Key" in self.headers
        """Whether it is a POST that creates a row."""
        self.issues = 201 in self.answers and not self.creates
        """Whether it is a POST that creates a row with a secret, such as a token."""
        self.ends = self.method == "DELETE" or (self.method == "POST" and 204 in self.answers)
        """Whether it ends a row, which other requests need."""
        self.is_public = not self.described.get("security")

    @property
    def target(self) -> str:
        """The path, with placeholders of rows that exist, and the query that it needs."""
        return self.asking("")

    @property
    def nowhere(self) -> str:
        """The same, with ids that no row has."""
        return re.sub(r"{\w+}", NOBODY, self.path) + re.sub("<.*?>", NOBODY, self.needed(""))

    def asking(self, query: str) -> str:
        """Return the path, with placeholders of rows that exist, with a query."""
        return at_things(self.path) + self.needed(query)

    def needed(self, query: str) -> str:
        """Return a query with the required parameters that it lacks, after ``?``."""
        given = {part.partition("=")[0] for part in query.split("&")}
        lacking = [
            f"{one['name']}={_needed_value(one['name'], one['schema'])}"
            for one in self.described.get("parameters", [])
            if one["in"] == "query" and one["required"] and one["name"] not in given
        ]
        parts = "&".join([*lacking, *filter(None, [query])])
        return f"?{parts}" if parts else ""

    @cached_property
    def query(self) -> dict[str, Schema]:
        """The schema of each query parameter."""
        return {
            one["name"]: one["schema"]
            for one in self.described.get("parameters", [])
            if one["in"] == "query"
        }

    @cached_property
    def headers(self) -> set[str]:
        """The names of its header parameters."""
        return {
            one["name"] for one in self.described.get("parameters", []) if one["in"] == "header"
        }

    @property
    def takes(self) -> str | None:
        """The media type of its request body, or None if it has none."""
        content = self.described.get("requestBody", {}).get("content", {})
        return next(iter(content), None)

    @cached_property
    def body(self) -> Schema | None:
        """The schema of its request body, if that is JSON."""
        if self.takes != "application/json":
            return None
        content = self.described["requestBody"]["content"]
        return self._resolved(content["application/json"]["schema"])

    @cached_property
    def fields(self) -> dict[str, Schema]:
        """The schema of each field of its request body, if that is JSON."""
        fields: dict[str, Schema] = (self.body or {}).get("properties", {})
        return fields

    @property
    def example(self) -> str | None:
        """The example of its request body, or None if it has none."""
        if self.takes is None:
            return None
        if self.body is None:
            return str(self.described["requestBody"]["content"][self.takes]["example"])
        return json.dumps(self.body["examples"][0], default=float)

    @property
    def links(self) -> dict[str, Any]:
        """The links of its responses, by the ID of the target operation."""
        return {
            target: link
            for response in self.described["responses"].values()
            for target, link in response.get("links", {}).items()
        }

    @property
    def lists(self) -> str | None:
        """The name of the row's schema, if its response is a page."""
        if self.method != "GET" or not self.query.keys() >= {"limit", "sort"}:
            return None
        content = self.described["responses"]["200"]["content"]["application/json"]
        name: str = content["schema"]["$ref"].rpartition("/")[2]
        return name.removesuffix("Page")

    @property
    def answered_fields(self) -> set[str]:
        """The names of all fields of its successful response, including nested fields."""
        success = self.described["responses"][str(min(self.answers))]
        (described,) = success["content"].values()
        return set(self._names(self._resolved(described["schema"])))

    def _names(self, schema: Schema) -> Iterator[str]:
        for one in schema.get("anyOf", ()):
            yield from self._names(self._resolved(one))
        for name, field in schema.get("properties", {}).items():
            yield name
            yield from self._names(self._resolved(field))

    def _resolved(self, schema: Schema) -> Schema:
        """Follow a ``$ref``."""
        if "$ref" not in schema:
            return schema
        name = schema["$ref"].rpartition("/")[2]
        found: Schema = self._document["components"]["schemas"][name]
        return found


def operations(document: Document) -> Iterator[Operation]:
    """Yield every operation of a document."""
    for path, described in document["paths"].items():
        for method in described:
            yield Operation(document, path, method)


def collections(document: Document) -> Iterator[Operation]:
    """Yield the list operation of each path at which rows are created."""
    creating = {operation.path for operation in operations(document) if operation.creates}
    for operation in operations(document):
        if operation.lists and operation.path in creating:
            yield operation


def at_things(path: str) -> str:
    """Replace the parameters of a documented path with placeholders of things."""
    return re.sub(r"{(\w+)_id}", r"<\1>", path)


def placeholder(name: str) -> str:
    """Return the placeholder for a parameter or field with an id or ids: ``<centre>``."""
    return f"<{name.removesuffix('s').removesuffix('_id')}>"


def kind_of(schema: Schema) -> str:
    """Return the kind of a value: ``enum``, ``array``, ``text``, its type, or its format."""
    schema = not_null(schema)
    if "enum" in schema:
        return "enum"
    if schema.get("type") == "string":
        return str(schema.get("format", "text"))
    return str(schema.get("type", "unknown"))


def _needed_value(name: str, schema: Schema) -> str:
    """Return a value of a required query parameter: the placeholder of a row if it is an id."""
    return placeholder(name) if kind_of(schema) == "uuid" else usual_value(schema, name)


def usual_value(schema: Schema, text: str) -> str:
    """Return a valid value of a query parameter; ``text`` if it accepts any text."""
    kind = kind_of(schema)
    if kind == "enum":
        return str(schema["enum"][0])
    usual = {
        "integer": "1",
        "boolean": "true",
        "uuid": NOBODY,
        "date": "2026-12-01",
        "date-time": "2100-01-01T18:00:00Z",
        "week": "2026-W49",
        "idn-email": "x@example.com",
    }
    return usual.get(kind, text)


def not_null(schema: Schema) -> Schema:
    """Return the schema of the values that are not null."""
    some: list[Schema] = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    return some[0]


def is_nullable(schema: Schema) -> bool:
    """Return whether a schema allows null."""
    return {"type": "null"} in schema.get("anyOf", [])
