"""What can go wrong, as the API names it.

::

    DomainError
      MalformedBody            400
      NotFound                 404
      MethodNotAllowed         405
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
      InternalError            500
      Unavailable              503

The data layer raises these; ``app.core.http.problems`` makes HTTP answers of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, Field

PROBLEM_MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class ProblemType:
    """A kind of problem that the API reports."""

    slug: str
    status: int
    title: str

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
    """An error that the client can understand; each subclass that is raised has a ``type``."""

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

    type = ProblemType("malformed-body", 400, "Malformed body")


class NotFound(DomainError):
    """There is no such row."""

    type = ProblemType("not-found", 404, "Not found")


class MethodNotAllowed(DomainError):
    """The path does not have the method of the request."""

    type = ProblemType("method-not-allowed", 405, "Method not allowed")


class BodyTimeout(DomainError):
    """The body does not arrive in time."""

    type = ProblemType("body-timeout", 408, "Body timeout")


class Conflict(DomainError):
    """The request is fine, and what is stored does not allow it."""


class AlreadyTaken(Conflict):
    """Another row has the value of a unique field."""

    type = ProblemType("already-taken", 409, "Already taken")


class ReferenceMissing(Conflict):
    """A row that the request refers to does not exist."""

    type = ProblemType("reference-missing", 409, "Reference missing")


class StillInUse(Conflict):
    """Other rows refer to the row that should go."""

    type = ProblemType("still-in-use", 409, "Still in use")


class KeyInFlight(Conflict):
    """Another request with the same idempotency key is under way."""

    type = ProblemType("idempotency-key-in-flight", 409, "Idempotency key in flight")
    retry_after = 1


class PreconditionFailed(DomainError):
    """The row is not in the version that the client knows."""

    type = ProblemType("precondition-failed", 412, "Precondition failed")


class ContentTooLarge(DomainError):
    """The body is longer than it may be."""

    type = ProblemType("content-too-large", 413, "Content too large")


class UnsupportedMediaType(DomainError):
    """The body is not declared as what the endpoint reads."""

    type = ProblemType("unsupported-media-type", 415, "Unsupported media type")


class UntrustedHost(DomainError):
    """The request is for a host that this service does not answer for."""

    type = ProblemType("untrusted-host", 421, "Untrusted host")


class Invalid(DomainError):
    """The request is well-formed, and its values are not what they may be."""

    type = ProblemType("invalid", 422, "Invalid request")


class KeyReused(Invalid):
    """The idempotency key belongs to another request."""

    type = ProblemType("idempotency-key-reused", 422, "Idempotency key reused")


class InternalError(DomainError):
    """The service has a bug."""

    type = ProblemType("internal-error", 500, "Internal error")


class Unavailable(DomainError):
    """The service cannot answer now."""

    type = ProblemType("unavailable", 503, "Unavailable")
    retry_after = 1


def problem_types() -> list[ProblemType]:
    """List every problem type, those of the imported features too, by status and slug."""

    def declared(error: type[DomainError]) -> Iterator[ProblemType]:
        if "type" in vars(error):
            yield error.type
        for more_special in error.__subclasses__():
            yield from declared(more_special)

    return sorted(declared(DomainError), key=lambda one: (one.status, one.slug))
