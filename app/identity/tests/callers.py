"""The callers of tests: an account or a device for each role, made once for each template."""

from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import asyncpg

from app.identity.models import DEVICE_SCOPES, SCOPES


class Known(NamedTuple):
    """A caller whose token the tests know."""

    name: str
    id: UUID
    """The id of the account; also that of its token."""

    @property
    def email(self) -> str:
        """The email address of the account."""
        return f"{self.name}@example.com"

    @property
    def token(self) -> str:
        """The token."""
        return f"cfs_{self.id.hex}_{self._secret}"

    @property
    def headers(self) -> dict[str, str]:
        """The header with the token."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def secret_hash(self) -> bytes:
        """The hash of the secret, as the database has it."""
        return sha256(self._secret.encode()).digest()

    @property
    def _secret(self) -> str:
        return f"{self.id.hex}-for-a-test"


ADMIN = Known("ana", UUID(int=0xAD))
"""An administrator, with a personal token."""
MEMBER = Known("ben", UUID(int=0x3E))
"""An account that is no administrator, with a session."""
RAW_HEADERS = [(b"authorization", ADMIN.headers["Authorization"].encode())]
"""The header with the administrator's token, as an ASGI scope has it."""
PASSWORD = "correct horse battery staple"  # noqa: S105 - of the accounts in tests
HASH = (
    "$argon2id$v=19$m=19456,t=2,p=1$S1xZnv98/ScCC+HscA2uvw"
    "$WSpEURphX8hxx8CxTP8plO8TScI33mS/MXuaxrNB9aQ"
)
"""The hash of the password of both accounts."""

ADD_ONE = """
    INSERT INTO tokens (id, kind, secret_hash, account_id, centre_id, scopes, expires_at, name)
    VALUES ($1, $2, $3, $4, $5, $6, now() + interval '300 days', 'Test')
"""


async def add_callers(url: str) -> None:
    """Add the known accounts, each with a token, to a database."""
    connection = await asyncpg.connect(url)
    for known in (ADMIN, MEMBER):
        await connection.execute(
            "INSERT INTO accounts (id, email, email_key, is_admin, password_hash)"
            " VALUES ($1, $2, $3, $4, $5)",
            known.id,
            known.email,
            known.email,
            known is ADMIN,
            HASH,
        )
        kind = "personal" if known is ADMIN else "session"
        values = known.id, kind, known.secret_hash, known.id, None, list(SCOPES)
        await connection.execute(ADD_ONE, *values)
    # As if they were just used: no request of a test writes that.
    await connection.execute("UPDATE tokens SET last_used_at = now()")
    await connection.close()


async def add_device(connection: asyncpg.Connection, centre_id: str) -> Known:
    """Add a device at a centre."""
    device = Known("device", UUID(int=0xDE))
    values = device.id, "device", device.secret_hash, None, centre_id, list(DEVICE_SCOPES)
    await connection.execute(ADD_ONE, *values)
    return device
