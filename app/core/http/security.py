"""Access to routes: what each route declares, its caller, and the errors 401 and 403.

Each route declares the scopes that it needs, or that it is ``PUBLIC``. ``ContractRoute`` finds the
caller of a request before it looks at anything else in it.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from fastapi import Depends, FastAPI, Request, Security
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPBearer
from starlette.types import Scope

from app.core.access import NOBODY, OF_COMMAND, Caller, Right
from app.core.db.journal import acts_as
from app.core.db.schema import CALLER as CALLER_ID
from app.core.db.schema import CALLER_ATHLETE, CALLER_IS_ADMIN, CALLER_ROLES
from app.core.db.statements import Statement
from app.core.db.transactions import Reader, Runner, Transaction
from app.core.errors import Forbidden, InsufficientScope, InvalidToken, Unauthenticated

DATABASE = "database"
"""Key in ``scope["state"]`` of what runs the statements of a request, in place of the app's."""
CALLER = "caller"
"""Key in ``scope["state"]`` of the caller of a request."""

Result = TypeVar("Result")

_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/=-]{1,4096})", re.IGNORECASE)


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
"""The caller of a route that is about the caller."""


def needs(*scopes: str) -> Any:
    """Return a dependency of a route that needs a caller with these scopes."""
    return Security(_bearer, scopes=list(scopes))


def only(right: Right) -> Any:
    """Return a dependency of a route that needs a caller who has a right for some row.

    For routes without the id of a row in their path. The others compare the row itself.
    """
    return Depends(_Declaration(right=right).mark)


def open_to(public: str) -> Any:
    """Return a dependency of a route that needs no caller if ``PUBLIC_READ`` has ``public``."""
    return Depends(_Declaration(public=public).mark)


class _Declaration:
    """What a route declares beside its scopes."""

    def __init__(self, right: Right | None = None, public: str | None = None) -> None:
        self.right, self.public = right, public

    async def mark(self) -> None:
        """Do nothing: the declaration is read when the route is built."""


class Access(NamedTuple):
    """What a route declares: it needs a caller with some scopes."""

    scopes: frozenset[str]
    is_own: bool
    right: Right | None = None
    public: str | None = None

    def check(self, caller: Caller) -> None:
        """Raise ``InsufficientScope`` or ``Forbidden`` if the caller may not use the route."""
        if not self.scopes <= caller.scopes:
            missing = self.scopes - caller.scopes
            raise InsufficientScope(f"The token lacks the scope {' and '.join(sorted(missing))}.")
        if self.is_own and caller.account_id is None:
            raise Forbidden("The token of a device has no account.")
        if self.right is not None and not self.right.reach(caller):
            raise Forbidden("Your roles do not allow this.")


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
    declared = [one for call in calls if (one := _declaration(call.call))]
    right = next((one.right for one in declared if one.right), None)
    public = next((one.public for one in declared if one.public), None)
    return Access(frozenset(scope for some in scopes for scope in some), is_own, right, public)


def _declaration(call: object) -> _Declaration | None:
    owner = getattr(call, "__self__", None)
    return owner if isinstance(owner, _Declaration) else None


def only_declares(call: object) -> bool:
    """Return whether a dependency only declares who may call a route, and does nothing."""
    return call in (_anyone, _own, _bearer) or _declaration(call) is not None


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


class CallerChanged(Exception):
    """The rights of the caller are others than a moment ago; nothing is written yet."""

    def __init__(self, caller: Caller) -> None:
        super().__init__()
        self.caller = caller


async def admit(request: Request, access: Access) -> None:
    """Find the caller of a request, and check that the route admits them.

    A request may use a caller that was found a moment ago. A write checks the caller again, at the
    latest in its statement: its body may take long to arrive. Raise ``Unauthenticated``,
    ``InvalidToken``, ``InsufficientScope`` or ``Forbidden``.
    """
    state = request.scope["state"]
    if access.public and _is_public(request, access.public):
        state[CALLER] = NOBODY._replace(public=(access.public,))
        return
    token = _token_of(request.scope)
    app = request.app.state
    callers: Authenticator = app.callers
    recent = callers.recent(token)
    caller = recent or await _found(callers, token, app.database)
    state[CALLER] = caller
    acts_as(caller.owner)
    writes = request.scope["method"] != "GET" and caller.kind != OF_COMMAND
    if writes:
        state[DATABASE] = CheckedRunner(app.database, callers, token, access, caller)
    try:
        access.check(caller)
    except Forbidden:
        if not (recent and writes):
            raise
        # The rights may be others by now, or the token may have ended.
        await caller_has_changed(request)
        access.check(state[CALLER])


