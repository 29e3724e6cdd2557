"""The first administrator: made on the machine of the database, never by a request."""

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa

from app.core.db.journal import journal_cte, names_of, with_event_columns
from app.core.db.schema import NOW, interval, table_of
from app.core.db.statements import Statement, new_values
from app.core.db.transactions import Database, Transaction
from app.core.resources.fields import new_id
from app.core.resources.queries import next_version
from app.core.resources.text import email_key
from app.identity.login.codes import CodesCRUD, NewReset
from app.identity.login.queries import find_account_query, insert_account_query
from app.identity.models import SCOPES, Account, Token
from app.identity.tokens.callers import is_live
from app.identity.tokens.credentials import Presented, presented
from app.identity.tokens.crud import PersonalTokensCRUD

FIRST = "admin@crossfit.example"
"""The email address of the administrator that the embedded server begins with."""
NAME = "admin-token"
"""The name of the first token, and of its file."""
LIFETIME = timedelta(days=365)
RENEWED = timedelta(days=30)
"""How long before its end the first token is replaced."""

_ACCOUNTS, _TOKENS = table_of(Account), table_of(Token)


async def make_admin(database: Database, email: str) -> NewReset:
    """Make or restore an administrator, and a code of one hour that sets the password."""

    async def work(transaction: Transaction) -> NewReset:
        return await CodesCRUD.new_reset(transaction, await _admin(transaction, email))

    return await database.transaction(work)


async def make_admin_token(database: Database, email: str) -> str:
    """Make or restore an administrator, and a personal token of theirs with all scopes."""

    async def work(transaction: Transaction) -> str:
        return await _token(transaction, await _admin(transaction, email))

    return await database.transaction(work)


async def keep_first_token(database: Database, folder: Path) -> Path | None:
    """Keep a live token of an administrator in a file of the folder, and return its path.

    Only if there is no account, or the first administrator is still one: else return None. Several
    processes may do this at once.
    """
    file = folder / NAME

    async def work(transaction: Transaction) -> Path | None:
        await transaction.row(_lock_query(), {})
        first = await transaction.row(_first_query(), {"key": email_key(FIRST)})
        if first["accounts"] and first["id"] is None:
            return None
        if not await _is_live(transaction, file):
            _write(file, await _token(transaction, await _admin(transaction, FIRST)))
        return file

    return await database.transaction(work)


async def _admin(transaction: Transaction, email: str) -> UUID:
    """Return the account with an address, made or restored as an administrator."""
    account = await transaction.row(find_account_query(), {"key": email_key(email)})
    if account is None:
        fields = {
            "id": new_id(),
            "email": email,
            "is_admin": True,
            **dict.fromkeys(("password_hash", "athlete_id", "disabled_at")),
        }
        account = await transaction.row(insert_account_query(), new_values(_ACCOUNTS, fields))
    else:
        await transaction.rows(_restore_query(), {"id": account["id"]})
    account_id: UUID = account["id"]
    return account_id


async def _token(transaction: Transaction, account_id: UUID) -> str:
    fields = {"account_id": account_id, "name": NAME, "scopes": list(SCOPES)}
    made = await PersonalTokensCRUD.insert(transaction, datetime.now(UTC) + LIFETIME, fields)
    return made.secret


async def _is_live(transaction: Transaction, file: Path) -> bool:
    """Return whether a file has a token of the first administrator that lives for a while."""
    given = _read(file)
    if given is None:
        return False
    values = {"id": given.id, "key": email_key(FIRST)}
    token = await transaction.row(_token_query(), values)
    return given.matches(token and token["secret_hash"])


def _read(file: Path) -> Presented | None:
    try:
        return presented(file.read_bytes().strip())
    except FileNotFoundError:
        return None


def _write(file: Path, token: str) -> None:
    """Write a file that only its owner can read, as a whole or not at all."""
    new = file.with_name(f".{file.name}.new")
    with suppress(FileNotFoundError):
        new.unlink()  # left by a process that was killed
    with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as written:
        written.write(f"{token}\n")
        written.flush()
        os.fsync(written.fileno())
    new.rename(file)


@cache
def _lock_query() -> Statement:
    """Wait until no other process does this, until the transaction ends."""
    lock = sa.func.hashtext(sa.literal_column("'crossfit first administrator'"))
    return Statement(sa.select(sa.func.pg_advisory_xact_lock(lock)))


@cache
def _first_query() -> Statement:
    """Return whether there are accounts, and the id of the first administrator, if enabled."""
    first = sa.select(_ACCOUNTS.c.id).where(
        _ACCOUNTS.c.email_key == sa.bindparam("key"),
        _ACCOUNTS.c.is_admin,
        _ACCOUNTS.c.disabled_at.is_(None),
    )
    accounts = sa.select(_ACCOUNTS.c.id).exists()
    return Statement(sa.select(accounts.label("accounts"), first.scalar_subquery().label("id")))


@cache
def _token_query() -> Statement:
    found = (
        sa.select(_TOKENS.c.secret_hash)
        .join(_ACCOUNTS, _ACCOUNTS.c.id == _TOKENS.c.account_id)
        .where(
            _TOKENS.c.id == sa.bindparam("id"),
            _ACCOUNTS.c.email_key == sa.bindparam("key"),
            _TOKENS.c.expires_at > NOW + interval(RENEWED),
            is_live(),
        )
    )
    return Statement(found)


@cache
def _restore_query() -> Statement:
    """Make an account an enabled administrator, unless it is one."""
    before = (
        sa.select(_ACCOUNTS)
        .where(
            _ACCOUNTS.c.id == sa.bindparam("id"),
            sa.or_(~_ACCOUNTS.c.is_admin, _ACCOUNTS.c.disabled_at.is_not(None)),
        )
        .with_for_update(key_share=True)
        .cte("before")
    )
    changed = names_of(
        {"is_admin": ~before.c.is_admin, "disabled_at": before.c.disabled_at.is_not(None)}
    )
    new = {_ACCOUNTS.c.is_admin: sa.true(), _ACCOUNTS.c.disabled_at: sa.null()}
    restored = (
        sa.update(_ACCOUNTS)
        .where(_ACCOUNTS.c.id == before.c.id)
        .values({**new, **next_version(_ACCOUNTS)})
        .returning(*with_event_columns(_ACCOUNTS, ()), changed.label("changed"))
        .cte("restored")
    )
    event = journal_cte(restored, "account.updated", changed=restored.c.changed)
    return Statement(sa.select(restored.c.id).add_cte(event))
