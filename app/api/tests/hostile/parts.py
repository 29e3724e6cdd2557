"""All hostile requests, by the part of the service that they attack."""

from collections.abc import Callable, Iterator
from functools import partial

from app.api.tests.features import packages
from app.api.tests.hostile.bodies import bodies
from app.api.tests.hostile.features import declared
from app.api.tests.hostile.fields import fields
from app.api.tests.hostile.headers import headers
from app.api.tests.hostile.paths import ids, methods, paths
from app.api.tests.hostile.queries import queries
from app.api.tests.hostile.requests import Hostile
from app.api.tests.operations import Document


def _own(package: str, document: Document) -> Iterator[Hostile]:
    yield from declared(package).requests()


PARTS: dict[str, Callable[[Document], Iterator[Hostile]]] = {
    "methods": methods,
    "paths": paths,
    "ids": ids,
    "queries": queries,
    "headers": headers,
    "bodies": bodies,
    "fields": fields,
    **{f"feature-{package.split('.')[-1]}": partial(_own, package) for package in packages()},
}
"""Functions from an OpenAPI document to hostile requests; those of features come last."""
