"""Logging in and changing a password."""

from collections.abc import Mapping
from typing import Any

from app.core.access import Caller
from app.core.db.journal import acts_as
from app.core.db.transactions import Runner, Transaction
from app.core.resources.text import email_key
from app.identity.accounts.models import PasswordChange
from app.identity.errors import WrongCredentials
from app.identity.login.codes import CodesCRUD
from app.identity.login.queries import (
    find_account_query,
    lock_unchanged_query,
    read_account_query,
    set_password_query,
)
from app.identity.login.throttle import count_attempt, forgive
from app.identity.passwords import Passwords
from app.identity.tokens.crud import SessionsCRUD, WithSecret
from app.identity.tokens.models import Login

WRONG = "No enabled account has this email address and password."


class LoginCRUD:
    """Begins sessions by passwords, and changes passwords."""

    def __init__(self, database: Runner, passwords: Passwords, network: str) -> None:
        self._database = database
        self._passwords = passwords
        self._network = network

    async def log_in(self, login: Login) -> WithSecret:
        """Begin a session; raise ``WrongCredentials`` or ``TooManyAttempts``."""
        async with self._passwords.place(self._network):
            return await self._log_in(login)

    async def change_password(self, caller: Caller, change: PasswordChange) -> None:
        """Change the caller's password, and end the other sessions of the account.

        Raise ``WrongCredentials`` or ``TooManyAttempts``.
        """
        async with self._passwords.place(self._network):
            await self._change_password(caller, change)

    async def _log_in(self, login: Login) -> WithSecret:
        key = email_key(login.email)
        attempt = await count_attempt(self._database, key, self._network)
        account = await self._database.row(find_account_query(), {"key": key})
        is_enabled = account is not None and account["disabled_at"] is None
        stored: str | None = account["password_hash"] if is_enabled else None
        if not await self._passwords.matches(stored, login.password) or stored is None:
            raise WrongCredentials(WRONG)
        outdated = self._passwords.is_outdated(stored)
        renewed = await self._passwords.hash(login.password) if outdated else None

        async def work(transaction: Transaction) -> WithSecret:
            acts_as(account["id"])
            # A session must not outlive a change of the password that was just verified.
            checked = {"account_id": account["id"], "password_hash": stored}
            if not await transaction.row(lock_unchanged_query(), checked):
                raise WrongCredentials(WRONG)
            if renewed:
                rehashed = _password_of(account, renewed)
                await transaction.row(set_password_query(is_new=False), rehashed)
            await forgive(transaction, attempt)
            return await SessionsCRUD.begin(transaction, account["id"])

        return await self._database.transaction(work)

    async def _change_password(self, caller: Caller, change: PasswordChange) -> None:
        values = {"account_id": caller.account_id}
        account = await self._database.row(read_account_query(), values)
        attempt = await count_attempt(self._database, account["email_key"], self._network)
        stored = account["password_hash"]
        if not await self._passwords.matches(stored, change.current):
            raise WrongCredentials("The current password is another one.")
        new = await self._passwords.hash(change.new)

        async def work(transaction: Transaction) -> None:
            checked = {**values, "password_hash": stored}
            if not await transaction.row(lock_unchanged_query(), checked):
                raise WrongCredentials("The password was just changed by another request.")
            await transaction.row(set_password_query(), _password_of(account, new))
            await forgive(transaction, attempt)
            await SessionsCRUD.revoke_all(transaction, account["id"], caller.token_id)
            await CodesCRUD.close(transaction, values)

        await self._database.transaction(work)


def _password_of(account: Mapping[str, Any], new: str) -> dict[str, Any]:
    return {"account_id": account["id"], "new_password_hash": new}
