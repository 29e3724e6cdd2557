"""Invitations and password resets: codes that set a password once."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from asyncpg import UniqueViolationError
from pydantic import SecretStr

from app.athletes.crud import AthletesCRUD
from app.centres.crud import CentresCRUD
from app.core.access import Caller, Reach
from app.core.db.journal import acts_as
from app.core.db.schema import table_of
from app.core.db.statements import new_values
from app.core.db.transactions import Runner, Transaction
from app.core.errors import AlreadyTaken, FieldError, Forbidden, Invalid, NotFound, ReferenceMissing
from app.core.resources.crud import CRUD
from app.core.resources.fields import new_id
from app.core.resources.models import Payload
from app.core.resources.paging import ListQuery, PageOfJSON
from app.core.resources.queries import FULL
from app.core.resources.text import email_key
from app.identity import rights
from app.identity.accounts.crud import AccountsCRUD
from app.identity.accounts.queries import put_staff_query
from app.identity.errors import AccountDisabled
from app.identity.login.models import Acceptance, InvitationCreate
from app.identity.login.queries import (
    CODE_QUERIES,
    forget_codes_query,
    insert_account_query,
    insert_code_query,
    lock_account_query,
    maker_query,
    set_password_query,
    taken_query,
)
from app.identity.models import Account, Code
from app.identity.passwords import Passwords
from app.identity.tokens.credentials import Credential, new_credential, presented
from app.identity.tokens.crud import SessionsCRUD, WithSecret

INVITATION_LIFETIME = timedelta(days=7)
RESET_LIFETIME = timedelta(hours=1)

_ACCOUNTS, _CODES = table_of(Account), table_of(Code)


@dataclass(frozen=True)
class NewReset:
    """The code of a reset, which is shown once, and when it expires."""

    code: str
    expires_at: datetime

    def __repr__(self) -> str:
        """Leave out the code."""
        return f"NewReset({self.expires_at})"


class CodesCRUD(CRUD[Payload, Payload]):
    """Makes, lists, revokes and accepts the codes of invitations and resets."""

    queries = CODE_QUERIES
    sees: ClassVar = {FULL: rights.INVITE_ATHLETES}

    def __init__(
        self, database: Runner, caller: Caller, passwords: Passwords, network: str
    ) -> None:
        super().__init__(database, caller)
        self._passwords = passwords
        self._network = network

    async def invite(self, payload: InvitationCreate) -> WithSecret:
        """Make an invitation, which replaces an earlier one to the same centre.

        Raise ``AlreadyTaken`` if the address or the athlete has an account, ``ReferenceMissing``
        for an athlete that the caller does not see, or ``Forbidden``.
        """
        await self._check_invitation(payload.centre_id, payload.athlete_id)
        credential = new_credential()
        fields = {
            "kind": "invitation",
            "account_id": None,
            "maker_id": self._caller.account_id,
            **payload.model_dump(),
        }
        values = _code_values(credential, INVITATION_LIFETIME, fields)

        async def work(transaction: Transaction) -> WithSecret:
            wanted = {"email_key": email_key(payload.email), "athlete_id": payload.athlete_id}
            taken = await transaction.row(taken_query(), wanted)
            errors = [
                FieldError(pointer=f"/{field}", code="taken", detail="It has an account already.")
                for field in ("email", "athlete_id")
                if taken[field]
            ]
            if errors:
                raise AlreadyTaken("This person has an account already.", errors)
            await transaction.rows(forget_codes_query(), {})
            await transaction.rows(self.queries.close_earlier_query(), values)
            return WithSecret(await self._insert(transaction, values), credential.text)

        return await self._database.transaction(work)

    async def invitations(self, query: ListQuery) -> PageOfJSON:
        """Return a page of the open invitations."""
        return await self.page(query, {"kind": "invitation"})

    async def revoke_invitation(self, invitation_id: UUID) -> None:
        """Revoke an open invitation; raise ``NotFound``."""
        filters, wanted = self._within(self.reach(), {"id": invitation_id, "kind": "invitation"})
        if not await self._database.rows(self.queries.close_query(filters, "revoked"), wanted):
            await self._waits_for_standby(invitation_id)  # as a retry of a DELETE does
            raise self.not_found()

    async def accept_invitation(self, acceptance: Acceptance) -> WithSecret:
        """Make the account of an invitation, and begin a session; the code is used up."""
        code = await self._open_code(acceptance.code, "invitation")
        async with self._passwords.place(self._network):
            new = await self._passwords.hash(acceptance.password)
        account_id = new_id()
        account = {
            "id": account_id,
            "password_hash": new,
            "is_admin": False,
            "disabled_at": None,
            "email": code["email"],
            "athlete_id": code["athlete_id"],
        }

        async def work(transaction: Transaction) -> WithSecret:
            acts_as(account_id)
            await self._use(transaction, code)
            await self._check_maker(transaction, code)
            await transaction.row(insert_account_query(), new_values(_ACCOUNTS, account))
            if code["role"]:
                role = {"id": new_id(), "account_id": account_id, "centre_id": code["centre_id"]}
                await transaction.row(put_staff_query(), {**role, "role": code["role"]})
            return await SessionsCRUD.begin(transaction, account_id)

        try:
            return await self._database.transaction(work)
        except UniqueViolationError:
            raise AlreadyTaken("This person has an account already.") from None

    async def reset(self, account_id: UUID) -> NewReset:
        """Make a code to reset the password of an account, which replaces an earlier one.

        Raise ``NotFound`` or ``AccountDisabled``.
        """
        self._check_reset()

        async def work(transaction: Transaction) -> NewReset:
            return await self.new_reset(transaction, account_id, self._caller.account_id)

        return await self._database.transaction(work)

    @classmethod
    async def new_reset(
        cls, transaction: Transaction, account_id: UUID, maker_id: UUID | None = None
    ) -> NewReset:
        """Make a code as ``reset`` does, in a transaction; a command has no maker."""
        # The account is locked before its codes, as by a request that disables it.
        account = await transaction.row(lock_account_query(), {"account_id": account_id})
        if account is None:
            raise AccountsCRUD.not_found()
        if account["disabled_at"] is not None:
            raise AccountDisabled("This account is disabled: enable it first.")
        await transaction.rows(forget_codes_query(), {})
        await cls.close(transaction, {"account_id": account_id})
        credential = new_credential()
        fields = {"kind": "reset", "account_id": account_id, "maker_id": maker_id}
        values = _code_values(credential, RESET_LIFETIME, fields)
        await transaction.row(insert_code_query(), values)
        return NewReset(credential.text, values["new_expires_at"])

    async def accept_reset(self, acceptance: Acceptance) -> WithSecret:
        """Set the password of a reset's account, end its sessions, and begin one."""
        code = await self._open_code(acceptance.code, "reset")
        async with self._passwords.place(self._network):
            new = await self._passwords.hash(acceptance.password)
        account_id = code["account_id"]
        values = {"account_id": account_id, "new_password_hash": new}

        async def work(transaction: Transaction) -> WithSecret:
            acts_as(account_id)
            # The account is locked before its codes, as by a request that disables it.
            if not await transaction.row(set_password_query(), values):
                raise _not_valid()
            await self._use(transaction, code)
            await self._check_maker(transaction, code)
            await SessionsCRUD.revoke_all(transaction, account_id, None)
            return await SessionsCRUD.begin(transaction, account_id)

        return await self._database.transaction(work)

    async def _open_code(self, code: SecretStr, kind: str) -> Any:
        given = presented(code.get_secret_value().encode(errors="replace"))
        if given is None:
            raise _not_valid()
        row = await self._database.row(self.queries.find_query(), {"id": given.id, "kind": kind})
        if not given.matches(row and row["secret_hash"]) or row is None:
            # To a retry, this says that the first request succeeded.
            await self._waits_for_standby(given.id)
            raise _not_valid()
        return row

    async def _use(self, transaction: Transaction, code: Mapping[str, Any]) -> None:
        if not await self.close(transaction, {"id": code["id"]}, "accepted"):
            raise _not_valid()  # another request has just used it

    async def _check_maker(self, transaction: Transaction, code: Mapping[str, Any]) -> None:
        """Raise ``Invalid`` if the maker of a code could not make it any more.

        They may be disabled or have lost a role, or the athlete may have another centre by now.
        """
        if code["maker_id"] is None:
            return
        row = await transaction.row(maker_query(), {"account_id": code["maker_id"]})
        if row is None:
            raise _not_valid()
        maker = self._caller._replace(
            account_id=code["maker_id"],
            is_admin=row["is_admin"],
            athlete_id=row["athlete_id"],
            roles=dict(zip(row["centres"], row["roles"], strict=True)),
        )
        codes = CodesCRUD(transaction, maker, self._passwords, self._network)
        try:
            if code["kind"] == "reset":
                codes._check_reset()
            else:
                await codes._check_invitation(code["centre_id"], code["athlete_id"])
        except (Forbidden, NotFound, ReferenceMissing):
            raise _not_valid() from None

    def _check_reset(self) -> None:
        """Raise ``NotFound`` if the caller may not reset passwords."""
        if not rights.ACCOUNTS.reach(self._caller):
            raise AccountsCRUD.not_found()

    async def _check_invitation(self, centre_id: UUID | None, athlete_id: UUID | None) -> None:
        """Raise ``Forbidden`` or ``ReferenceMissing`` if the caller may not make an invitation."""
        if self._caller.is_admin:
            return
        if not rights.INVITE_ATHLETES.reach(self._caller):
            raise Forbidden("Your roles do not allow this.")
        if centre_id is not None:
            with suppress(NotFound):  # the insert reports it
                centres = CentresCRUD(self._database, self._caller)
                await centres.require_right(rights.INVITE_STAFF, centre_id)
        if athlete_id is not None:
            # The account sees all centres of the athlete, so the right must reach all of them.
            athletes = AthletesCRUD(self._database, self._caller)
            await athletes.require_all_within(rights.INVITE_ATHLETES, athlete_id)
        elif centre_id is None:
            raise Forbidden("Invite an athlete, or somebody for a role at your centre.")

    def _within(
        self, reach: Reach, given: Mapping[str, Any]
    ) -> tuple[frozenset[str], dict[str, Any]]:
        filters, values = super()._within(reach, given)
        owned = rights.INVITE_STAFF.reach(self._caller).centres
        return filters, {**values, "owned_centres": list(owned)}

    @classmethod
    async def close(
        cls, runner: Runner, wanted: Mapping[str, Any], verb: str = "revoked"
    ) -> list[Any]:
        """Close the open codes that match; return their ids. ``verb`` is what events say."""
        return await runner.rows(cls.queries.close_query(frozenset(wanted), verb), wanted)

    @classmethod
    def noun(cls) -> str:
        """Return the name of a row in messages."""
        return "invitation"


def _code_values(
    credential: Credential, lifetime: timedelta, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the new values of a code."""
    columns = {
        "id": credential.id,
        "secret_hash": credential.secret_hash,
        "expires_at": datetime.now(UTC) + lifetime,
        **dict.fromkeys(("email", "athlete_id", "centre_id", "role", "maker_id", "closed_at")),
        **fields,
    }
    return new_values(_CODES, columns)


def _not_valid() -> Invalid:
    return Invalid.of_field(
        "/code", "not_valid", "This code is unknown, used, expired or revoked: ask for a new one."
    )
