"""Access to routes: what each route declares, its caller, and the errors 401 and 403.

Each route declares the scopes that it needs, or that it is ``PUBLIC``. ``ContractRoute`` finds the
caller of a request before it looks at anything else in it.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from fastapi import Depends, FastAPI, Request, Security
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPBearer
from starlette.types import Scope

from app.core.db.journal import acts_as
from app.core.db.schema import CALLER as CALLER_ID
from app.core.db.schema import CALLER_IS_ADMIN
from app.core.db.statements import Statement
from app.core.db.transactions import Reader, Runner, Transaction
from app.core.errors import Forbidden, InsufficientScope, InvalidToken, Unauthenticated

DATABASE = "database"
"""Key in ``scope["state"]`` of what runs the statements of a request, in place of the app's."""
CALLER = "caller"
"""Key in ``scope["state"]`` of the caller of a request."""

Result = TypeVar("Result")

_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/=-]{1,4096})", re.IGNORECASE)


class Caller(NamedTuple):
    """The caller of a request: the owner of its token."""

    token_id: UUID
    """The id of the token, or of the session that a JWT belongs to."""
    kind: str
    """What kind of token it is: a ``session`` for example."""
    scopes: frozenset[str]
    account_id: UUID | None
    """None for a token that belongs to a centre."""
    centre_id: UUID | None = None
    is_admin: bool = False

    expires_at: datetime | None = None
    """When the token ends; None for one that never does."""
    log: Mapping[str, str] = {}
    """What the log line of a request says about its caller; no secret."""

    @property
    def owner(self) -> UUID:
        """The id that limits and keys of this caller belong to: the account, else the token."""
        return self.account_id or self.token_id


class Authenticator(Protocol):
    """Finds the callers that tokens belong to: ``app.state.callers``."""

    def recent(self, token: bytes) -> Caller | None:
        """Return the caller of a token that was found a moment ago, or None."""

    async def find(self, token: bytes, database: Runner) -> Caller | None:
        """Return the caller of a token as the database has it now, or None."""


class BearerToken(HTTPBearer):
    """The security scheme of the API, as a dependency that provides the caller."""

    def __init__(self) -> None:
        super().__init__(
            scheme_name="token",
            description="A token of a session, a personal token, or a device token: `cfs_…`. A JWT"
            " of a session is accepted too.",
            auto_error=False,
        )

    async def __call__(self, request: Request) -> Caller:  # type: ignore[override]
        """Return the caller that ``ContractRoute`` found."""
        caller: Caller = request.scope["state"][CALLER]
        return caller


_bearer = BearerToken()


async def _anyone() -> None:
    """Mark a route as public."""


async def _own() -> None:
    """Mark a route as one about the caller's own account."""


PUBLIC = Depends(_anyone)
"""A dependency of a route that needs no caller."""
OWN = Depends(_own)
"""A dependency of a route about the caller's own account, which everyone may call."""
ANY_CALLER = Security(_bearer)
"""A dependency of a route that needs a caller, and no scope."""
CallerDep = Annotated[Caller, ANY_CALLER]


def needs(*scopes: str) -> Any:
    """Return a dependency of a route that needs a caller with these scopes."""
    return Security(_bearer, scopes=list(scopes))


class Access(NamedTuple):
    """What a route declares: it needs a caller with some scopes."""

    scopes: frozenset[str]
    is_own: bool

    def check(self, caller: Caller) -> None:
        """Raise ``InsufficientScope`` or ``Forbidden`` if the caller may not use the route."""
        if not self.scopes <= caller.scopes:
            missing = self.scopes - caller.scopes
            raise InsufficientScope(f"The token lacks the scope {' and '.join(sorted(missing))}.")
        if self.is_own and caller.account_id is None:
            raise Forbidden("The token of a device has no account.")
        if self.scopes and not (self.is_own or caller.is_admin):
            raise Forbidden("Only an administrator may do this.")


def access_to(dependant: Any) -> Access | None:
    """Return what a route declares; None if it is public. Raise ``TypeError`` if it declares none.

    ``dependant`` is what FastAPI makes of the dependencies of the route.
    """
    calls = list(_dependants(dependant))
    scopes = [one.own_oauth_scopes or [] for one in calls if one.call is _bearer]
    is_public = any(one.call is _anyone for one in calls)
    if is_public == bool(scopes):
        raise TypeError(f"{dependant.call}: declare either scopes with `needs`, or PUBLIC")
    if is_public:
        return None
    is_own = any(one.call is _own for one in calls)
    return Access(frozenset(scope for some in scopes for scope in some), is_own)


