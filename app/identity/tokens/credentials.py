"""The text of tokens and codes: ``cfs_``, an id, and a secret that is stored only as a hash."""

import re
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import NamedTuple
from uuid import UUID

from app.core.resources.fields import new_id

SECRET_BYTES = 32
"""The length of a secret: 256 random bits."""
TOKEN_PATTERN = "cfs_[0-9a-f]{32}_[A-Za-z0-9_-]{43}"  # noqa: S105 - a pattern
EXAMPLE = "cfs_019aa8a53f0c7c4e9d0f6f2d1c7a5b10_Zm9yIGRvY3VtZW50YXRpb24gb25seSwgbm8gdG9rZW4"

_TOKEN = re.compile(rb"cfs_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
_NOTHING = bytes(sha256().digest_size)


class Credential(NamedTuple):
    """A new id and secret; ``text`` is shown once."""

    id: UUID
    text: str
    secret_hash: bytes

    def __repr__(self) -> str:
        """Leave out the secret."""
        return f"Credential({self.id})"


class Presented(NamedTuple):
    """The id that a client presents, and the hash of its secret."""

    id: UUID
    secret_hash: bytes

    def matches(self, stored: bytes | None) -> bool:
        """Compare with a stored hash, or with nothing, in the same time."""
        return compare_digest(self.secret_hash, stored or _NOTHING)


def new_credential() -> Credential:
    """Make an id and a random secret."""
    row_id, secret = new_id(), token_urlsafe(SECRET_BYTES)
    return Credential(row_id, f"cfs_{row_id.hex}_{secret}", sha256(secret.encode()).digest())


def presented(text: bytes) -> Presented | None:
    """Parse a token or code; return None if it has another form."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        return None
    # The text is hashed: several texts decode to the same bytes.
    return Presented(UUID(match[1].decode()), sha256(match[2]).digest())
