"""Invitations and password resets in requests and responses."""

from typing import Annotated

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError
from sqlmodel import SQLModel

from app.athletes.models import AthleteReference
from app.centres.models import CentreReference
from app.core.resources.fields import Email, ExampleId
from app.core.resources.models import Payload, Row
from app.core.resources.paging import Page
from app.identity.models import EmailAddress, Occasion, Role
from app.identity.passwords import NewPassword, SecretText
from app.identity.tokens.credentials import EXAMPLE
from app.identity.tokens.models import Secret

GivenCode = Annotated[
    SecretStr,
    SecretText(1, 200),
    Field(
        description="The code of the invitation or reset.",
        examples=[EXAMPLE],
    ),
]


class InvitationCreate(Payload):
    """An invitation of a person, who becomes an athlete's account or the staff of a centre."""

    email: Annotated[Email, Field(examples=["lea@example.com"])]
    athlete_id: (
        Annotated[ExampleId, Field(description="The athlete that the person is.")] | None
    ) = None
    centre_id: (
        Annotated[ExampleId, Field(description="The centre where the person has a role.")] | None
    ) = None
    role: Role | None = None

    @model_validator(mode="after")
    def _has_a_whole_role(self) -> "InvitationCreate":
        if (self.centre_id is None) != (self.role is None):
            raise PydanticCustomError("role_at_centre", "Give both centre_id and role, or neither")
        return self


class InvitationRead(Row):
    """An invitation that is not accepted yet."""

    email: EmailAddress
    athlete: AthleteReference | None
    centre: CentreReference | None
    role: Role | None
    expires_at: Occasion


class InvitationPage(Page[InvitationRead]):
    """A page of invitations."""


class InvitationCreated(InvitationRead):
    """A new invitation, with its code."""

    code: Secret


class ResetCreated(SQLModel):
    """The code of a password reset."""

    code: Secret
    expires_at: Occasion


class Acceptance(Payload):
    """A code, and the password that its account gets."""

    code: GivenCode
    password: NewPassword
