"""Operations on tokens: sessions, personal tokens and devices."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from app.centres.crud import CentresCRUD
from app.core.access import Caller
from app.core.db.statements import new_values
from app.core.db.transactions import Runner
from app.core.errors import Forbidden, InsufficientScope, Invalid, NotFound, ReferenceMissing
from app.core.resources.crud import CRUD, Resource
from app.core.resources.models import Payload
from app.core.resources.paging import ListQuery, PageOfJSON
from app.core.resources.queries import FULL
from app.identity import rights
from app.identity.models import DEVICE_SCOPES, SCOPES, WALK_INS
from app.identity.tokens.credentials import Credential, new_credential
from app.identity.tokens.jwt import Issued, Issuer, issue
from app.identity.tokens.models import (
    LONGEST_LIFETIME,
    SESSION_LIFETIME,
    DeviceCreate,
    TokenCreate,
)
from app.identity.tokens.queries import (
    DEVICE_QUERIES,
    PERSONAL_QUERIES,
    SESSION_QUERIES,
    TokenQueries,
)


class WithSecret(NamedTuple):
    """A new row, and the token or code that is shown once."""

    resource: Resource
    secret: str

    def __repr__(self) -> str:
        """Leave out the secret."""
        return f"WithSecret({self.resource.id})"


class TokensOfKind(CRUD[Payload, Payload]):
    """Makes, lists and revokes the tokens of one kind."""

    queries: ClassVar[TokenQueries]
    sees: ClassVar = rights.OWN_TOKENS
    kind: ClassVar[str]

    async def of_caller(self, caller: Caller, query: ListQuery) -> PageOfJSON:
        """Return a page of the live tokens of the caller's account."""
        return await self.listed(query, _owned_by(caller))

    async def revoke_own(self, caller: Caller, token_id: UUID) -> None:
        """Revoke a token of the caller's account; raise ``NotFound``."""
        await self.revoke(token_id, _owned_by(caller))

    async def listed(self, query: ListQuery, owner: Mapping[str, UUID]) -> PageOfJSON:
        """Return a page of the live tokens of an account, or of a centre."""
        return await self.page(query, {"kind": self.kind, **owner})

    async def revoke(self, token_id: UUID, owner: Mapping[str, UUID] | None = None) -> None:
        """Revoke a token of an account; raise ``NotFound``."""
        wanted = {"kind": self.kind, "ids": [token_id], **(owner or {})}
        filters, values = self._within(self.reach(), wanted)
        if not await self._database.rows(self.queries.revoke_query(filters), values):
            await self._waits_for_standby(token_id)  # as a retry of a DELETE does
            raise self.not_found()

    @classmethod
    async def revoke_all(cls, runner: Runner, account_id: UUID, kept_id: UUID | None) -> None:
        """Revoke all tokens of this kind of an account, but for one."""
        wanted = {"kind": cls.kind, "account_id": account_id}
        if kept_id is not None:
            wanted["kept_id"] = kept_id
        await cls._revoke(runner, wanted)

    @classmethod
    async def _revoke(cls, runner: Runner, wanted: Mapping[str, Any]) -> list[Any]:
        return await runner.rows(cls.queries.revoke_query(frozenset(wanted)), wanted)

    @classmethod
    async def insert(
        cls, runner: Runner, expires_at: datetime, fields: Mapping[str, Any]
    ) -> WithSecret:
        """Insert a token of this kind."""
        credential = new_credential()
        values = new_values(
            cls.queries.table, _token_fields(credential, cls.kind, expires_at, fields)
        )
        return WithSecret(await cls._insert(runner, values), credential.text)


def _owned_by(caller: Caller) -> dict[str, UUID]:
    """Return the filter for the tokens of the caller's account; raise ``Forbidden``."""
    if caller.account_id is None:
        raise Forbidden("The token of a device has no account.")
    return {"account_id": caller.account_id}


