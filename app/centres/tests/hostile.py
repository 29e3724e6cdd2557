"""Hostile requests about centres: changes that their trainings and athletes do not allow."""

from collections.abc import Iterator

from app.api.tests.hostile.requests import JSON, Feature, Hostile, Thing, hostile
from app.conftest import API


def _in_use() -> Iterator[Hostile]:
    target = f"{API}/centres/<centre>"
    yield hostile("no room for trainings", "PATCH", target, 409, JSON, body='{"capacity": 1}')
    yield hostile("delete what is in use", "DELETE", target, 409)


FEATURE = Feature(
    things=(Thing("<centre>", "centres", {"name": "Box"}, "centres/<centre>"),),
    requests=_in_use,
)
