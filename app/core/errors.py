"""What can go wrong, as the API names it.

::

    DomainError
      MalformedBody            400
      NotFound                 404
      BodyTimeout              408
      Conflict                 409
        AlreadyTaken
        ReferenceMissing
        StillInUse
        KeyInFlight
        (and those of features)
      PreconditionFailed       412
      ContentTooLarge          413
      UnsupportedMediaType     415
      UntrustedHost            421
      Invalid                  422
        KeyReused
      Unavailable              503

The data layer raises these; ``app.core.problems`` makes HTTP answers of them.
"""

from collections.abc import Sequence
from enum import Enum
from http import HTTPStatus
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, Field

PROBLEM_MEDIA_TYPE = "application/problem+json"


class ProblemType(Enum):
    """Every type of problem that the API reports: its slug, status and title."""

    MALFORMED_BODY = ("malformed-body", HTTPStatus.BAD_REQUEST, "Malformed body")
    NOT_FOUND = ("not-found", HTTPStatus.NOT_FOUND, "Not found")
    METHOD_NOT_ALLOWED = (
        "method-not-allowed",
        HTTPStatus.METHOD_NOT_ALLOWED,
        "Method not allowed",
    )
    BODY_TIMEOUT = ("body-timeout", HTTPStatus.REQUEST_TIMEOUT, "Body timeout")
    ALREADY_TAKEN = ("already-taken", HTTPStatus.CONFLICT, "Already taken")
    REFERENCE_MISSING = ("reference-missing", HTTPStatus.CONFLICT, "Reference missing")
    STILL_IN_USE = ("still-in-use", HTTPStatus.CONFLICT, "Still in use")
    KEY_IN_FLIGHT = (
        "idempotency-key-in-flight",
        HTTPStatus.CONFLICT,
        "Idempotency key in flight",
    )
    TRAINING_FULL = ("training-full", HTTPStatus.CONFLICT, "Training full")
    ATHLETE_BUSY = ("athlete-busy", HTTPStatus.CONFLICT, "Athlete busy")
    CENTRE_FULL = ("centre-full", HTTPStatus.CONFLICT, "Centre full")
    WRONG_STATE = ("wrong-state", HTTPStatus.CONFLICT, "Wrong state")
    PRECONDITION_FAILED = (
        "precondition-failed",
        HTTPStatus.PRECONDITION_FAILED,
        "Precondition failed",
    )
    CONTENT_TOO_LARGE = (
        "content-too-large",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "Content too large",
    )
    UNSUPPORTED_MEDIA_TYPE = (
        "unsupported-media-type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Unsupported media type",
    )
    UNTRUSTED_HOST = ("untrusted-host", HTTPStatus.MISDIRECTED_REQUEST, "Untrusted host")
    INVALID = ("invalid", HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid request")
    KEY_REUSED = (
        "idempotency-key-reused",
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Idempotency key reused",
    )
    INTERNAL_ERROR = ("internal-error", HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error")
    UNAVAILABLE = ("unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Unavailable")

    def __init__(self, slug: str, status: HTTPStatus, title: str) -> None:
        self.slug = slug
        self.status = int(status)
        self.title = title

    @property
    def uri(self) -> str:
        """The ``type`` member of a problem document."""
        return f"/problems/{self.slug}"


def _cut(pointer: str) -> str:
    # It may name a field that a client made up, of any length.
    return pointer[:100]


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    pointer: Annotated[str, AfterValidator(_cut)] = Field(
        description="A JSON Pointer into the body, `?name` for a query parameter,"
        " `{name}` for a part of the path, or the name of a header.",
        examples=["/name"],
    )
    code: str = Field(description="A stable word for programs.", examples=["taken"])
    detail: str = Field(
        description="A sentence for people.", examples=["Another category has this name."]
    )


class DomainError(Exception):
    """A refusal that the caller can understand; subclasses name its type."""

    type: ClassVar[ProblemType]
    retry_after: ClassVar[int | None] = None
    """Seconds after which the same request may do better; None if it will not."""

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)

    @classmethod
    def of_field(cls, pointer: str, code: str, detail: str) -> Self:
        """Make the error that one field is to blame for."""
        return cls(detail, [FieldError(pointer=pointer, code=code, detail=detail)])


class MalformedBody(DomainError):
    """The body is not what it is declared to be, JSON for example, or not UTF-8."""

    type = ProblemType.MALFORMED_BODY


class NotFound(DomainError):
    """There is no such row."""

    type = ProblemType.NOT_FOUND


class BodyTimeout(DomainError):
    """The body does not arrive in time."""

    type = ProblemType.BODY_TIMEOUT


class Conflict(DomainError):
    """The request is fine, and what is stored does not allow it."""


class AlreadyTaken(Conflict):
    """Another row has the value of a unique field."""

    type = ProblemType.ALREADY_TAKEN


class ReferenceMissing(Conflict):
    """A row that the request refers to does not exist."""

    type = ProblemType.REFERENCE_MISSING


class StillInUse(Conflict):
    """Other rows refer to the row that should go."""

    type = ProblemType.STILL_IN_USE


class KeyInFlight(Conflict):
    """Another request with the same idempotency key is under way."""

    type = ProblemType.KEY_IN_FLIGHT
    retry_after = 1


class PreconditionFailed(DomainError):
    """The row is not in the version that the client knows."""

    type = ProblemType.PRECONDITION_FAILED


class ContentTooLarge(DomainError):
    """The body is longer than it may be."""

    type = ProblemType.CONTENT_TOO_LARGE


class UnsupportedMediaType(DomainError):
    """The body is not declared as what the endpoint reads."""

    type = ProblemType.UNSUPPORTED_MEDIA_TYPE


class UntrustedHost(DomainError):
    """The request is for a host that this service does not answer for."""

    type = ProblemType.UNTRUSTED_HOST


class Invalid(DomainError):
    """The request is well-formed, and its values are not what they may be."""

    type = ProblemType.INVALID


class KeyReused(Invalid):
    """The idempotency key belongs to another request."""

    type = ProblemType.KEY_REUSED


class Unavailable(DomainError):
    """The service cannot answer now."""

    type = ProblemType.UNAVAILABLE
    retry_after = 1
