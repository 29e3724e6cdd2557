"""Throttling of logins: attempts with one address, and attempts from one network.

Each of them may make some attempts at once, and then one for each interval. Attempts beyond that
are refused until the interval is over: they are delayed, but no account is locked. The counts are
in the database, so that they hold for all processes and after a restart.

Attempts with an address from a network that this account has logged in from are counted apart. So
an attack from elsewhere does not delay the person. Addresses are stored as hashes, whether or not
an account has them.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from hashlib import sha256
from math import ceil
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.core.db.schema import NOW, interval, table_of
from app.core.db.statements import Statement
from app.core.db.transactions import Runner, Transaction
from app.identity.errors import TooManyAttempts
from app.identity.models import LoginLimit

KNOWN_FOR = timedelta(days=90)
"""How long a network is known after a login from it."""
FORGOTTEN_AT_ONCE = 10
"""The maximum number of old counts that each attempt deletes."""

_LIMITS = table_of(LoginLimit)


@dataclass(frozen=True)
class Rate:
    """So many attempts at once, then one for each interval."""

    at_once: int
    interval: timedelta

    @property
    def room(self) -> timedelta:
        """How far ahead of the time a count may be for one more attempt."""
        return self.interval * (self.at_once - 1)


OF_ADDRESS = Rate(10, timedelta(seconds=30))
OF_NETWORK = Rate(100, timedelta(seconds=2))
"""A gym has many members behind one address of the Internet."""


@dataclass(frozen=True)
class Attempt:
    """An attempt to log in, as it was counted."""

    address: str
    """The key of the address, or of the address from a known network."""
    network: str
    pair: str
    """The key of the address from this network: it begins with that of the address."""


async def count_attempt(database: Runner, email_key: str, network: str) -> Attempt:
    """Count an attempt to log in; raise ``TooManyAttempts``."""
    pair = f"{key_of_address(email_key)}{_key('pair', email_key, network)}"

    async def work(transaction: Transaction) -> Attempt:
        is_known = await transaction.row(_known_query(), {"pair": pair})
        attempt = Attempt(
            pair if is_known else key_of_address(email_key), _key("network", network), pair
        )
        values = _values(attempt)
        counted = await transaction.rows(_count_query(), values)
        if len(counted) < 2:
            (seconds,) = await transaction.row(_wait_query(), values)
            raise TooManyAttempts(
                "Too many attempts to log in with this address or from this network; try later.",
                max(1, ceil(seconds)),
            )
        await transaction.rows(_forget_query(), {})
        return attempt

    return await database.transaction(work)


async def forgive(transaction: Transaction, attempt: Attempt) -> None:
    """Take back the count of an attempt that succeeded, and remember its network."""
    # Locked in this order: an attempt that is counted locks its address, or the pair, and then its
    # network.
    await transaction.rows(_forgive_query(OF_ADDRESS), {"key": attempt.address})
    await transaction.rows(_remember_query(), {"pair": attempt.pair})
    await transaction.rows(_forgive_query(OF_NETWORK), {"key": attempt.network})


def key_of_address(email_key: str) -> str:
    """Return the key of an address: every key that tells of this address begins with it."""
    return _key("address", email_key)


def _key(kind: str, *parts: str) -> str:
    return sha256("\n".join([kind, *parts]).encode()).hexdigest()


def _values(attempt: Attempt) -> dict[str, Any]:
    return {"address": attempt.address, "network": attempt.network}


def _text(name: str) -> sa.ColumnElement[str]:
    return sa.bindparam(name, type_=sa.Text)


def _of_each(address: timedelta, network: timedelta) -> sa.ColumnElement[Any]:
    """Return one duration for the row of the network, and another one for the address."""
    is_network = _LIMITS.c.key == _text("network")
    return sa.case((is_network, interval(network)), else_=interval(address))


_ROOM = _of_each(OF_ADDRESS.room, OF_NETWORK.room)
_THESE = _LIMITS.c.key.in_([_text("address"), _text("network")])


@cache
def _known_query() -> Statement:
    is_known = _LIMITS.c.key == _text("pair"), _LIMITS.c.kept_until > NOW
    return Statement(sa.select(_LIMITS.c.key).where(*is_known))


@cache
def _count_query() -> Statement:
    """Count an attempt with the address and one from the network, each only if there is room."""
    # Always the address first: two attempts at the same time lock the rows in the same order.
    first = [
        {
            "key": _text(name),
            "next_at": NOW + interval(rate.interval),
            "kept_until": NOW + interval(rate.interval),
        }
        for name, rate in (("address", OF_ADDRESS), ("network", OF_NETWORK))
    ]
    counting = insert(_LIMITS).values(first)
    next_at = sa.func.greatest(_LIMITS.c.next_at, NOW) + (counting.excluded.next_at - NOW)
    counted = counting.on_conflict_do_update(
        index_elements=[_LIMITS.c.key],
        set_={
            "next_at": next_at,
            "kept_until": sa.func.greatest(_LIMITS.c.kept_until, next_at),
        },
        where=_LIMITS.c.next_at <= NOW + _ROOM,
    )
    return Statement(counted.returning(_LIMITS.c.key))


@cache
def _wait_query() -> Statement:
    """Return in how many seconds both have room."""
    wait = sa.func.max(_LIMITS.c.next_at - _ROOM - NOW)
    return Statement(sa.select(sa.cast(sa.extract("epoch", wait), sa.Float)).where(_THESE))


@cache
def _forgive_query(rate: Rate) -> Statement:
    fewer = sa.update(_LIMITS).where(_LIMITS.c.key == _text("key"))
    earlier = _LIMITS.c.next_at - interval(rate.interval)
    return Statement(fewer.values(next_at=earlier).returning(_LIMITS.c.key))


@cache
def _remember_query() -> Statement:
    until = NOW + interval(KNOWN_FOR)
    known = insert(_LIMITS).values(key=_text("pair"), next_at=NOW, kept_until=until)
    remembered = known.on_conflict_do_update(
        index_elements=[_LIMITS.c.key], set_={"kept_until": until}
    )
    return Statement(remembered.returning(_LIMITS.c.key))


@cache
def _forget_query() -> Statement:
    """Delete some counts that no longer matter."""
    oldest = (
        sa.select(_LIMITS.c.key)
        .where(_LIMITS.c.kept_until < NOW)
        .order_by(_LIMITS.c.kept_until)
        .limit(sa.literal_column(str(FORGOTTEN_AT_ONCE)))
        .with_for_update(skip_locked=True)
        .cte("oldest")
    )
    forgotten = sa.delete(_LIMITS).where(_LIMITS.c.key.in_(sa.select(oldest.c.key)))
    return Statement(forgotten.returning(_LIMITS.c.key))
