"""The errors of the API, by HTTP status code.

::

    DomainError
      MalformedBody            400
      MalformedRequest
      Unauthenticated          401
        InvalidToken
      Forbidden                403
        InsufficientScope
      NotFound                 404
      MethodNotAllowed         405
      BodyTimeout              408
      Conflict                 409
        AlreadyTaken
        ReferenceMissing
        StillInUse
        KeyInFlight
        Erased
        WrongState
        (and those of features)
      PreconditionFailed       412
      ContentTooLarge          413
      URITooLong               414
      UnsupportedMediaType     415
        UnsupportedCoding
      UntrustedHost            421
      Invalid                  422
        KeyReused
      TooManyKeys              429
      TooManyConflicts
      HeadersTooLarge          431
      InternalError            500
      Unavailable              503

Every layer raises these; ``app.core.http.problems`` turns them into HTTP responses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, Field

PROBLEM_MEDIA_TYPE = "application/problem+json"
RFC_3339 = "%Y-%m-%dT%H:%M:%S.%fZ"
"""The format of a time in UTC, in details and logs as in responses: six digits and ``Z``."""


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
    # A client may invent a field, with a name of any length.
    return pointer[:100]


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    pointer: Annotated[str, AfterValidator(_cut)] = Field(
        description="A JSON Pointer into the body, `?name` for a query parameter,"
        " `{name}` for a path parameter, or the name of a header.",
        examples=["/name"],
    )
    code: str = Field(description="A stable code for programs.", examples=["taken"])
    detail: str = Field(
        description="A sentence for people.", examples=["Another category has this name."]
    )


class DomainError(Exception):
    """An error that is reported to the client; each subclass that is raised has a ``type``."""

    type: ClassVar[ProblemType]
    retry_after: int | None = None
    """Seconds to wait before a retry; None if a retry does not help."""
    headers: ClassVar[dict[str, str]] = {}
    """Further headers of the response."""

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)

    @classmethod
    def of_field(cls, pointer: str, code: str, detail: str) -> Self:
        """Make an error that concerns one field."""
        return cls(detail, [FieldError(pointer=pointer, code=code, detail=detail)])


class MalformedBody(DomainError):
    """The body is not UTF-8, not the declared media type (JSON for example), or cut off."""

    type = ProblemType("malformed-body", 400, "Malformed body")


class MalformedRequest(DomainError):
    """The request is not valid HTTP, or its URL is not UTF-8 once it is decoded."""

    type = ProblemType("malformed-request", 400, "Malformed request")


class Unauthenticated(DomainError):
    """The request has no token."""

    type = ProblemType("unauthenticated", 401, "Unauthenticated")
    headers: ClassVar = {"WWW-Authenticate": "Bearer"}


class InvalidToken(Unauthenticated):
    """The token of the request is malformed, unknown, expired or revoked."""

    type = ProblemType("invalid-token", 401, "Invalid token")
    headers: ClassVar = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class Forbidden(DomainError):
    """The caller may not do this."""

    type = ProblemType("forbidden", 403, "Forbidden")


class InsufficientScope(Forbidden):
    """The token of the request lacks a scope."""

    type = ProblemType("insufficient-scope", 403, "Insufficient scope")
    headers: ClassVar = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}


class NotFound(DomainError):
    """The row or the path does not exist."""

    type = ProblemType("not-found", 404, "Not found")


class MethodNotAllowed(DomainError):
    """The path does not support the method of the request."""

    type = ProblemType("method-not-allowed", 405, "Method not allowed")


class BodyTimeout(DomainError):
    """The body does not arrive before the timeout."""

    type = ProblemType("body-timeout", 408, "Body timeout")


class Conflict(DomainError):
    """The request is valid, but conflicts with stored rows or with a request in flight."""


class AlreadyTaken(Conflict):
    """Another row already has the value of a unique field."""

    type = ProblemType("already-taken", 409, "Already taken")


class ReferenceMissing(Conflict):
    """A row that the request refers to does not exist."""

    type = ProblemType("reference-missing", 409, "Reference missing")


class StillInUse(Conflict):
    """Other rows refer to the row that should be deleted."""

    type = ProblemType("still-in-use", 409, "Still in use")


class KeyInFlight(Conflict):
    """Another request with the same idempotency key is in flight."""

    type = ProblemType("idempotency-key-in-flight", 409, "Idempotency key in flight")
    retry_after = 1


class Erased(Conflict):
    """The person that the request is about was erased."""

    type = ProblemType("erased", 409, "Erased")


class WrongState(Conflict):
    """The state of a row does not allow this change: a training that has started for example."""

    type = ProblemType("wrong-state", 409, "Wrong state")


class PreconditionFailed(DomainError):
    """Optimistic locking: ``If-Match`` does not accept the current version of the row."""

    type = ProblemType("precondition-failed", 412, "Precondition failed")


class ContentTooLarge(DomainError):
    """The body is longer than the limit."""

    type = ProblemType("content-too-large", 413, "Content too large")


class URITooLong(DomainError):
    """The URL is longer than the limit."""

    type = ProblemType("uri-too-long", 414, "URI too long")


class UnsupportedMediaType(DomainError):
    """The body has a ``Content-Type`` that the endpoint does not accept."""

    type = ProblemType("unsupported-media-type", 415, "Unsupported media type")


class UnsupportedCoding(UnsupportedMediaType):
    """The body is compressed; the header says that no coding is supported (RFC 9110, 12.5.3)."""

    headers: ClassVar = {"Accept-Encoding": "identity"}


class UntrustedHost(DomainError):
    """The request is for a host that this service does not serve."""

    type = ProblemType("untrusted-host", 421, "Untrusted host")


class Invalid(DomainError):
    """The request is well-formed, but some of its values are not valid."""

    type = ProblemType("invalid", 422, "Invalid request")


class KeyReused(Invalid):
    """The idempotency key was already used for a different request."""

    type = ProblemType("idempotency-key-reused", 422, "Idempotency key reused")


class TooManyKeys(DomainError):
    """The client has too many idempotency keys that have not expired."""

    type = ProblemType("too-many-idempotency-keys", 429, "Too many idempotency keys")
    retry_after = 10


class TooManyConflicts(DomainError):
    """The caller has sent too many unique values that are already taken."""

    type = ProblemType("too-many-conflicts", 429, "Too many conflicts")
    retry_after = 60


class HeadersTooLarge(DomainError):
    """The headers are longer than the limit."""

    type = ProblemType("headers-too-large", 431, "Headers too large")


class InternalError(DomainError):
    """The service has a bug."""

    type = ProblemType("internal-error", 500, "Internal error")


class Unavailable(DomainError):
    """The service cannot handle the request now."""

    type = ProblemType("unavailable", 503, "Unavailable")
    retry_after = 1


def problem_types() -> list[ProblemType]:
    """Return every problem type, also those of imported features, sorted by status and slug."""

    def declared(error: type[DomainError]) -> Iterator[ProblemType]:
        if "type" in vars(error):
            yield error.type
        for more_special in error.__subclasses__():
            yield from declared(more_special)

    return sorted(declared(DomainError), key=lambda one: (one.status, one.slug))
