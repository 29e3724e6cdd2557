"""The declarations of each feature for hostile requests, and the things of all features."""

import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter

from httpx import AsyncClient

from app.api.tests.features import owned, packages
from app.api.tests.hostile.requests import Feature, Thing, making
from app.conftest import API


@cache
def declared(package: str) -> Feature:
    """Return the declaration of a feature."""
    feature = owned(
        package,
        "hostile",
        "FEATURE",
        "a Feature of app.api.tests.hostile.requests, with a Thing for each {name_id} in its paths",
    )
    assert isinstance(feature, Feature)
    return feature


@cache
def things() -> tuple[Thing, ...]:
    """Return the things of all features, in an order in which they can be created."""
    by_feature = {package: declared(package).things for package in packages()}
    maker = {thing.placeholder: package for package, made in by_feature.items() for thing in made}
    order: TopologicalSorter[str] = TopologicalSorter()
    for package, made in by_feature.items():
        used = dict.fromkeys(name for thing in made for name in _placeholders_in(thing))
        makers = [maker[name] for name in used if name in maker]
        order.add(package, *(other for other in makers if other != package))
    return tuple(thing for package in order.static_order() for thing in by_feature[package])


async def create_things(client: AsyncClient) -> dict[str, str]:
    """Create the things of all features, and return their ids by their placeholders."""
    ids = known()
    for thing in things():
        request = making(thing, ids)
        headers = {name: str(value) for name, value in request.headers}
        made = await client.request(
            thing.method, request.target, content=request.body, headers=headers
        )
        assert made.is_success, f"{thing} is refused: {made.text}"
        ids[thing.placeholder] = made.json()["id"]
    return ids


def known() -> dict[str, str]:
    """Return the ids of the rows that exist in each database, by placeholder."""
    return {name: row_id for feature in every_feature() for name, row_id in feature.known.items()}


@cache
def placeholders() -> frozenset[str]:
    """Return the placeholders of all things."""
    return frozenset([*known(), *(thing.placeholder for thing in things())])


def another_kind(placeholder: str) -> str:
    """Return the placeholder of a thing of another kind, which is posted at another path."""
    paths = {thing.path for thing in things() if thing.placeholder == placeholder}
    return next(thing.placeholder for thing in things() if thing.path not in paths)


def every_feature() -> Iterator[Feature]:
    """Return the declarations of all features."""
    return map(declared, packages())


def body_posted_at(path: str) -> dict[str, object]:
    """Return the first body that is posted at a path with placeholders."""
    for thing in things():
        if path == f"{API}/{thing.path}":
            return thing.fields
    for feature in every_feature():
        if path in feature.bodies:
            return feature.bodies[path]
    raise AssertionError(
        f"Nothing is posted at {path}: add a Thing or a body to tests/hostile.py of its feature."
    )


@cache
def dependent() -> frozenset[str]:
    """Return the names of fields whose valid values depend on other rows or fields."""
    return frozenset(name for feature in every_feature() for name in feature.dependent)


def _placeholders_in(thing: Thing) -> list[str]:
    return re.findall(r"<[^>]+>", f"{thing.path} {thing.fields}")
