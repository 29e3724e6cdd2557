"""The SQL of logins, and of the codes of invitations and resets."""

from collections.abc import Iterator, Set
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from app.athletes.models import Enrolment
from app.core.db.journal import journal_cte, with_event_columns
from app.core.db.schema import NOW, interval, table_of, written_columns
from app.core.db.statements import Statement, new_value
from app.core.resources.queries import (
    REACH_CENTRES,
    Compare,
    Queries,
    compiled_once,
    next_version,
    version_after,
)
from app.identity.login.models import InvitationRead
from app.identity.models import FORGOTTEN_AFTER, Account, Code, Staff, type_of

_ACCOUNTS, _CODES = table_of(Account), table_of(Code)
_ENROLMENTS, _STAFF = table_of(Enrolment), table_of(Staff)
_ACCOUNT_ID = sa.bindparam("account_id", type_=sa.Uuid)
_IS_OPEN = sa.and_(_CODES.c.closed_at.is_(None), _CODES.c.expires_at > NOW)
_CLOSED = {_CODES.c.closed_at: NOW, **next_version(_CODES)}


class CodeQueries(Queries):
    """Builds the statements of codes: the open ones."""

    def within_reach(self) -> sa.ColumnElement[bool]:
        """Return the condition for codes of owned centres, and of athletes within reach."""
        of_athlete = sa.select(_ENROLMENTS.c.centre_id).where(
            _ENROLMENTS.c.athlete_id == _CODES.c.athlete_id,
            _ENROLMENTS.c.centre_id == sa.func.any(REACH_CENTRES),
        )
        owned = sa.bindparam("owned_centres", type_=ARRAY(sa.Uuid))
        return sa.or_(
            _CODES.c.centre_id == sa.func.any(owned),
            sa.and_(_CODES.c.centre_id.is_(None), of_athlete.exists()),
        )

    def conditions(self, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each filter that is given, and that the code is open."""
        yield from super().conditions(given)
        yield _IS_OPEN

    @compiled_once
    def find_query(self) -> Statement:
        """Read an open code, with the columns of its account."""
        with_account = _CODES.outerjoin(_ACCOUNTS, _ACCOUNTS.c.id == _CODES.c.account_id)
        wanted = _CODES.c.id == sa.bindparam("id"), _CODES.c.kind == sa.bindparam("kind"), _IS_OPEN
        enabled = _ACCOUNTS.c.disabled_at.is_(None)
        return Statement(sa.select(_CODES).select_from(with_account).where(*wanted, enabled))

    @compiled_once
    def close_query(self, filters: frozenset[str], verb: str) -> Statement:
        """Close the open codes that match: they are ``accepted`` or ``revoked``."""
        return self._closed_query(verb, *self.conditions(filters))

    @compiled_once
    def close_earlier_query(self) -> Statement:
        """Close the open invitations of the same address to the same centre.

        Without a centre, those of the same athlete: the caller may have no right to others.
        """
        new_centre, new_athlete = new_value(_CODES.c.centre_id), new_value(_CODES.c.athlete_id)
        same_athlete = _CODES.c.athlete_id.is_not_distinct_from(new_athlete)
        same = sa.or_(
            _CODES.c.centre_id == new_centre,
            sa.and_(_CODES.c.centre_id.is_(None), new_centre.is_(None), same_athlete),
        )
        of_address = _CODES.c.email_key == new_value(_CODES.c.email_key)
        return self._closed_query("revoked", of_address, same, _IS_OPEN)

    def event_type(self, source: sa.CTE, verb: str) -> sa.ColumnElement[str]:
        """Return the type of events about codes."""
        return type_of(source, verb)

    def _closed_query(self, verb: str, *conditions: sa.ColumnElement[bool]) -> Statement:
        closing = sa.update(_CODES).where(*conditions).values(_CLOSED)
        closed = closing.returning(*with_event_columns(_CODES, ())).cte("closed")
        return Statement(sa.select(closed.c.id).add_cte(self.event_cte(closed, verb)))


CODE_QUERIES = CodeQueries(
    Code,
    InvitationRead,
    sorts={"created_at": "created_at"},
    filters={name: Compare(_CODES.c[name]) for name in ("id", "kind", "account_id")},
)


@cache
def forget_codes_query() -> Statement:
    """Delete codes that were closed, or expired, long ago."""
    ended = sa.func.least(_CODES.c.closed_at, _CODES.c.expires_at)
    is_old = ended < NOW - interval(FORGOTTEN_AFTER)
    deleting = sa.delete(_CODES).where(is_old)
    deleted = deleting.returning(*with_event_columns(_CODES, ())).cte("deleted")
    version = version_after(deleted.c.version)
    event = journal_cte(deleted, type_of(deleted, "deleted"), version=version)
    return Statement(sa.select(deleted.c.id).add_cte(event))


@cache
def find_account_query() -> Statement:
    """Read the account with an email address."""
    return Statement(sa.select(_ACCOUNTS).where(_ACCOUNTS.c.email_key == sa.bindparam("key")))


@cache
def read_account_query() -> Statement:
    """Read the columns of an account."""
    return Statement(sa.select(_ACCOUNTS).where(_ACCOUNTS.c.id == _ACCOUNT_ID))


@cache
def lock_account_query() -> Statement:
    """Lock an account, and return when it was disabled."""
    account = sa.select(_ACCOUNTS.c.disabled_at).where(_ACCOUNTS.c.id == _ACCOUNT_ID)
    return Statement(account.with_for_update())


@cache
def lock_unchanged_query() -> Statement:
    """Lock an account, if it is enabled and its password is still the one that was verified."""
    return Statement(
        sa.select(_ACCOUNTS.c.id)
        .where(
            _ACCOUNTS.c.id == _ACCOUNT_ID,
            _ACCOUNTS.c.password_hash == sa.bindparam("password_hash", type_=sa.Text),
            _ACCOUNTS.c.disabled_at.is_(None),
        )
        .with_for_update()
    )


@cache
def set_password_query(*, is_new: bool = True) -> Statement:
    """Set the password of an enabled account, or only another hash of the same password."""
    account = sa.update(_ACCOUNTS).where(
        _ACCOUNTS.c.id == _ACCOUNT_ID, _ACCOUNTS.c.disabled_at.is_(None)
    )
    new = {_ACCOUNTS.c.password_hash: new_value(_ACCOUNTS.c.password_hash)}
    setting = account.values({**new, **next_version(_ACCOUNTS)})
    changed = setting.returning(*with_event_columns(_ACCOUNTS, ())).cte("changed")
    verb = "password_changed" if is_new else "password_rehashed"
    return Statement(sa.select(changed.c.id).add_cte(journal_cte(changed, f"account.{verb}")))


@cache
def taken_query() -> Statement:
    """Return whether an account has an email address, and whether one has an athlete."""
    same_email = sa.select(_ACCOUNTS.c.id).where(_ACCOUNTS.c.email_key == sa.bindparam("email_key"))
    athlete_id = sa.bindparam("athlete_id", type_=sa.Uuid)
    same_athlete = sa.select(_ACCOUNTS.c.id).where(_ACCOUNTS.c.athlete_id == athlete_id)
    return Statement(
        sa.select(same_email.exists().label("email"), same_athlete.exists().label("athlete_id"))
    )


@cache
def maker_query() -> Statement:
    """Read what the rights of an enabled account follow from."""
    of_account = _STAFF.c.account_id == _ACCOUNTS.c.id

    def each(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
        rows = sa.select(column).where(of_account).order_by(_STAFF.c.centre_id)
        return sa.func.array(rows.correlate(_ACCOUNTS).scalar_subquery())

    return Statement(
        sa.select(
            _ACCOUNTS.c.is_admin,
            _ACCOUNTS.c.athlete_id,
            each(_STAFF.c.centre_id).label("centres"),
            each(_STAFF.c.role).label("roles"),
        ).where(_ACCOUNTS.c.id == _ACCOUNT_ID, _ACCOUNTS.c.disabled_at.is_(None))
    )


@cache
def insert_account_query() -> Statement:
    """Insert an account."""
    made = _made_cte(_ACCOUNTS)
    return Statement(sa.select(made.c.id).add_cte(journal_cte(made, "account.created")))


@cache
def insert_code_query() -> Statement:
    """Insert a code."""
    made = _made_cte(_CODES)
    return Statement(sa.select(made.c.id).add_cte(journal_cte(made, type_of(made, "created"))))


def _made_cte(table: sa.Table) -> sa.CTE:
    new = {column: new_value(column) for column in written_columns(table)}
    return sa.insert(table).values(new).returning(*with_event_columns(table, ())).cte("made")
