"""Administrators and keys: what only the machine of the database can make."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from app.commands.database import command_database, migrate_to_head
from app.commands.signals import run_until_stopped
from app.core.db.pool import connected
from app.core.db.transactions import Database
from app.core.errors import RFC_3339, DomainError
from app.core.resources.fields import Email
from app.core.settings import cannot_start, get_settings
from app.identity import bootstrap
from app.identity.tokens.jwt import RETIRED_FOR, rotate

Result = TypeVar("Result")


def make_admin(email: str) -> None:
    """Make or restore an administrator, and print a code that sets their password."""
    try:
        address: str = TypeAdapter(Email).validate_python(email)
    except ValidationError:
        sys.exit(f"error: {email} is not an email address")
    reset = _on_local_database(lambda database: bootstrap.make_admin(database, address))
    prefix = get_settings().api_v1_prefix
    print(
        f"{address} is an administrator. Set the password before"
        f" {reset.expires_at.strftime(RFC_3339)}: POST {prefix}/resets/accept with this code"
        f" and a password.\n{reset.code}"
    )


def rotate_keys(*, at_once: bool) -> None:
    """Make a new key that signs JWTs, and retire the others or delete them at once."""
    key_id = _on_local_database(partial(rotate, at_once=at_once))
    others = (
        "are deleted. A JWT that a running service has already verified ends within 5 minutes"
        if at_once
        else f"are published for {RETIRED_FOR.seconds // 60} more minutes"
    )
    print(f"Key {key_id} signs from now on. The others {others}.")


def admin_token(email: str) -> str:
    """Make a token of an administrator in the database of ``DATABASE_URL``."""
    return asyncio.run(_connected(lambda database: bootstrap.make_admin_token(database, email)))


def keep_first_token(folder: Path) -> Path | None:
    """Keep a token of the first administrator in a folder, for the embedded server.

    Exit with an error if the file of the token cannot be read or written.
    """
    try:
        return asyncio.run(
            _connected(lambda database: bootstrap.keep_first_token(database, folder))
        )
    except OSError as error:
        cannot_start(f"cannot keep the token of the first administrator: {error}")


def _on_local_database(work: Callable[[Database], Awaitable[Result]]) -> Result:
    """Do some work on the local database; exit on an error."""
    try:
        with command_database():
            migrate_to_head()
            return run_until_stopped(_connected(work))
    except DomainError as error:
        sys.exit(f"error: {error.detail}")


async def _connected(work: Callable[[Database], Awaitable[Result]]) -> Result:
    async with connected(get_settings(), size=1) as database:
        return await work(database)