def _is_public(request: Request, public: str) -> bool:
    """Return whether a request without a token may read what a route is open for."""
    settings = request.app.state.settings
    return public in settings.public_read and not _tokens_in(request.scope)


async def caller_has_changed(request: Request) -> bool:
    """Look up the caller of a write now; if the rights are others than before, use the new ones."""
    database = request.scope["state"].get(DATABASE)
    if isinstance(database, CheckedRunner):
        try:
            await database.confirm()
        except CallerChanged as changed:
            use_caller(request, changed.caller)
            return True
    return False


def use_caller(request: Request, caller: Caller) -> None:
    """Handle a request as that of a caller who was found just now."""
    state = request.scope["state"]
    state[CALLER] = caller
    state.pop(DATABASE, None)


class CheckedRunner:
    """Runs the statements of a write whose caller was found a moment ago.

    A statement with ``CALLER_HOLDS`` checks the caller itself. Before any other one, the caller is
    looked up. It must not refer to the request, which refers to it: each such cycle is work for the
    garbage collector.
    """

    __slots__ = (
        *("_access", "_caller", "_callers", "_database", "_is_confirmed", "_standing", "_token"),
    )

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
        self._caller = {
            CALLER_ID: caller.token_id,
            CALLER_IS_ADMIN: caller.is_admin,
            CALLER_ROLES: caller.role_names,
            CALLER_ATHLETE: caller.athlete_id,
        }
        self._standing = caller.standing
        self._is_confirmed = False

    async def confirm(self) -> None:
        """Look up the caller, once.

        Raise ``CallerChanged`` if the rights are others than a moment ago, or what ``admit``
        raises.
        """
        if self._is_confirmed:
            return
        caller = await _found(self._callers, self._token, self._database)
        self._access.check(caller)
        self._is_confirmed = True
        if caller.standing != self._standing:
            raise CallerChanged(caller)

    @property
    def costly(self) -> Reader:
        """The runner itself: a write has no costly reads."""
        return self

    async def row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run a statement and return its first row, or None."""
        if not statement.checks_caller or self._is_confirmed:
            await self.confirm()
            return await self._database.row(statement, values)
        row = await self._database.row(statement, {**values, **self._caller})
        # What has written must not be handled again.
        self._is_confirmed = row is not None
        return row

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Any]:
        """Run a statement and return its rows."""
        await self.confirm()
        return await self._database.rows(statement, values)

    async def row_by_id(self, statement: Statement, row_id: UUID) -> Any:
        """Run a statement over ``ids`` for one of them, and return its row, or None."""
        await self.confirm()
        return await self._database.row_by_id(statement, row_id)

    async def shared_row(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        """Run a statement that only reads, maybe once for several requests; return its row."""
        await self.confirm()
        return await self._database.shared_row(statement, values)

    async def transaction(self, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """Run several statements in one transaction."""
        await self.confirm()
        return await self._database.transaction(work)


async def _found(callers: Authenticator, token: bytes, database: Runner) -> Caller:
    caller = await callers.find(token, database)
    if caller is None:
        raise InvalidToken("The token is unknown, expired or revoked.")
    return caller


def _tokens_in(scope: Scope) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == b"authorization"]


def _token_of(scope: Scope) -> bytes:
    given = _tokens_in(scope)
    if not given:
        raise Unauthenticated("This request needs a token: Authorization: Bearer cfs_….")
    match = _BEARER.fullmatch(given[0])
    if match is None or len(given) > 1:
        raise InvalidToken("The Authorization header must be: Bearer, a space, and one token.")
    return match[1]
