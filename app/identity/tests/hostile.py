"""Hostile requests about accounts and tokens."""

import json
from collections.abc import Iterator

from app.api.tests.hostile.requests import JSON, MARK, Feature, Hostile, Thing, hostile
from app.conftest import API
from app.identity.tests.callers import ADMIN, MEMBER, PASSWORD

KEY = ("Idempotency-Key", "a")
LOGIN = {"email": ADMIN.email, "password": PASSWORD}
WRONG_CODES = {
    "a word": MARK,
    "an unknown id": f"cfs_{'0' * 32}_{'A' * 43}",
    "a token": ADMIN.token,
    "beyond ASCII": f"cfs_{'0' * 32}_{'é' * 43}",
    "NUL": "cfs_\0",
}
COMMON = ("123456789987654321", "passwordpassword", "a" * 40, "Qwerty123456789", "123123" * 5)


def _requests() -> Iterator[Hostile]:
    for path in ("invitations/accept", "resets/accept"):
        for kind, code in WRONG_CODES.items():
            body = json.dumps({"code": code, "password": PASSWORD})
            name = f"{path} by {kind}"
            yield hostile(name, "POST", f"{API}/{path}", 422, JSON, body=body, breaks="/code")
        for common in COMMON:
            body = json.dumps({"code": MARK, "password": common})
            name = f"{path}: {common}"
            yield hostile(name, "POST", f"{API}/{path}", 422, JSON, body=body, breaks="/password")
    for path, fields in (
        ("sessions", LOGIN),
        ("tokens", {"name": "x", "scopes": ["checkin"], "expires_in_days": 1}),
        ("invitations", {"email": "x@example.com"}),
        ("centres/<centre>/devices", {"name": "x"}),
        ("accounts/<account>/reset", {}),
        ("sessions/current/jwt", {}),
    ):
        body = json.dumps(fields)
        yield hostile(f"{path} with a key", "POST", f"{API}/{path}", 422, JSON, KEY, body=body)
    for centre, role in ((None, "coach"), ("<centre>", None)):
        body = json.dumps({"email": "x@example.com", "centre_id": centre, "role": role})
        yield hostile("half a role", "POST", f"{API}/invitations", 422, JSON, body=body)
    taken = json.dumps({"email": MEMBER.email.upper()})
    yield hostile("invite an account", "POST", f"{API}/invitations", 409, JSON, body=taken)
    last = f"{API}/accounts/{ADMIN.id}"
    for change in ({"is_admin": False}, {"disabled": True}):
        body = json.dumps(change)
        yield hostile(f"last admin: {body}", "PATCH", last, 409, JSON, body=body)


FEATURE = Feature(
    things=(
        Thing("<session>", "sessions", LOGIN, None),
        Thing(
            "<token>",
            "tokens",
            {"name": "Website", "scopes": ["athletes:read"], "expires_in_days": 90},
            None,
        ),
        Thing("<device>", "centres/<centre>/devices", {"name": "Tablet"}, None),
        Thing(
            "<invitation>",
            "invitations",
            {"email": "lea@example.com", "centre_id": "<centre>", "role": "coach"},
            None,
        ),
    ),
    bodies={
        f"{API}/{path}/accept": {"code": ADMIN.token, "password": PASSWORD}
        for path in ("invitations", "resets")
    },
    known={"<account>": str(MEMBER.id)},
    requests=_requests,
)