def _token_fields(
    credential: Credential, kind: str, expires_at: datetime, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the columns of a new token."""
    return {
        "id": credential.id,
        "secret_hash": credential.secret_hash,
        "kind": kind,
        "expires_at": expires_at,
        **dict.fromkeys(("account_id", "centre_id", "name", "last_used_at", "revoked_at")),
        **fields,
    }


class SessionsCRUD(TokensOfKind):
    """Makes, lists and revokes sessions."""

    queries = SESSION_QUERIES
    kind = "session"

    @classmethod
    async def begin(cls, runner: Runner, account_id: UUID) -> WithSecret:
        """Begin a session of an account."""
        await runner.rows(cls.queries.tidy_query(), {"account_id": account_id})
        fields = {"account_id": account_id, "scopes": list(SCOPES)}
        return await cls.insert(runner, datetime.now(UTC) + SESSION_LIFETIME, fields)

    async def jwt(self, caller: Caller, issuer: Issuer) -> Issued:
        """Make a JWT for the caller's session; raise ``NotFound`` if the token is no session."""
        if caller.kind != self.kind or caller.account_id is None:
            raise NotFound("The token of this request is no session.")
        return await issue(self._database, issuer, caller.account_id, caller.token_id)

    @classmethod
    def noun(cls) -> str:
        """Return the name of a row in messages."""
        return "session"


class PersonalTokensCRUD(TokensOfKind):
    """Makes, lists and revokes personal tokens."""

    queries = PERSONAL_QUERIES
    kind = "personal"

    async def make(self, caller: Caller, payload: TokenCreate) -> WithSecret:
        """Make a personal token of the caller's account, which does not exceed the caller's own."""
        exceeding = sorted(set(payload.scopes) - caller.scopes)
        if exceeding:
            raise Invalid.of_field(
                "/scopes", "exceeding", f"Your own token lacks {' and '.join(exceeding)}."
            )
        fields = {
            **_owned_by(caller),
            "name": payload.name,
            "scopes": list(dict.fromkeys(payload.scopes)),
        }
        expires_at = datetime.now(UTC) + timedelta(payload.expires_in_days)
        if caller.kind == self.kind and caller.expires_at is not None:
            expires_at = min(expires_at, caller.expires_at)
        return await self.insert(self._database, expires_at, fields)


class DevicesCRUD(TokensOfKind):
    """Makes, lists and revokes the devices of centres."""

    queries = DEVICE_QUERIES
    sees: ClassVar = {FULL: rights.DEVICES}
    kind = "device"

    def __init__(self, database: Runner, caller: Caller) -> None:
        super().__init__(database, caller)
        self._centres = CentresCRUD(database, caller)

    async def at_centre(self, centre_id: UUID, query: ListQuery) -> PageOfJSON:
        """Return a page of the devices of a centre; raise ``NotFound`` or ``Forbidden``."""
        await self._centres.require_right(rights.DEVICES, centre_id)
        page = await self.listed(query, {"centre_id": centre_id})
        if page.is_empty:
            await self._centres.require(centre_id)
        return page

    async def make(self, centre_id: UUID, payload: DeviceCreate) -> WithSecret:
        """Make a device at a centre; raise ``NotFound``, ``Forbidden`` or ``InsufficientScope``."""
        await self._centres.require_right(rights.DEVICES, centre_id)
        scopes = [*DEVICE_SCOPES, *([WALK_INS] if payload.walk_ins else [])]
        if not self._caller.scopes.issuperset(scopes):
            raise InsufficientScope(f"The token lacks the scope {WALK_INS}.")
        fields = {"centre_id": centre_id, "name": payload.name, "scopes": scopes}
        try:
            return await self.insert(self._database, datetime.now(UTC) + LONGEST_LIFETIME, fields)
        except ReferenceMissing:
            raise CentresCRUD.not_found() from None

    @classmethod
    def noun(cls) -> str:
        """Return the name of a row in messages."""
        return "device"
