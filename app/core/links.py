"""Links of the OpenAPI document: what can be done with a row that was just created."""

from collections.abc import Iterator
from typing import Any

Operation = dict[str, Any]


def add_links(schema: dict[str, Any]) -> dict[str, Any]:
    """Link each POST that creates a row to every operation with a parameter for its id.

    The name of that parameter stands in the path of the row: ``centre_id`` in
    ``/centres/{centre_id}``.
    """
    paths: dict[str, dict[str, Operation]] = schema["paths"]
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


def _parameter_after(collection: str, paths: dict[str, dict[str, Operation]]) -> str | None:
    """Name the parameter that stands alone behind a collection's path."""
    for path in paths:
        before, _, last = path.rpartition("/")
        if before == collection and last.startswith("{"):
            return last.strip("{}")
    return None


def _taking(parameter: str, paths: dict[str, dict[str, Operation]]) -> Iterator[Operation]:
    for operations in paths.values():
        for operation in operations.values():
            if any(one["name"] == parameter for one in operation.get("parameters", ())):
                yield operation
