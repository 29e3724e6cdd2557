"""Operations on accounts and staff."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from asyncpg import ForeignKeyViolationError

from app.centres.crud import CentresCRUD
from app.core.access import Caller
from app.core.db.transactions import Runner, Transaction
from app.core.errors import InvalidToken, NotFound
from app.core.resources.crud import CRUD, Resource
from app.core.resources.fields import new_id
from app.core.resources.models import Payload
from app.core.resources.paging import ListQuery, PageOfJSON
from app.core.resources.queries import FULL
from app.core.resources.text import email_key
from app.identity import rights
from app.identity.accounts.models import AccountsQuery, AccountUpdate, StaffRole
from app.identity.accounts.queries import (
    ACCOUNT_QUERIES,
    STAFF_QUERIES,
    known_account_query,
    me_query,
    put_staff_query,
    remove_staff_query,
)
from app.identity.errors import LastAdmin

RIGHTS = {"is_admin", "disabled_at"}
"""The fields that decide whether an account is an enabled administrator."""


class AccountsCRUD(CRUD[Payload, AccountUpdate]):
    """Reads, lists and updates accounts. Invitations create them."""

    queries = ACCOUNT_QUERIES

    async def me(self, token_id: UUID) -> str:
        """Return the caller of a token as JSON; raise ``InvalidToken``."""
        row = await self._database.row(me_query(), {"id": token_id})
        if row is None:  # deleted since the caller was found, with its centre for example
            raise InvalidToken("The token is unknown, expired or revoked.")
        body: str = row["body"]
        return body

    async def find(self, query: AccountsQuery) -> PageOfJSON:
        """Return a page of the accounts that match a query."""
        wanted = {} if query.email is None else {"email_key": email_key(query.email)}
        return await self.page(query.model_copy(update={"email": None}), wanted)

    async def _update(self, fields: frozenset[str], values: Mapping[str, Any]) -> Resource | None:
        """Change fields; end all tokens and codes of an account that is disabled.

        Raise ``LastAdmin`` if no enabled administrator would be left.
        """
        changed = {"disabled_at" if field == "disabled" else field for field in fields}
        if changed.isdisjoint(RIGHTS):
            return await super()._update(fields, values)

        async def change(transaction: Transaction) -> Resource | None:
            # Each change of rights locks all administrators first, so the check below holds.
            locked = {
                row["id"]: row
                for row in await transaction.rows(self.queries.lock_with_admins_query(), values)
            }
            if values["id"] not in locked:
                return None
            disabled_at = locked[values["id"]]["disabled_at"]
            if "disabled" in fields:
                disables = values["new_disabled"]
                disabled_at = (disabled_at or datetime.now(UTC)) if disables else None
            new = {**values, "new_disabled_at": disabled_at}
            written = await self._write(
                transaction, self.queries.update_query(frozenset(changed)), new
            )
            if written is None:
                return None
            is_admin = values.get("new_is_admin", True) and disabled_at is None
            admins = {
                account_id
                for account_id, row in locked.items()
                if row["is_admin"] and row["disabled_at"] is None
            }
            if not is_admin and admins == {values["id"]}:
                raise LastAdmin("This is the last administrator: make another one first.")
            if disabled_at is not None:
                await transaction.row(self.queries.end_query(), values)
            return written

        return await self._database.transaction(change)


class StaffCRUD(CRUD[Payload, Payload]):
    """Lists the staff of centres, and changes their roles."""

    queries = STAFF_QUERIES
    sees: ClassVar = {FULL: rights.STAFF}

    def __init__(self, database: Runner, caller: Caller) -> None:
        super().__init__(database, caller)
        self._centres = CentresCRUD(database, caller)

    async def at_centre(self, centre_id: UUID, query: ListQuery) -> PageOfJSON:
        """Return a page of the staff of a centre; raise ``NotFound`` or ``Forbidden``."""
        await self._centres.require_right(rights.STAFF, centre_id)
        return await self.page_within(self._centres, centre_id, query)

    async def put(self, centre_id: UUID, account_id: UUID, payload: StaffRole) -> None:
        """Give an account a role at a centre; raise ``NotFound`` or ``Forbidden``.

        An owner knows the accounts of their staff, and of the athletes at their centres.
        """
        await self._centres.require_right(rights.STAFF, centre_id)
        if not self._caller.is_admin:
            known = {"account_id": account_id, **rights.STAFF.reach(self._caller).values()}
            if not await self._database.row(known_account_query(), known):
                raise AccountsCRUD.not_found()
        values = {
            "id": new_id(),
            "centre_id": centre_id,
            "account_id": account_id,
            "role": payload.role,
        }
        try:
            await self._database.row(put_staff_query(), values)
        except ForeignKeyViolationError as error:
            at_centre = "centre" in (error.constraint_name or "")
            raise (CentresCRUD if at_centre else AccountsCRUD).not_found() from None

    async def remove(self, centre_id: UUID, account_id: UUID) -> None:
        """Take the role of an account at a centre away; raise ``NotFound`` or ``Forbidden``."""
        if account_id != self._caller.account_id:
            await self._centres.require_right(rights.STAFF, centre_id)
        values = {"centre_id": centre_id, "account_id": account_id}
        if await self._database.row(remove_staff_query(), values) is None:
            await self._waits_for_standby(account_id)  # as a retry of a DELETE does
            raise NotFound("This account has no role at this centre.")
