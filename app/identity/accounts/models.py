"""Accounts and staff in requests and responses."""

from typing import Annotated, Literal

import sqlalchemy as sa
from pydantic import Field, StrictBool
from pydantic.json_schema import SkipJsonSchema
from sqlmodel import SQLModel

from app.athletes.models import AthleteReference
from app.centres.models import CentreReference
from app.core.resources.fields import Email, ExampleId
from app.core.resources.models import ABSENT, Payload, Row
from app.core.resources.paging import ListQuery, Page
from app.core.resources.projection import ReadAs
from app.identity.models import EmailAddress, Occasion, Role, ScopeName, TokenKind
from app.identity.passwords import GivenPassword, NewPassword

IsAdmin = Annotated[bool, Field(description="Whether it may do everything.", examples=[False])]


def _has_password(account: sa.FromClause) -> sa.ColumnElement[bool]:
    return account.c.password_hash.is_not(None)


class AccountReference(SQLModel):
    """An account, as part of other resources."""

    id: ExampleId
    email: EmailAddress
    is_admin: IsAdmin


class AccountRead(Row):
    """An account: a person who logs in."""

    email: EmailAddress
    is_admin: IsAdmin
    athlete: Annotated[
        AthleteReference | None, Field(description="The athlete that the person is, if any.")
    ]
    has_password: Annotated[bool, ReadAs(_has_password), Field(examples=[True])]
    disabled_at: Annotated[
        Occasion | None, Field(description="A disabled account has no live tokens.")
    ]


class AccountPage(Page[AccountRead]):
    """A page of accounts."""


class AccountUpdate(Payload):
    """The fields of an account to change. Absent fields stay unchanged."""

    email: Annotated[Email, Field(examples=["ben@example.com"])] = ABSENT
    is_admin: Annotated[StrictBool, Field(examples=[True])] = ABSENT
    disabled: Annotated[
        StrictBool,
        Field(description="`true` revokes all tokens of the account.", examples=[False]),
    ] = ABSENT
    athlete_id: (
        Annotated[ExampleId, Field(description="The athlete that the person is.")] | None
    ) = None


class AccountsQuery(ListQuery):
    """Query parameters of the list of accounts."""

    email: Email | SkipJsonSchema[None] = Field(
        default=None, description="Only the account with this address."
    )
    sort: Literal["email", "-email", "created_at", "-created_at"] = Field(
        default="email", description="The field to sort by; `-` for descending."
    )


class PasswordChange(Payload):
    """A new password for the own account."""

    current: GivenPassword
    new: NewPassword


class StaffRead(Row):
    """The role of an account at a centre."""

    account: AccountReference
    role: Role


class StaffPage(Page[StaffRead]):
    """A page of the staff of a centre."""


class StaffRole(Payload):
    """What an account does at a centre."""

    role: Role


class CentreRole(SQLModel):
    """The role of the caller at a centre."""

    centre: CentreReference
    role: Role


class TokenOfCaller(SQLModel):
    """The token that a request carries."""

    id: ExampleId
    kind: TokenKind
    expires_at: Occasion


class Me(SQLModel):
    """The caller of a request, and its token."""

    account: AccountReference | None
    athlete: AthleteReference | None
    centre: Annotated[CentreReference | None, Field(description="The centre of a device.")]
    roles: list[CentreRole]
    scopes: list[ScopeName]
    token: TokenOfCaller