def _dependants(dependant: Any) -> Iterator[Any]:
    for needed in dependant.dependencies:
        yield needed
        yield from _dependants(needed)


def require_declarations(app: FastAPI, framework: Iterable[str]) -> None:
    """Raise ``TypeError`` if a route declares neither scopes nor ``PUBLIC``.

    ``framework`` has the paths of the documentation, whose routes are not ours.
    """
    public = set(framework)
    for route in iter_route_contexts(app.routes):
        if route.path in public:
            continue
        if not isinstance(route.original_route, APIRoute):
            raise TypeError(f"{route.path} is no API route, so it cannot declare its scopes")
        access_to(route.dependant)


async def admit(request: Request, access: Access) -> None:
    """Find the caller of a request, and check that the route admits them.

    A request may use a caller that was found a moment ago. A write then checks the caller again, at
    the latest in its statement. Raise ``Unauthenticated``, ``InvalidToken``, ``InsufficientScope``
    or ``Forbidden``.
    """
    token, state = _token_of(request.scope), request.scope["state"]
    callers: Authenticator = request.app.state.callers
    caller = callers.recent(token)
    if caller is None:
        state[CALLER] = caller = await _found(callers, token, request.app.state.database)
        acts_as(caller.owner)
        access.check(caller)
        return
    state[CALLER] = caller
    acts_as(caller.owner)
    if request.scope["method"] == "GET":
        access.check(caller)
        return
    checked = CheckedRunner(request.app.state.database, callers, token, access, caller)
    state[DATABASE] = checked
    try:
        access.check(caller)
    except Forbidden:
        await checked.confirm()  # the rights may be others by now, or the token may have ended


async def confirm_caller(request: Request) -> None:
    """Look up the caller of a write now, if that has not been done."""
    database = request.scope["state"].get(DATABASE)
    if isinstance(database, CheckedRunner):
        await database.confirm()


class CheckedRunner:
    """Runs the statements of a write whose caller was found a moment ago.

    A statement with ``CALLER_HOLDS`` checks the caller itself. Before any other one, the caller is
    looked up. It must not refer to the request, which refers to it: each such cycle is work for the
    garbage collector.
    """

    __slots__ = ("_access", "_caller", "_callers", "_database", "_is_confirmed", "_token")

    def __init__(
        self,
        database: Runner,
        callers: Authenticator,
        token: bytes,
        access: Access,
        caller: Caller,
    ) -> None:
        self._database, self._callers, self._token = database, callers, token
        self._access = access
        self._caller = {CALLER_ID: caller.token_id, CALLER_IS_ADMIN: caller.is_admin}
        self._is_confirmed = False

    async def confirm(self) -> None:
        """Look up the caller, once; raise what ``admit`` raises."""
        if self._is_confirmed:
            return
        self._access.check(await _found(self._callers, self._token, self._database))
        self._is_confirmed = True

    @property
    def costly(self) -> Reader:
        """The runner itself: a write has no costly reads."""
        return self

    async def row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run a statement and return its first row, or None."""
        if statement.checks_caller:
            values = {**values, **self._caller}
        else:
            await self.confirm()
        return await self._database.row(statement, values)

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Any]:
        """Run a statement and return its rows."""
        await self.confirm()
        return await self._database.rows(statement, values)

    async def row_by_id(self, statement: Statement, row_id: UUID) -> Any:
        """Run a statement over ``ids`` for one of them, and return its row, or None."""
        await self.confirm()
        return await self._database.row_by_id(statement, row_id)

    async def transaction(self, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """Run several statements in one transaction."""
        await self.confirm()
        return await self._database.transaction(work)


async def _found(callers: Authenticator, token: bytes, database: Runner) -> Caller:
    caller = await callers.find(token, database)
    if caller is None:
        raise InvalidToken("The token is unknown, expired or revoked.")
    return caller


def _token_of(scope: Scope) -> bytes:
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if not given:
        raise Unauthenticated("This request needs a token: Authorization: Bearer cfs_….")
    match = _BEARER.fullmatch(given[0])
    if match is None or len(given) > 1:
        raise InvalidToken("The Authorization header must be: Bearer, a space, and one token.")
    return match[1]
