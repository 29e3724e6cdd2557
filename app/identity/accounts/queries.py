"""The SQL of accounts and staff."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert

from app.athletes.models import Athlete, Enrolment
from app.centres.models import Centre
from app.core.db.journal import journal_cte, names_of, with_event_columns
from app.core.db.schema import NOW, table_of
from app.core.db.statements import Statement
from app.core.resources.projection import EMPTY_LIST, as_json
from app.core.resources.queries import (
    REACH_CENTRES,
    Compare,
    Queries,
    compiled_once,
    next_version,
    version_after,
)
from app.identity.accounts.models import AccountRead, StaffRead
from app.identity.models import Account, Code, Staff, Token, type_of

_ACCOUNTS, _STAFF = table_of(Account), table_of(Staff)
_TOKENS, _CODES = table_of(Token), table_of(Code)
_CENTRES, _ATHLETES = table_of(Centre), table_of(Athlete)
_ENROLMENTS = table_of(Enrolment)
_IS_ADMIN = _ACCOUNTS.c.is_admin, _ACCOUNTS.c.disabled_at.is_(None)


class AccountQueries(Queries):
    """Builds the statements of accounts."""

    @compiled_once
    def lock_with_admins_query(self) -> Statement:
        """Lock an account and all enabled administrators, in the order of their ids."""
        is_wanted = sa.or_(_ACCOUNTS.c.id == sa.bindparam("id"), sa.and_(*_IS_ADMIN))
        columns = _ACCOUNTS.c.id, _ACCOUNTS.c.is_admin, _ACCOUNTS.c.disabled_at
        locked = sa.select(*columns).where(is_wanted).order_by(_ACCOUNTS.c.id)
        return Statement(locked.with_for_update())

    @compiled_once
    def end_query(self) -> Statement:
        """Revoke all tokens and codes of an account; return how many tokens."""
        account_id = sa.bindparam("id", type_=sa.Uuid)
        codes = (
            sa.update(_CODES)
            .where(_CODES.c.account_id == account_id, _CODES.c.closed_at.is_(None))
            .values({_CODES.c.closed_at: NOW, **next_version(_CODES)})
            .returning(*with_event_columns(_CODES, ()))
            .cte("closed")
        )
        tokens = (
            sa.update(_TOKENS)
            .where(_TOKENS.c.account_id == account_id, _TOKENS.c.revoked_at.is_(None))
            .values({_TOKENS.c.revoked_at: NOW, **next_version(_TOKENS)})
            .returning(*with_event_columns(_TOKENS, ()))
            .cte("revoked")
        )
        number = sa.select(sa.func.count()).select_from(tokens)
        events = (journal_cte(rows, type_of(rows, "revoked")) for rows in (codes, tokens))
        return Statement(number.add_cte(*events))


ACCOUNT_QUERIES = AccountQueries(
    Account,
    AccountRead,
    sorts={"email": "email_key", "created_at": "created_at"},
    filters={"email_key": Compare(_ACCOUNTS.c.email_key)},
)
STAFF_QUERIES = Queries(
    Staff,
    StaffRead,
    sorts={"created_at": "created_at"},
    filters={"centre_id": Compare(_STAFF.c.centre_id)},
    centre="centre_id",
)


@cache
def put_staff_query() -> Statement:
    """Give an account a role at a centre; change nothing if it has that role."""
    names = "id", "account_id", "centre_id", "role"
    values: dict[str, Any] = {name: sa.bindparam(name) for name in names}
    adding = insert(_STAFF).values(values)
    put = adding.on_conflict_do_update(
        index_elements=[_STAFF.c.account_id, _STAFF.c.centre_id],
        set_={"role": adding.excluded.role, **next_version(_STAFF)},
        where=_STAFF.c.role != adding.excluded.role,
    )
    written = put.returning(*with_event_columns(_STAFF, ())).cte("written")
    is_new = written.c.version == sa.literal_column("1")
    return Statement(
        sa.select(written.c.id).add_cte(
            journal_cte(
                written,
                sa.case(
                    (is_new, sa.literal_column("'staff.created'")),
                    else_=sa.literal_column("'staff.updated'"),
                ),
                changed=names_of({"role": ~is_new}),
            )
        )
    )


@cache
def known_account_query() -> Statement:
    """Return the account ``account_id`` if it is staff, or an athlete, at centres within reach."""
    staff = sa.select(_STAFF.c.id).where(
        _STAFF.c.account_id == _ACCOUNTS.c.id, _STAFF.c.centre_id == sa.func.any(REACH_CENTRES)
    )
    enrolled = sa.select(_ENROLMENTS.c.centre_id).where(
        _ENROLMENTS.c.athlete_id == _ACCOUNTS.c.athlete_id,
        _ENROLMENTS.c.centre_id == sa.func.any(REACH_CENTRES),
    )
    return Statement(
        sa.select(_ACCOUNTS.c.id).where(
            _ACCOUNTS.c.id == sa.bindparam("account_id"), sa.or_(staff.exists(), enrolled.exists())
        )
    )


@cache
def remove_staff_query() -> Statement:
    """Take the role of an account at a centre away."""
    this = sa.delete(_STAFF).where(
        _STAFF.c.account_id == sa.bindparam("account_id"),
        _STAFF.c.centre_id == sa.bindparam("centre_id"),
    )
    removed = this.returning(*with_event_columns(_STAFF, ())).cte("removed")
    version = version_after(removed.c.version)
    event = journal_cte(removed, "staff.deleted", version=version)
    return Statement(sa.select(removed.c.id).add_cte(event))


@cache
def me_query() -> Statement:
    """Read the caller of the token ``id`` as JSON: the fields of ``Me``."""
    of_account = _ACCOUNTS.c.id == _TOKENS.c.account_id
    account = sa.select(_object(_columns(_ACCOUNTS, "id", "email", "is_admin"))).where(of_account)
    athlete = (
        sa.select(_object(_columns(_ATHLETES, "id", "name")))
        .join(_ACCOUNTS, _ACCOUNTS.c.athlete_id == _ATHLETES.c.id)
        .where(of_account)
    )
    centre = _object(_columns(_CENTRES, "id", "name"))
    role = _object({"centre": centre, "role": _STAFF.c.role})
    roles = (
        sa.select(sa.func.json_agg(aggregate_order_by(role, _CENTRES.c.name_key)))
        .join(_STAFF, _STAFF.c.centre_id == _CENTRES.c.id)
        .where(_STAFF.c.account_id == _TOKENS.c.account_id)
    )
    body = _object(
        {
            "account": account.scalar_subquery(),
            "athlete": athlete.scalar_subquery(),
            "centre": sa.select(centre)
            .where(_CENTRES.c.id == _TOKENS.c.centre_id)
            .scalar_subquery(),
            "roles": sa.func.coalesce(roles.scalar_subquery(), EMPTY_LIST),
            "scopes": sa.func.to_json(_TOKENS.c.scopes),
            "token": _object(_columns(_TOKENS, "id", "kind", "expires_at")),
        }
    )
    return Statement(sa.select(body.label("body")).where(_TOKENS.c.id == sa.bindparam("id")))


def _columns(table: sa.Table, *names: str) -> dict[str, sa.ColumnElement[Any]]:
    return {name: as_json(table.c[name]) for name in names}


def _object(fields: Mapping[str, sa.ColumnElement[Any]]) -> sa.ColumnElement[Any]:
    """Return a JSON object."""
    parts: list[sa.ColumnElement[Any]] = []
    for name, value in fields.items():
        parts += [sa.literal_column(f"'{name}'"), value]
    return sa.func.json_build_object(*parts)
