"""Idempotent requests: a retry with the same ``Idempotency-Key`` gets the stored response.

One transaction claims the key, handles the request and stores the response. A concurrent request
with the same key waits for that transaction, and then gets the stored response. If the transaction
is rolled back, the key is not stored either. A key belongs to its caller: the same key
of another caller is another key. Once the roles of its caller change, the key is used up. The
number of keys that a caller can store is limited.
"""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from time import monotonic
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from asyncpg import LockNotAvailableError
from fastapi import Request
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Field, Index, SQLModel
from starlette.responses import Response

from app.core.access import Caller
from app.core.db.schema import NOW, WAL_RECORD, table_of
from app.core.db.statements import Statement, new_value, new_values
from app.core.db.transactions import Database, Transaction
from app.core.errors import Erased, Invalid, KeyInFlight, KeyReused, TooManyKeys
from app.core.http.key_limit import TOO_MANY, Claim, KeyLimit
from app.core.http.security import CALLER, DATABASE
from app.core.http.urls import route_path

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT = "24 hours"
"""The minimum time that a response is kept."""
FORGOTTEN_AT_ONCE = 10
"""The maximum number of expired keys that each new key deletes.

More than one, so that expired keys do not pile up; few, so that a request is hardly slower.
"""
SEARCHED_EVERY = 600
"""Seconds after which a worker looks for expired keys from the first one on."""

_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

Handler = Callable[[Request], Awaitable[Response]]


class IdempotencyKey(SQLModel, table=True):
    """A key that a client sent with a request, and the response to that request."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "created_at"), Index(None, "owner", "created_at"))

    owner: UUID = Field(primary_key=True)
    """The account that sent it, or the token if that belongs to no account."""
    key: str = Field(primary_key=True, sa_type=sa.Text(collation="C"))
    request: str
    """A hash of the request's method, path and body, and of its caller's roles."""
    status: int | None
    """None, as are the headers and the body, if the response was erased with a person."""
    headers: str | None
    """As a JSON object."""
    body: str | None
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})


_KEYS = table_of(IdempotencyKey)
_EXPIRED = _KEYS.c.created_at < NOW - sa.cast(sa.literal_column(f"'{KEPT}'"), sa.Interval)


def key_of(request: Request) -> str | None:
    """Return the idempotency key of a request, or None; raise ``Invalid`` if it is not valid."""
    keys = request.headers.getlist(HEADER)
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        detail = "Send this header once, with a key of 1 to 255 visible ASCII characters."
        raise Invalid.of_field(HEADER, "bad_key", detail)
    return keys[0]


class ExpiredKeys:
    """Where a worker looks for expired keys: after those that it has deleted.

    The index keeps the entries of deleted keys until VACUUM can remove them, which is not before
    older transactions end, a backup for example. To pass 40,000 of them takes 2 ms.
    """

    def __init__(self) -> None:
        self._next = _FIRST
        self._from_first_at = 0.0

    def next(self) -> datetime:
        """Return the time from which on to look; now and then the first, to find what was left."""
        if monotonic() >= self._from_first_at:
            self._from_first_at = monotonic() + SEARCHED_EVERY
            return _FIRST
        return self._next

    def deleted(self, newest: datetime | None) -> None:
        """Continue after keys that were deleted; None if there were none."""
        self._next = newest or self._next


class Idempotency:
    """Answers requests with idempotency keys, in one worker."""

    def __init__(self, most_keys: int) -> None:
        self._limit = KeyLimit(most_keys)
        self._expired = ExpiredKeys()

    async def answered_once(
        self, key: str, request: Request, database: Database, handle: Handler
    ) -> Response:
        """Handle a request, or return the stored response to an equal earlier request.

        Raise ``KeyReused`` if the key was used for a different request, ``KeyInFlight`` if the
        earlier request is in flight for longer than the lock timeout, ``Erased`` if its response
        was erased with a person, and ``TooManyKeys`` if the key is new and the client has too many
        others.
        """
        path = route_path(request.scope)
        request_hash = blake2b(f"{request.method} {path}\n".encode(), digest_size=16)
        request_hash.update(await request.body())
        caller: Caller = request.scope["state"][CALLER]
        if not caller.is_admin:
            # After a change of roles, the caller may not see what the stored response shows.
            request_hash.update(repr((caller.role_names, caller.athlete_id)).encode())
        values = {"owner": caller.owner, "key": key, "request": request_hash.hexdigest()}

        async def work(transaction: Transaction) -> tuple[Response, datetime | None]:
            # A new key of a caller over the limit writes nothing, not even a claim to roll back.
            if claim.is_refused and not await transaction.row(_find_query(), values):
                raise TooManyKeys(TOO_MANY)
            if earlier := await _earlier_answer(transaction, values, claim):
                return earlier, None
            request.scope["state"][DATABASE] = transaction
            response = await handle(request)
            headers = {
                name: value for name, value in response.headers.items() if name != "content-length"
            }
            answer = {
                "status": response.status_code,
                "headers": json.dumps(headers),
                "body": bytes(response.body).decode(),
            }
            answer_values = {**values, "after": self._expired.next(), **new_values(_KEYS, answer)}
            stored = await transaction.row(_store_query(), answer_values)
            return response, stored["forgotten"]

        with self._limit.claim(caller.owner) as claim:
            response, forgotten = await database.transaction(work)
        self._expired.deleted(forgotten)
        return response


async def _earlier_answer(
    transaction: Transaction, values: dict[str, Any], claim: Claim
) -> Response | None:
    """Claim a key and return None, or return the response that is stored with the key."""

    async def live_keys(most: int) -> int:
        row = await transaction.row(_count_query(), {**values, "most": most})
        return int(row["live"])

    try:
        is_new = await transaction.row(_claim_query(), values)
        if not is_new and await transaction.row(_forget_query(), values):
            is_new = await transaction.row(_claim_query(), values)
    except LockNotAvailableError:
        raise KeyInFlight("The first request with this key is still in flight.") from None
    if is_new:
        await claim.admit(live_keys)
        return None
    earlier = await transaction.row(_find_query(), values)
    if earlier is None:  # another request has just deleted the expired key
        raise KeyInFlight("This key has just expired; try again.")
    if earlier["request"] != values["request"]:
        raise KeyReused.of_field(
            HEADER, "reused", "This key was already used for a different request."
        )
    if earlier["status"] is None:
        raise Erased("This request succeeded, but the person that it was about was erased since.")
    headers = json.loads(earlier["headers"]) | {REPLAYED: "true"}
    return Response(earlier["body"], earlier["status"], headers)


def _this() -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions for the key of a request."""
    return _KEYS.c.owner == sa.bindparam("owner"), _KEYS.c.key == sa.bindparam("key")


