"""Errors about accounts and logins."""

from app.core.errors import Conflict, DomainError, ProblemType, Unauthenticated


class WrongCredentials(Unauthenticated):
    """No enabled account has this address and password."""

    type = ProblemType("wrong-credentials", 401, "Wrong credentials")


class LastAdmin(Conflict):
    """The change would leave no enabled administrator."""

    type = ProblemType("last-admin", 409, "Last administrator")


class AccountDisabled(Conflict):
    """The account is disabled."""

    type = ProblemType("account-disabled", 409, "Account disabled")


class TooManyAttempts(DomainError):
    """Too many attempts to log in with this address, or from this network."""

    type = ProblemType("too-many-attempts", 429, "Too many attempts")

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
