"""Hostile requests about calendars and their feeds."""

from collections.abc import Iterator

from app.api.tests.hostile.bodies import NOT_READ
from app.api.tests.hostile.requests import JSON, MARK, Feature, Hostile, hostile
from app.calendars.tests.conftest import NEVER
from app.conftest import API

ATHLETE, CENTRE = f"{API}/athletes/<athlete>", f"{API}/centres/<centre>"


def _requests() -> Iterator[Hostile]:
    feed = f"{ATHLETE}/calendar-feed"
    for key in ("Idempotency-Key", "idempotency-key"):
        yield hostile(f"a feed with {key}", "POST", feed, 422, (key, "a"), breaks="Idempotency-Key")
    yield hostile("a feed by PUT", "PUT", feed, 405)
    yield hostile("a feed with a token", "POST", f"{feed}?token={MARK}", 422, breaks="?token")
    for kind, unread in NOT_READ.items():
        yield hostile(f"revoke none: {kind}", "DELETE", feed, 404, JSON, body=unread)
    calendar = f"{ATHLETE}/calendar.ics"
    for kind, token in {
        "never made": NEVER,
        "of a row": "<token>",
        "of a caller": "cfs_00000000000000000000000000000000_" + NEVER,
        "with spaces": f"%20{NEVER}%20",
        "in Base64": "%2B%2F%3D",
    }.items():
        yield hostile(f"a token {kind}", "GET", f"{calendar}?token={token}", 404)
    yield hostile("no token", "GET", calendar, 422, breaks="?token")
    yield hostile("a token in a header", "GET", calendar, 422, ("Token", NEVER), breaks="?token")
    public = f"{CENTRE}/calendar.ics?token={NEVER}"
    yield hostile("a token for a centre", "GET", public, 422, breaks="?token")
    for name in ("calendar.ICS", "calendar", "calendar.ics/", "calendar.ics%00", "calendar.ics%0A"):
        yield hostile(name, "GET", f"{CENTRE}/{name}", 404)


FEATURE = Feature(things=(), bodies={f"{ATHLETE}/calendar-feed": {}}, requests=_requests)
