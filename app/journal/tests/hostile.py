"""Hostile requests about events: nobody writes them."""

from collections.abc import Iterator

from app.api.tests.hostile.requests import JSON, Feature, Hostile, hostile
from app.conftest import API


def _requests() -> Iterator[Hostile]:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        yield hostile(f"{method} events", method, f"{API}/events", 405, JSON, body="{}")


FEATURE = Feature(things=(), requests=_requests)
