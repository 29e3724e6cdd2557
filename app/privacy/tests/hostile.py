"""Hostile requests about erased people."""

import json
from collections.abc import Iterator

from app.api.tests.hostile.bodies import NOT_READ, TOO_LONG
from app.api.tests.hostile.requests import JSON, MARK, Feature, Hostile, Thing, hostile
from app.conftest import API
from app.identity.tests.callers import MEMBER

ERASED = f"{API}/athletes/<erased>"


def _requests() -> Iterator[Hostile]:
    target = f"{ERASED}/erase"
    yield hostile("erase: chunked", "POST", target, 204, body=TOO_LONG["20 MB"], chunked=True)
    for kind, unread in NOT_READ.items():
        yield hostile(f"erase again: {kind}", "POST", target, 204, JSON, body=unread)
    yield hostile("erase by DELETE", "DELETE", target, 405)
    yield hostile("erase what is no athlete", "POST", f"{API}/athletes/<centre>/erase", 404)
    person = json.dumps({"athlete_id": "<erased>"})
    invitation = json.dumps({"email": "x@example.com", "athlete_id": "<erased>"})
    for method, path, body in (
        ("PATCH", ERASED, json.dumps({"name": MARK})),
        ("PATCH", ERASED, json.dumps({"centre_ids": []})),
        ("PUT", f"{ERASED}/centres/<centre>", ""),
        ("POST", f"{API}/trainings/<free>/bookings", person),
        ("PATCH", f"{API}/accounts/{MEMBER.id}", person),
        ("POST", f"{API}/invitations", invitation),
    ):
        declared = [JSON] if body else []
        yield hostile(f"{method} {path}: erased", method, path, 409, *declared, body=body)


FEATURE = Feature(
    things=(Thing("<erased>", "athletes", {"name": "Erased", "category_id": "<category>"}, None),),
    requests=_requests,
)
