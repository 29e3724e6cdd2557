"""The tables of identity, and the types of their fields."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, get_args
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field as TableField
from sqlmodel import Index, Relationship, SQLModel

from app.athletes.models import ERASED_DETAIL, Athlete
from app.centres.models import Centre
from app.core.db.constraints import RULES, Rule
from app.core.db.schema import NOW
from app.core.errors import Erased
from app.core.resources.fields import Email, Text
from app.core.resources.models import Row, derived_from
from app.core.resources.text import email_key

EmailAddress = Annotated[
    Email, Field(description="Unique; case is ignored.", examples=["ana@example.com"])
]
Role = Annotated[
    Literal["owner", "coach", "desk"],
    Field(description="What somebody does at a centre.", examples=["coach"]),
]
ScopeName = Literal[
    "categories:read",
    "categories:write",
    "centres:read",
    "centres:write",
    "athletes:read",
    "athletes:write",
    "trainings:read",
    "trainings:write",
    "results:read",
    "results:write",
    "access:read",
    "access:write",
    "checkin",
]
SCOPES: tuple[ScopeName, ...] = get_args(ScopeName)
"""All scopes. A session has all of them."""
DEVICE_SCOPES: tuple[ScopeName, ...] = (
    "centres:read",
    "trainings:read",
    "results:read",
    "checkin",
)
"""The scopes of a device at a centre."""
WALK_INS: ScopeName = "trainings:write"
"""The scope of a device that may book walk-ins, besides those of all devices."""
Scopes = Annotated[
    list[ScopeName],
    Field(min_length=1, max_length=len(SCOPES), examples=[["athletes:read", "trainings:read"]]),
]
TokenName = Annotated[
    str, Text(100, name=True), Field(description="What the token is for.", examples=["Website"])
]
TokenKind = Literal["session", "personal", "device"]
FORGOTTEN_AFTER = timedelta(days=30)
"""How long tokens and codes are kept after they have ended."""
OF_ERASED = Rule(Erased, "athlete_id", "erased", ERASED_DETAIL)
"""A trigger reports this one for a row about an athlete who was erased."""
Occasion = Annotated[datetime, Field(examples=["2026-11-27T08:30:00.123456Z"])]


class Account(Row, table=True):
    """A person who logs in."""

    __tablename__ = "accounts"
    __table_args__ = (
        Index(None, "created_at", "id"),
        sa.UniqueConstraint("athlete_id"),
        {"info": {RULES: {"ck_accounts_erased": OF_ERASED}}},
    )

    email: str
    email_key: str = derived_from("email", email_key, unique=True)
    password_hash: str | None
    """By argon2id; None until the person has set a password."""
    athlete_id: UUID | None = TableField(foreign_key="athletes.id", ondelete="SET NULL")
    """The athlete that the person is, if any."""
    is_admin: bool
    disabled_at: datetime | None

    athlete: Athlete = Relationship(sa_relationship_kwargs={"lazy": "raise"})


class Staff(Row, table=True):
    """The role of an account at a centre."""

    __tablename__ = "staff"
    __table_args__ = (
        sa.UniqueConstraint("account_id", "centre_id"),
        Index(None, "centre_id", "created_at", "id"),
        sa.CheckConstraint("role IN ('owner', 'coach', 'desk')", name="role"),
    )

    account_id: UUID = TableField(foreign_key="accounts.id", ondelete="CASCADE")
    centre_id: UUID = TableField(foreign_key="centres.id", ondelete="CASCADE")
    role: Role = TableField(sa_type=sa.Text)

    account: Account = Relationship(sa_relationship_kwargs={"lazy": "raise"})


class Token(Row, table=True):
    """A credential that a request carries: it names the caller."""

    __tablename__ = "tokens"
    __table_args__ = (
        Index(None, "account_id", "kind", "created_at", "id"),
        Index(None, "centre_id", "created_at", "id"),
        sa.CheckConstraint("kind IN ('session', 'personal', 'device')", name="kind"),
        sa.CheckConstraint("(kind = 'device') = (account_id IS NULL)", name="account_id"),
        sa.CheckConstraint("(kind = 'device') = (centre_id IS NOT NULL)", name="centre_id"),
    )

    kind: TokenKind = TableField(sa_type=sa.Text)
    secret_hash: bytes
    """The SHA-256 hash of the secret: fast hashing is enough for 256 random bits."""
    account_id: UUID | None = TableField(foreign_key="accounts.id", ondelete="CASCADE")
    centre_id: UUID | None = TableField(foreign_key="centres.id", ondelete="CASCADE")
    name: str | None
    scopes: list[str] = TableField(sa_type=ARRAY(sa.Text))
    expires_at: datetime
    last_used_at: datetime | None
    """Written once an hour at most."""
    revoked_at: datetime | None

    account: Account = Relationship(sa_relationship_kwargs={"lazy": "raise"})
    centre: Centre = Relationship(sa_relationship_kwargs={"lazy": "raise"})


class Code(Row, table=True):
    """A code that sets a password once: that of an invitation, or of a password reset."""

    __tablename__ = "codes"
    __table_args__ = (
        Index(None, "kind", "created_at", "id", postgresql_where=sa.text("closed_at IS NULL")),
        Index(None, "account_id"),
        Index(None, "email_key"),
        sa.CheckConstraint(
            "(kind = 'invitation' AND email IS NOT NULL AND account_id IS NULL)"
            " OR (kind = 'reset' AND email IS NULL AND account_id IS NOT NULL)",
            name="kind",
        ),
        sa.CheckConstraint("(role IS NULL) = (centre_id IS NULL)", name="centre_id"),
        sa.CheckConstraint("role IN ('owner', 'coach', 'desk')", name="role"),
        {"info": {RULES: {"ck_codes_erased": OF_ERASED}}},
    )

    kind: str
    secret_hash: bytes
    account_id: UUID | None = TableField(foreign_key="accounts.id", ondelete="CASCADE")
    """The account that a reset sets the password of."""
    email: str | None
    """The address that is invited."""
    email_key: str | None = derived_from("email", email_key)
    athlete_id: UUID | None = TableField(foreign_key="athletes.id", ondelete="CASCADE")
    centre_id: UUID | None = TableField(foreign_key="centres.id", ondelete="CASCADE")
    role: str | None
    maker_id: UUID | None = TableField(foreign_key="accounts.id", ondelete="CASCADE")
    """The account that made the code, which is valid as long as this account could make it."""
    expires_at: datetime
    closed_at: datetime | None
    """When it was used or revoked."""

    athlete: Athlete = Relationship(sa_relationship_kwargs={"lazy": "raise"})
    centre: Centre = Relationship(sa_relationship_kwargs={"lazy": "raise"})


def type_of(rows: sa.CTE, verb: str) -> sa.ColumnElement[str]:
    """Return the type of events about tokens or codes, which begins with their kind.

    That of a personal token is just ``token``: ``session.created``, ``token.created``,
    ``reset.revoked``.
    """
    personal = rows.c.kind == sa.literal_column("'personal'")
    noun = sa.case((personal, sa.literal_column("'token'")), else_=rows.c.kind)
    return noun.concat(sa.literal_column(f"'.{verb}'"))


class SigningKey(SQLModel, table=True):
    """A key that signs JWTs. The newest one signs; the others are published until they expire."""

    __tablename__ = "signing_keys"

    id: UUID = TableField(primary_key=True)
    private_key: str
    """A JSON Web Key (RFC 8037)."""
    created_at: datetime = TableField(sa_column_kwargs={"server_default": NOW})
    retired_at: datetime | None


class LoginLimit(SQLModel, table=True):
    """How soon the next attempt to log in is accepted, for an address or a network."""

    __tablename__ = "login_limits"
    __table_args__ = (Index(None, "kept_until"),)

    key: str = TableField(primary_key=True, sa_type=sa.Text(collation="C"))
    """A hash of what is limited."""
    next_at: datetime
    """The time that all attempts so far would have used up, at one for each interval."""
    kept_until: datetime
    """When the row may be deleted. Until then an account is known to log in from a network."""