@cache
def _claim_query() -> Statement:
    """Insert a key, unless it is there; wait for a transaction that inserts or deletes it."""
    claim = insert(_KEYS).values(
        owner=sa.bindparam("owner"), key=sa.bindparam("key"), request=sa.bindparam("request")
    )
    return Statement(claim.on_conflict_do_nothing().returning(_KEYS.c.key))


@cache
def _forget_query() -> Statement:
    """Delete a key if it is expired."""
    this = sa.delete(_KEYS).where(*_this(), _EXPIRED)
    return Statement(this.returning(_KEYS.c.key))


@cache
def _count_query() -> Statement:
    """Count the live keys of a caller, at most ``most``."""
    live = sa.select(_KEYS.c.created_at).where(
        _KEYS.c.owner == sa.bindparam("owner"), sa.not_(_EXPIRED)
    )
    # The order makes PostgreSQL read the index alone, also if one caller has most of the keys.
    some = live.order_by(_KEYS.c.created_at).limit(sa.bindparam("most", type_=sa.Integer))
    return Statement(sa.select(sa.func.count().label("live")).select_from(some.subquery()))


@cache
def _find_query() -> Statement:
    """Read a key and its response. The commit waits for a standby, as that of the write did."""
    return Statement(sa.select(_KEYS, WAL_RECORD).where(*_this()))


@cache
def _store_query() -> Statement:
    """Store a response, and delete some expired keys that no transaction locks.

    Return when the newest of them was created, as ``forgotten``.
    """
    is_after = _KEYS.c.created_at >= sa.bindparam("after", type_=_KEYS.c.created_at.type)
    limit: sa.ColumnElement[int] = sa.literal_column(str(FORGOTTEN_AT_ONCE))
    primary_key = _KEYS.c.owner, _KEYS.c.key
    expired = sa.select(*primary_key).where(_EXPIRED, is_after).order_by(_KEYS.c.created_at)
    oldest = expired.limit(limit).with_for_update(skip_locked=True).cte("oldest")
    delete = sa.delete(_KEYS).where(sa.tuple_(*primary_key).in_(sa.select(oldest)))
    forgotten = delete.returning(_KEYS.c.created_at).cte("forgotten")
    newest = sa.select(sa.func.max(forgotten.c.created_at)).scalar_subquery()
    answer = {
        column: new_value(column) for column in (_KEYS.c.status, _KEYS.c.headers, _KEYS.c.body)
    }
    store = sa.update(_KEYS).where(*_this()).values(answer)
    return Statement(store.returning(newest.label("forgotten")))
