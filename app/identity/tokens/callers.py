"""From tokens to callers: ``app.state.callers``.

A lookup in the database is cheaper than the verification of a JWT, and sees a revocation at once.
Lookups are batched, like other reads by id. A read may use a caller that was found up to 2 seconds
ago; a write always looks.
"""

from collections import OrderedDict
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from time import monotonic
from typing import Generic, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from app.athletes.models import Enrolment
from app.core.access import Caller
from app.core.db.schema import LIVE_CALLERS, NOW, interval, table_of
from app.core.db.statements import Statement
from app.core.db.transactions import Runner
from app.core.errors import Unavailable
from app.identity.models import Token
from app.identity.tokens.credentials import Presented, presented
from app.identity.tokens.jwt import Issuer, Verified, verify

RECENT = 2.0
"""Seconds for which a read may use a caller without another lookup."""
REMEMBERED = 10_000
"""The maximum number of callers that a worker remembers."""
IDLE = timedelta(days=7)
"""A session ends if it is not used for this time."""
ACCESS = {"access:read", "access:write"}
"""The scopes that a JWT does not have."""
NOTED_EVERY = timedelta(hours=1)
"""How often the last use of a token is written, at most."""

_TOKENS, _ENROLMENTS = table_of(Token), table_of(Enrolment)
_JWT_BEGINS = b"ey"
FOUND = "id", "secret_hash", "kind", "scopes", "account_id", "centre_id", "expires_at"

Value = TypeVar("Value")


class _Recent(Generic[Value]):
    """Remembers the latest values, by a hash of the token that they belong to."""

    def __init__(self) -> None:
        self._values: OrderedDict[bytes, Value] = OrderedDict()

    def get(self, key: bytes) -> Value | None:
        return self._values.get(key)

    def put(self, key: bytes, value: Value) -> None:
        self._values[key] = value
        if len(self._values) > REMEMBERED:
            self._values.popitem(last=False)


class Callers:
    """Finds the callers of tokens, and remembers them for reads."""

    def __init__(self, issuer: Issuer, public: Collection[str] = ()) -> None:
        self._issuer = issuer
        self._public = public
        self._callers: _Recent[tuple[float, Caller]] = _Recent()
        self._verified: _Recent[Verified] = _Recent()

    def recent(self, token: bytes) -> Caller | None:
        """Return the caller of a token that was found a moment ago, or None."""
        found = self._callers.get(sha256(token).digest())
        if found is None or found[0] < monotonic():
            return None
        return found[1]

    async def find(self, token: bytes, database: Runner) -> Caller | None:
        """Return the caller of a token as the database has it now, or None."""
        until = monotonic() + RECENT
        if token.startswith(_JWT_BEGINS):
            caller = await self._find_by_jwt(token, database)
        else:
            given = presented(token)
            caller = given and await _find(given.id, given, database)
        if caller is not None:
            caller = caller._replace(public=self._public)
            self._callers.put(sha256(token).digest(), (until, caller))
        return caller

    async def _find_by_jwt(self, token: bytes, database: Runner) -> Caller | None:
        key = sha256(token).digest()
        found = self._verified.get(key)
        if found is None:
            found = await verify(database, self._issuer, token.decode())
            if found is None:
                return None
            self._verified.put(key, found)
        if found.accepted_until < datetime.now(UTC):
            return None
        caller = await _find(found.session_id, None, database)
        if caller is None or caller.kind != "session":
            return None
        # Other services see JWTs, so a JWT gives nothing that outlives it.
        return caller._replace(scopes=caller.scopes - ACCESS)


async def _find(token_id: UUID, given: Presented | None, database: Runner) -> Caller | None:
    """Find the caller of a token; with ``given``, only if its secret matches."""
    row = await database.row_by_id(_find_query(), token_id)
    if given and not given.matches(row and row["secret_hash"]):
        return None
    if row is None:
        return None
    if row["is_unnoted"]:
        with suppress(Unavailable):  # a database that is read-only can still answer reads
            await database.row(_note_query(), {"id": token_id})
    return Caller(
        token_id,
        row["kind"],
        _scopes(tuple(row["scopes"])),
        row["account_id"],
        row["centre_id"],
        row["is_admin"],
        row["athlete_id"],
        dict(map(_role, row["roles"])),
        frozenset(row["enrolled"]),
        expires_at=row["expires_at"],
        log={"account": str(row["account_id"] or ""), "token": str(token_id)},
    )


def _role(text: str) -> tuple[UUID, str]:
    centre_id, _, role = text.partition(" ")
    return UUID(centre_id), role


@cache
def _scopes(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(names)


def is_live() -> sa.ColumnElement[bool]:
    """Return the condition for a token that is neither expired, nor idle, nor revoked."""
    used_at = sa.func.coalesce(_TOKENS.c.last_used_at, _TOKENS.c.created_at)
    return sa.and_(
        _TOKENS.c.revoked_at.is_(None),
        _TOKENS.c.expires_at > NOW,
        sa.or_(_TOKENS.c.kind != sa.literal_column("'session'"), used_at > NOW - interval(IDLE)),
    )


def _is_unnoted() -> sa.ColumnElement[bool]:
    used_at = _TOKENS.c.last_used_at
    return sa.or_(used_at.is_(None), used_at < NOW - interval(NOTED_EVERY))


@cache
def _find_query() -> Statement:
    """Read the live tokens of some ``ids``, and what the rights of their callers follow from."""
    ids = sa.bindparam("ids", type_=ARRAY(sa.Uuid))
    live = LIVE_CALLERS
    enrolled = sa.select(_ENROLMENTS.c.centre_id).where(
        _ENROLMENTS.c.athlete_id == live.c.athlete_id
    )
    return Statement(
        sa.select(
            *(_TOKENS.c[name] for name in FOUND),
            live.c.is_admin,
            live.c.athlete_id,
            live.c.roles,
            sa.func.array(enrolled.scalar_subquery()).label("enrolled"),
            _is_unnoted().label("is_unnoted"),
        )
        .select_from(_TOKENS.join(live, live.c.id == _TOKENS.c.id))
        .where(_TOKENS.c.id == sa.func.any(ids))
    )


@cache
def _note_query() -> Statement:
    """Write that a token is used; do nothing if another request is just doing it."""
    this = sa.select(_TOKENS.c.id).where(_TOKENS.c.id == sa.bindparam("id"), _is_unnoted())
    free = this.with_for_update(skip_locked=True).cte("free")
    noted = sa.update(_TOKENS).where(_TOKENS.c.id.in_(sa.select(free.c.id)))
    return Statement(noted.values(last_used_at=NOW).returning(_TOKENS.c.id))
