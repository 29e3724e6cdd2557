"""Links of the OpenAPI document: what can be done with a row that was just created."""

from collections.abc import Iterator
from typing import Any

Operation = dict[str, Any]


def add_links(schema: dict[str, Any]) -> dict[str, Any]:
    """Link each POST that creates a row to every operation with a parameter for its id.

    The name of that parameter stands in the path of the row: ``centre_id`` in
    ``/centres/{centre_id}``. That is the path of the POST and the id, or ends as it does:
    ``/trainings/{training_id}/bookings`` creates ``/bookings/{booking_id}``.
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
    """Name the parameter that stands alone behind a collection's path, or behind its end."""
    for path in paths:
        before, _, last = path.rpartition("/")
        prefix, _, name = before.rpartition("/")
        of_its_own = collection.startswith(prefix) and collection.endswith(f"/{name}")
        if last.startswith("{") and (before == collection or of_its_own):
            return last.strip("{}")
    return None


def _taking(parameter: str, paths: dict[str, dict[str, Operation]]) -> Iterator[Operation]:
    for operations in paths.values():
        for operation in operations.values():
            if any(one["name"] == parameter for one in operation.get("parameters", ())):
                yield operation
