"""Passwords: which are accepted, and how they are hashed and verified."""

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache
from typing import Annotated, TypeVar
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SecretStr,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from app.core.limits import FairLimit

SHORTEST, LONGEST = 15, 128
"""The length of a password in characters (NIST SP 800-63B-4: at least 15 as the only factor)."""
AT_ONCE = 2
"""How many hashes one process computes at once: each takes 19 MiB and a processor."""
WAIT = 10.0
"""How many seconds a login waits for its hash at most."""
NICENESS = 15
"""The priority of a thread that hashes: requests go first."""
OF_NOBODY = (
    "$argon2id$v=19$m=19456,t=2,p=1$QtyAF0OOEC4hFc83iAt4Ag"
    "$zE1mIzT0b7pA1Y3JwxtU11uMO6GWjmZxp+nID61qsnM"
)
"""The hash of a random password, with the parameters of all hashes."""

Result = TypeVar("Result")


@cache
def _common() -> frozenset[str]:
    return frozenset(FREQUENCY_LISTS["passwords"])


def is_common(password: str) -> bool:
    """Return whether a password is a common one, or a common one repeated."""
    folded = password.casefold()
    return folded in _common() or any(
        folded == folded[:size] * (len(folded) // size)
        and (size == 1 or folded[:size] in _common())
        for size in range(1, len(folded) // 2 + 1)
        if len(folded) % size == 0
    )


@dataclass(frozen=True)
class SecretText:
    """Mark a ``SecretStr`` of some length, which is shown in no error and no ``repr``.

    It becomes what is hashed (NFC), because keyboards differ in how they compose accents (RFC
    8265). Its length is that of this form.
    """

    shortest: int
    longest: int

    def _check(self, secret: SecretStr) -> SecretStr:
        given = secret.get_secret_value()
        # Thousands of combining marks take seconds; NFC makes text at most 4 times shorter.
        composed = given if len(given) > 4 * self.longest else normalize("NFC", given)
        if not self.shortest <= len(composed) <= self.longest:
            raise PydanticCustomError(
                "secret_length",
                "Text should have {shortest} to {longest} characters",
                {"shortest": self.shortest, "longest": self.longest},
            )
        try:
            composed.encode()
        except UnicodeEncodeError:
            raise PydanticCustomError("surrogate", "Text cannot contain lone surrogates") from None
        return SecretStr(composed)

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "minLength": self.shortest, "maxLength": self.longest}


def _uncommon(password: SecretStr) -> SecretStr:
    if is_common(password.get_secret_value()):
        raise PydanticCustomError("common_password", "This password is one of the most common ones")
    return password


GivenPassword = Annotated[
    SecretStr, SecretText(1, LONGEST), Field(examples=["correct horse battery staple"])
]
"""A password to compare with the stored one."""
NewPassword = Annotated[
    SecretStr,
    SecretText(SHORTEST, LONGEST),
    AfterValidator(_uncommon),
    Field(
        description="Any characters; not one of the most common passwords.",
        examples=["correct horse battery staple"],
    ),
]
"""A password to store."""


class Passwords:
    """Hashes and verifies passwords in two threads of low priority: ``app.state.passwords``.

    A login holds a place for all of its work, so that logins leave the connection pool to others.
    """

    def __init__(self) -> None:
        # OWASP's parameters for argon2id.
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._threads = ThreadPoolExecutor(AT_ONCE, "password", _lower_priority)
        self._limit = FairLimit(AT_ONCE, WAIT)

    def place(self, network: str) -> AbstractAsyncContextManager[None]:
        """Hold a place during an ``async with``; raise ``Unavailable`` if the wait times out.

        One network holds at most one of the two places.
        """
        return self._limit.place(network)

    async def hash(self, password: SecretStr) -> str:
        """Hash a password, while holding a place."""
        return await self._run(self._hasher.hash, password.get_secret_value())

    async def matches(self, stored: str | None, password: SecretStr) -> bool:
        """Return whether a password is the stored one, while holding a place.

        Without a stored one, compare with that of nobody, to take the same time.
        """
        return await self._run(self._verify, stored, password.get_secret_value())

    def is_outdated(self, stored: str) -> bool:
        """Return whether a stored hash has other parameters than new ones."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str | None, password: str) -> bool:
        try:
            return self._hasher.verify(stored or OF_NOBODY, password) and stored is not None
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


def _lower_priority() -> None:
    if sys.platform == "linux":  # elsewhere this would be the priority of the whole process
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
