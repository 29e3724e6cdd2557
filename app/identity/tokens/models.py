"""Tokens in requests and responses: sessions, personal tokens and devices."""

from datetime import timedelta
from typing import Annotated, Literal

import sqlalchemy as sa
from pydantic import Field, StrictBool
from sqlmodel import SQLModel

from app.centres.models import CentreReference
from app.core.resources.fields import ExampleId, JSONNumber
from app.core.resources.models import Payload, Row
from app.core.resources.paging import Page
from app.core.resources.projection import ReadAs
from app.identity.accounts.models import AccountReference
from app.identity.models import (
    WALK_INS,
    EmailAddress,
    Occasion,
    ScopeName,
    Scopes,
    TokenName,
)
from app.identity.passwords import GivenPassword
from app.identity.tokens.credentials import EXAMPLE, TOKEN_PATTERN

SESSION_LIFETIME = timedelta(days=30)
LONGEST_LIFETIME = timedelta(days=365)
"""The longest life of a personal token, and the life of a device."""

Secret = Annotated[
    str,
    Field(
        description="Shown only in this response. Keep it secret.",
        json_schema_extra={"pattern": f"^{TOKEN_PATTERN}$"},
        examples=[EXAMPLE],
    ),
]
LastUse = Annotated[
    Occasion | None, Field(description="The latest use, to the hour; null if it was never used.")
]
Lifetime = Annotated[
    int,
    Field(ge=1, le=LONGEST_LIFETIME.days, description="In how many days it ends.", examples=[90]),
    JSONNumber,
]


class LiveToken(Row):
    """What all kinds of tokens have in common."""

    expires_at: Occasion
    last_used_at: LastUse


class Login(Payload):
    """The address and the password of an account."""

    email: EmailAddress
    password: GivenPassword


class SessionRead(LiveToken):
    """A session: somebody is logged in."""

    account: AccountReference


class SessionPage(Page[SessionRead]):
    """A page of sessions."""


class SessionCreated(SessionRead):
    """A new session, with its token."""

    token: Secret


class TokenBase(SQLModel):
    """The fields of a personal token that clients write, without its lifetime."""

    name: TokenName
    scopes: Scopes


class TokenCreate(TokenBase, Payload):
    """A new personal token, for a script or a server."""

    expires_in_days: Lifetime


class TokenRead(LiveToken):
    """A personal token."""

    name: TokenName
    scopes: list[ScopeName]


class TokenPage(Page[TokenRead]):
    """A page of personal tokens."""


class TokenCreated(TokenRead):
    """A new personal token, with its secret."""

    token: Secret


class DeviceCreate(Payload):
    """A new device at a centre, such as the tablet at the desk."""

    name: TokenName
    walk_ins: Annotated[
        StrictBool,
        Field(
            description="Whether it may book an athlete without a seat who checks in.",
            examples=[True],
        ),
    ] = False


def _walk_ins(token: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.literal_column(f"'{WALK_INS}'") == sa.func.any(token.c.scopes)


class DeviceRead(LiveToken):
    """A device at a centre. Its token ends after 365 days."""

    name: TokenName
    walk_ins: Annotated[
        bool,
        ReadAs(_walk_ins),
        Field(description="Whether it may book an athlete without a seat who checks in."),
    ]
    centre: CentreReference


class DevicePage(Page[DeviceRead]):
    """A page of devices."""


class DeviceCreated(DeviceRead):
    """A new device, with its token."""

    token: Secret


class JWTRead(SQLModel):
    """A JSON Web Token of five minutes, for other services."""

    jwt: Annotated[
        str,
        Field(
            description="Signed with Ed25519.", examples=["eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl"]
        ),
    ]
    expires_at: Occasion


class PublishedKey(SQLModel):
    """A public key as a JSON Web Key (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: Annotated[str, Field(examples=["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"])]
    kid: ExampleId
    alg: Literal["EdDSA"]
    use: Literal["sig"]


class KeySet(SQLModel):
    """The keys that verify JSON Web Tokens (RFC 7517)."""

    keys: list[PublishedKey]
