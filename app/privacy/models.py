"""What is stored about a person, as one document."""

from typing import Annotated, Any

from pydantic import Field
from sqlmodel import SQLModel

from app.athletes.models import AthleteBase
from app.categories.models import CategoryReference
from app.centres.models import CentreReference
from app.competitions.models import CompetitionReference, EntryStatus, WithdrawnBefore
from app.core.resources.models import Row
from app.identity.accounts.models import AccountRead
from app.identity.login.models import InvitationRead
from app.identity.models import Occasion, Role, ScopeName, TokenKind, TokenName
from app.identity.tokens.models import LiveToken
from app.journal.models import EventRead
from app.results.models import ResultBase
from app.trainings.models import BookingStatus, TrainingReference


class StoredAthlete(AthleteBase, Row):
    """An athlete as it is stored."""

    category: CategoryReference
    erased_at: Annotated[
        Occasion | None, Field(description="Since when the name is `erased`, and the rest blank.")
    ]


class StoredEnrolment(SQLModel):
    """An enrolment at a centre."""

    centre: CentreReference
    enrolled_at: Occasion


class StoredBooking(Row):
    """A booking, with its training."""

    training: TrainingReference
    status: BookingStatus
    booked_at: Occasion
    checked_in_at: Occasion | None
    checked_out_at: Occasion | None
    cancelled_at: Occasion | None
    late: bool


class StoredCalendarFeed(Row):
    """The calendar feed of an athlete, without its secret."""


class StoredEntry(Row):
    """An entry in a competition."""

    competition: CompetitionReference
    category: CategoryReference
    status: EntryStatus
    withdrawn_before: WithdrawnBefore | None


class StoredResult(ResultBase, Row):
    """A result of the athlete."""


class StoredRole(SQLModel):
    """The role of an account at a centre."""

    centre: CentreReference
    role: Role
    created_at: Occasion
    updated_at: Occasion


class StoredToken(LiveToken):
    """A token of an account, live or ended."""

    kind: TokenKind
    name: TokenName | None
    scopes: list[ScopeName]
    revoked_at: Occasion | None


class StoredReset(Row):
    """The code of a password reset, open or closed."""

    expires_at: Occasion
    closed_at: Occasion | None


class StoredInvitation(InvitationRead):
    """An invitation, open or closed."""

    closed_at: Occasion | None


class StoredAnswer(SQLModel):
    """A response that is stored with an idempotency key, for 24 hours or longer."""

    created_at: Occasion
    status: Annotated[int | None, Field(examples=[201])]
    body: Annotated[
        dict[str, Any] | None,
        Field(description="Null if it has nothing about the athlete, or was erased."),
    ]


class PersonalData(SQLModel):
    """All that is stored about a person. It has no passwords, secrets or hashes of them."""

    athlete: StoredAthlete
    enrolments: list[StoredEnrolment]
    bookings: list[StoredBooking]
    calendar_feed: Annotated[
        StoredCalendarFeed | None, Field(description="Since when the athlete has one, if any.")
    ]
    entries: list[StoredEntry]
    results: list[StoredResult]
    account: Annotated[AccountRead | None, Field(description="The account of the athlete.")]
    roles: Annotated[list[StoredRole], Field(description="The roles of that account.")]
    tokens: Annotated[list[StoredToken], Field(description="The tokens of that account.")]
    resets: Annotated[list[StoredReset], Field(description="Its password resets.")]
    invitations: Annotated[
        list[StoredInvitation],
        Field(description="Invitations for the athlete, or for an address of theirs."),
    ]
    stored_answers: Annotated[
        list[StoredAnswer],
        Field(description="Responses about the athlete, or to requests of the account."),
    ]
    events: Annotated[
        list[EventRead], Field(description="Writes about the athlete, and writes of that account.")
    ]
