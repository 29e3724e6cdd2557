"""JSON Web Tokens (RFC 9068) that other services verify, and the keys that sign them."""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import PyJWT, PyJWTError
from jwt.algorithms import OKPAlgorithm
from sqlalchemy.dialects.postgresql import ARRAY, insert

from app.core.db.schema import NOW, interval, table_of
from app.core.db.statements import Statement
from app.core.db.transactions import Runner, Transaction
from app.core.resources.fields import new_id
from app.identity.models import SigningKey

LIFETIME = timedelta(minutes=5)
LEEWAY = 10
"""Seconds that the clocks of two machines may differ."""
RETIRED_FOR = timedelta(minutes=10)
"""How long a key is published after its successor was made: longer than its last token lives."""
ALGORITHM = "EdDSA"
TYPE = "at+jwt"

_JWTS = PyJWT()
_JWT = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}")
_KEYS = table_of(SigningKey)
_IS_PUBLISHED = sa.or_(
    _KEYS.c.retired_at.is_(None),
    _KEYS.c.retired_at > NOW - interval(RETIRED_FOR),
)


class Issuer(NamedTuple):
    """The issuer and the audience of JWTs: the claims ``iss`` and ``aud``."""

    name: str
    audience: str


class Issued(NamedTuple):
    """A new JWT."""

    text: str
    expires_at: datetime


class Verified(NamedTuple):
    """What a valid JWT says: its session, and how long the JWT is accepted."""

    session_id: UUID
    accepted_until: datetime


async def issue(database: Runner, issuer: Issuer, account_id: UUID, session_id: UUID) -> Issued:
    """Make a JWT for a session of an account."""
    row = await _signing_key(database)
    now = datetime.now(UTC).replace(microsecond=0)
    expires_at = now + LIFETIME
    claims = {
        "iss": issuer.name,
        "aud": issuer.audience,
        "sub": str(account_id),
        "sid": str(session_id),
        "client_id": issuer.name,
        "iat": now,
        "exp": expires_at,
        "jti": str(new_id()),
    }
    header = {"typ": TYPE, "kid": str(row["id"])}
    return Issued(_JWTS.encode(claims, _key_of(row), ALGORITHM, header), expires_at)


async def verify(database: Runner, issuer: Issuer, text: str) -> Verified | None:
    """Verify a JWT; return None if it is not valid."""
    key_id = _key_id(text)
    row = key_id and await database.row_by_id(_find_query(), key_id)
    if not row:
        return None
    try:
        decoded = _JWTS.decode_complete(
            text,
            _key_of(row).public_key(),
            [ALGORITHM],
            {"require": ["iss", "aud", "exp", "sid"]},
            issuer=issuer.name,
            audience=issuer.audience,
            leeway=LEEWAY,
        )
    except PyJWTError:
        return None
    if decoded["header"].get("typ") != TYPE:
        return None
    # The signature is ours, so the claims have the types that `issue` writes.
    claims = decoded["payload"]
    return Verified(UUID(claims["sid"]), datetime.fromtimestamp(claims["exp"] + LEEWAY, UTC))


def _key_id(text: str) -> UUID | None:
    """Return the id of the key that a JWT names in its header; None if it is malformed."""
    if not _JWT.fullmatch(text):
        return None
    header = text.partition(".")[0]
    try:
        return UUID(json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


async def published_keys(database: Runner) -> str:
    """Return the public keys as a JSON Web Key Set (RFC 7517); make the first key."""
    await _signing_key(database)
    rows = await database.rows(_published_query(), {})
    return json.dumps({"keys": [_published(row) for row in rows]})


async def rotate(database: Runner, *, at_once: bool = False) -> UUID:
    """Make a new signing key and retire the others; return its id.

    The others are published until their last JWT has ended. After a theft of keys, delete them
    ``at_once``. Only JWTs that a process has already verified are still accepted, until they end.
    """

    async def work(transaction: Transaction) -> UUID:
        row = await _make_key(transaction)
        old = _delete_query() if at_once else _retire_query()
        await transaction.rows(old, {"id": row["id"]})
        key_id: UUID = row["id"]
        return key_id

    return await database.transaction(work)


async def _signing_key(database: Runner) -> Any:
    return await database.row(_newest_query(), {}) or await _make_key(database)


async def _make_key(runner: Runner) -> Any:
    private = OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate())
    return await runner.row(_insert_query(), {"id": new_id(), "private_key": private})


def _key_of(row: Mapping[str, Any]) -> Ed25519PrivateKey:
    key = OKPAlgorithm.from_jwk(row["private_key"])
    assert isinstance(key, Ed25519PrivateKey)
    return key


def _published(row: Mapping[str, Any]) -> dict[str, Any]:
    public: dict[str, Any] = OKPAlgorithm.to_jwk(_key_of(row).public_key(), as_dict=True)
    return {**public, "kid": str(row["id"]), "alg": ALGORITHM, "use": "sig"}


@cache
def _newest_query() -> Statement:
    newest = _KEYS.c.created_at.desc(), _KEYS.c.id.desc()
    keys = sa.select(_KEYS).where(_KEYS.c.retired_at.is_(None))
    return Statement(keys.order_by(*newest).limit(sa.literal_column("1")))


@cache
def _find_query() -> Statement:
    """Read the published keys of some ``ids``."""
    ids = sa.bindparam("ids", type_=ARRAY(sa.Uuid))
    return Statement(sa.select(_KEYS).where(_KEYS.c.id == sa.func.any(ids), _IS_PUBLISHED))


@cache
def _published_query() -> Statement:
    return Statement(sa.select(_KEYS).where(_IS_PUBLISHED).order_by(_KEYS.c.created_at.desc()))


@cache
def _insert_query() -> Statement:
    values: dict[str, Any] = {"id": sa.bindparam("id"), "private_key": sa.bindparam("private_key")}
    return Statement(insert(_KEYS).values(values).returning(_KEYS))


@cache
def _delete_query() -> Statement:
    others = sa.delete(_KEYS).where(_KEYS.c.id != sa.bindparam("id", type_=sa.Uuid))
    return Statement(others.returning(_KEYS.c.id))


@cache
def _retire_query() -> Statement:
    others = sa.update(_KEYS).where(
        _KEYS.c.id != sa.bindparam("id", type_=sa.Uuid), _KEYS.c.retired_at.is_(None)
    )
    return Statement(others.values(retired_at=NOW).returning(_KEYS.c.id))
