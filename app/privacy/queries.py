"""The SQL that collects what is stored about a person, and the SQL that erases it."""

from functools import cache
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import ARRAY, JSON

from app.athletes.models import ERASED_NAME, Athlete, Enrolment
from app.calendars.models import CalendarFeed
from app.centres.models import Centre
from app.competitions.models import Entry
from app.core.db.journal import EVENTS, Event, journal_cte, with_event_columns
from app.core.db.schema import NOW, table_of, written_columns
from app.core.db.statements import Statement, derived_columns
from app.core.http.idempotency import IdempotencyKey
from app.core.resources.models import Row
from app.core.resources.projection import EMPTY_LIST, Projection, as_json, reference
from app.core.resources.queries import next_version, version_after
from app.identity.accounts.models import AccountRead
from app.identity.models import Account, Code, LoginLimit, Staff, Token, type_of
from app.journal.models import EventRead
from app.privacy.models import (
    StoredAthlete,
    StoredBooking,
    StoredCalendarFeed,
    StoredEntry,
    StoredInvitation,
    StoredReset,
    StoredResult,
    StoredToken,
)
from app.results.models import Result, ResultChange
from app.trainings.models import Booking

_ATHLETES, _ENROLMENTS, _CENTRES = table_of(Athlete), table_of(Enrolment), table_of(Centre)
_BOOKINGS, _KEYS = table_of(Booking), table_of(IdempotencyKey)
_ENTRIES, _RESULTS, _CHANGES = table_of(Entry), table_of(Result), table_of(ResultChange)
_ACCOUNTS, _STAFF, _TOKENS = table_of(Account), table_of(Staff), table_of(Token)
_CODES, _LIMITS, _FEEDS = table_of(Code), table_of(LoginLimit), table_of(CalendarFeed)

_ID = sa.bindparam("id", type_=sa.Uuid)
"""The id of the athlete."""
_OF_ATHLETE = _ACCOUNTS.c.athlete_id == _ID
_ACCOUNT_ID = sa.select(_ACCOUNTS.c.id).where(_OF_ATHLETE)
_ADDRESSES = sa.union_all(
    sa.select(_ATHLETES.c.email_key).where(_ATHLETES.c.id == _ID),
    sa.select(_ACCOUNTS.c.email_key).where(_OF_ATHLETE),
)
_IS_INVITATION = sa.or_(_CODES.c.athlete_id == _ID, _CODES.c.email_key.in_(_ADDRESSES))
_NAMES_ATHLETE = sa.func.strpos(_KEYS.c.body, sa.cast(_ID, sa.Text)) > sa.literal_column("0")
"""A stored response with the athlete's data has the athlete's id too."""
_KEPT = {"id", "category_id", "name", "name_key"}
"""The columns of an erased athlete that are not blanked."""


@cache
def data_query() -> Statement:
    """Read all that is stored about an athlete as ``body``: the fields of ``PersonalData``.

    A table that gets rows about people gets a part here, and one in ``erase_query``.
    """
    of_account = _ACCOUNT_ID.scalar_subquery()
    parts = {
        "athlete": _first("athlete", StoredAthlete, Athlete, _ATHLETES.c.id == _ID),
        "enrolments": _enrolments(),
        "bookings": _all("bookings", StoredBooking, Booking, _BOOKINGS.c.athlete_id == _ID),
        "calendar_feed": _first(
            "feed", StoredCalendarFeed, CalendarFeed, _FEEDS.c.athlete_id == _ID
        ),
        "entries": _all("entries", StoredEntry, Entry, _ENTRIES.c.athlete_id == _ID),
        "results": _all("results", StoredResult, Result, _RESULTS.c.athlete_id == _ID),
        "account": _first("account", AccountRead, Account, _OF_ATHLETE),
        "roles": _roles(),
        "tokens": _all("tokens", StoredToken, Token, _TOKENS.c.account_id == of_account),
        "resets": _all("resets", StoredReset, Code, _CODES.c.account_id == of_account),
        "invitations": _all("invitations", StoredInvitation, Code, _IS_INVITATION),
        "stored_answers": _answers(),
        "events": _events(),
    }
    person = sa.select(*(part.label(name) for name, part in parts.items())).subquery("person")
    body = sa.func.row_to_json(person.table_valued()).label("body")
    is_there = sa.select(_ATHLETES.c.id).where(_ATHLETES.c.id == _ID).exists()
    return Statement(sa.select(body).select_from(person).where(is_there))


@cache
def lock_accounts_query() -> Statement:
    """Lock the account of the athlete: ``email_key, is_theirs, is_enabled_admin``.

    If it is an administrator, lock all enabled ones, in the order of their ids, as each change of
    their rights does.
    """
    theirs = _ACCOUNTS.alias("theirs")
    is_admin = sa.select(theirs.c.id).where(theirs.c.athlete_id == _ID, theirs.c.is_admin).exists()
    is_enabled_admin = sa.and_(_ACCOUNTS.c.is_admin, _ACCOUNTS.c.disabled_at.is_(None))
    columns = (
        _ACCOUNTS.c.email_key,
        _OF_ATHLETE.is_(sa.true()).label("is_theirs"),
        is_enabled_admin.label("is_enabled_admin"),
    )
    locked = sa.select(*columns).where(sa.or_(_OF_ATHLETE, sa.and_(is_enabled_admin, is_admin)))
    return Statement(locked.order_by(_ACCOUNTS.c.id).with_for_update())


@cache
def lock_codes_query() -> Statement:
    """Lock the codes of the athlete, which a request that accepts one locks before the athlete."""
    of_account = _CODES.c.account_id.in_(_ACCOUNT_ID)
    locked = sa.select(_CODES.c.id).where(sa.or_(_IS_INVITATION, of_account))
    return Statement(locked.order_by(_CODES.c.id).with_for_update())


@cache
def lock_athlete_query() -> Statement:
    """Lock the athlete: ``email_key, erased_at``.

    ``FOR UPDATE`` also waits for transactions that insert rows which refer to the athlete.
    """
    columns = _ATHLETES.c.email_key, _ATHLETES.c.erased_at
    return Statement(sa.select(*columns).where(_ATHLETES.c.id == _ID).with_for_update())


@cache
def state_query() -> Statement:
    """Read what a locked athlete has: ``booking_ids, centre_ids, staffed_ids``.

    The bookings are the active ones of trainings that have not started. The centres are those where
    the athlete is enrolled, and those where their account has a role.
    """
    bookings = (
        sa.select(_BOOKINGS.c.id)
        .where(
            _BOOKINGS.c.athlete_id == _ID,
            _BOOKINGS.c.cancelled_at.is_(None),
            _BOOKINGS.c.starts_at > NOW,
        )
        .order_by(_BOOKINGS.c.starts_at, _BOOKINGS.c.id)
    )
    centres = sa.select(_ENROLMENTS.c.centre_id).where(_ENROLMENTS.c.athlete_id == _ID)
    staffed = sa.select(_STAFF.c.centre_id).where(_STAFF.c.account_id.in_(_ACCOUNT_ID))
    return Statement(
        sa.select(
            sa.func.array(bookings.scalar_subquery()).label("booking_ids"),
            sa.func.array(centres.scalar_subquery()).label("centre_ids"),
            sa.func.array(staffed.scalar_subquery()).label("staffed_ids"),
        )
    )


@cache
def erase_query() -> Statement:
    """Erase a locked athlete, their account, and what else is stored about them.

    ``limits`` are the keys of their addresses in the table of login limits. The deletion of the
    account deletes its roles, tokens and resets (``ON DELETE CASCADE``).
    """
    blank = {column: sa.null() for column in written_columns(_ATHLETES) if column.name not in _KEPT}
    name = {"name": ERASED_NAME, **derived_columns(_ATHLETES, {"name": ERASED_NAME})}
    athlete = (
        sa.update(_ATHLETES)
        .where(_ATHLETES.c.id == _ID)
        .values({**blank, _ATHLETES.c.erased_at: NOW, **next_version(_ATHLETES)})
        .values({_ATHLETES.c[column]: value for column, value in name.items()})
        .returning(*with_event_columns(_ATHLETES, ()))
        .cte("athlete")
    )
    account = sa.delete(_ACCOUNTS).where(_OF_ATHLETE)
    account_gone = account.returning(*with_event_columns(_ACCOUNTS, ())).cte("account")
    of_results = {"video_url": sa.null(), "notes": sa.null()}
    has_text = sa.or_(_RESULTS.c.video_url.is_not(None), _RESULTS.c.notes.is_not(None))
    results = (
        sa.update(_RESULTS)
        .where(_RESULTS.c.athlete_id == _ID, has_text)
        .values({_RESULTS.c[name]: value for name, value in of_results.items()})
        .values(next_version(_RESULTS))
        .returning(*with_event_columns(_RESULTS, ()))
        .cte("results_of_it")
    )
    codes = sa.delete(_CODES).where(_IS_INVITATION)
    codes_gone = codes.returning(*with_event_columns(_CODES, ())).cte("invitations")
    feeds = sa.delete(_FEEDS).where(_FEEDS.c.athlete_id == _ID)
    feed_gone = feeds.returning(*with_event_columns(_FEEDS, ())).cte("feed")
    enrolled = sa.select(_ENROLMENTS.c.centre_id).where(_ENROLMENTS.c.athlete_id == _ID)
    events = (
        journal_cte(
            athlete,
            "athlete.erased",
            centre_ids=sa.func.array(enrolled.scalar_subquery()),
            athlete_id=athlete.c.id,
        ),
        journal_cte(results, "result.updated", changed=of_results),
        _deleted_event_cte(account_gone, "account.deleted"),
        _deleted_event_cte(codes_gone, type_of(codes_gone, "deleted")),
        _deleted_event_cte(feed_gone, "calendar_feed.deleted"),
    )
    is_theirs = _KEYS.c.owner.in_(_ACCOUNT_ID)
    given = sa.func.unnest(sa.bindparam("limits", type_=ARRAY(sa.Text)))
    limit = given.table_valued(sa.column("key", sa.Text), name="given").render_derived()
    others = (
        sa.delete(_ENROLMENTS).where(_ENROLMENTS.c.athlete_id == _ID).cte("enrolments_of_it"),
        sa.update(_CHANGES)
        .where(
            _CHANGES.c.result_id.in_(sa.select(_RESULTS.c.id).where(_RESULTS.c.athlete_id == _ID))
        )
        .values({_CHANGES.c.reason: sa.null()})
        .cte("reasons_of_results"),
        sa.delete(_KEYS).where(is_theirs).cte("keys_of_account"),
        sa.update(_KEYS)
        .where(_NAMES_ATHLETE, sa.not_(is_theirs))
        .values(dict.fromkeys((_KEYS.c.status, _KEYS.c.headers, _KEYS.c.body), sa.null()))
        .cte("answers"),
        sa.delete(_LIMITS)
        .where(
            _LIMITS.c.key >= limit.c.key,
            _LIMITS.c.key < limit.c.key + sa.literal_column("'g'"),  # after every hex digit
        )
        .cte("limits_of_addresses"),
    )
    gone = account_gone, codes_gone, feed_gone, results
    return Statement(sa.select(athlete.c.id).add_cte(*gone, *others, *events))


def _deleted_event_cte(rows: sa.CTE, kind: str | sa.ColumnElement[str]) -> sa.CTE:
    return journal_cte(rows, kind, version=version_after(rows.c.version))


def _all(
    name: str, read: type[BaseModel], row: type[Row], wanted: sa.ColumnElement[bool]
) -> sa.ColumnElement[Any]:
    """Return the rows that match as a JSON array, the oldest first."""
    projection = Projection(read, row)
    found = sa.select(*projection.columns).where(wanted).cte(f"found_{name}")
    rows = projection.each(found).order_by(found.c.created_at, found.c.id).subquery(name)
    return _array(sa.select(sa.func.json_agg(rows.c.body)))


def _first(
    name: str, read: type[BaseModel], row: type[Row], wanted: sa.ColumnElement[bool]
) -> sa.ColumnElement[Any]:
    """Return the one row that matches as JSON, or null."""
    projection = Projection(read, row)
    found = sa.select(*projection.columns).where(wanted).cte(f"found_{name}")
    return sa.select(projection.each(found).subquery(name).c.body).scalar_subquery()


def _enrolments() -> sa.ColumnElement[Any]:
    enrolled_at = as_json(_ENROLMENTS.c.enrolled_at).label("enrolled_at")
    rows = (
        sa.select(reference(_CENTRES).label("centre"), enrolled_at)
        .join(_CENTRES, _CENTRES.c.id == _ENROLMENTS.c.centre_id)
        .where(_ENROLMENTS.c.athlete_id == _ID)
        .order_by(_ENROLMENTS.c.enrolled_at, _CENTRES.c.id)
        .subquery("enrolments")
    )
    return _array(sa.select(sa.func.json_agg(rows.table_valued())))


def _roles() -> sa.ColumnElement[Any]:
    times = (as_json(_STAFF.c[name]).label(name) for name in ("created_at", "updated_at"))
    rows = (
        sa.select(reference(_CENTRES).label("centre"), _STAFF.c.role, *times)
        .join(_CENTRES, _CENTRES.c.id == _STAFF.c.centre_id)
        .where(_STAFF.c.account_id.in_(_ACCOUNT_ID))
        .order_by(_STAFF.c.created_at, _STAFF.c.id)
        .subquery("roles")
    )
    return _array(sa.select(sa.func.json_agg(rows.table_valued())))


def _events() -> sa.ColumnElement[Any]:
    """Return the events about the athlete, and those of what their account wrote."""
    actor = sa.select(sa.cast(_ACCOUNTS.c.id, sa.Text)).where(_OF_ATHLETE).scalar_subquery()
    projection = Projection(EventRead, Event)
    wanted = sa.or_(EVENTS.c.athlete_id == _ID, EVENTS.c.actor == actor)
    found = sa.select(*projection.columns).where(wanted).cte("found_events")
    rows = projection.each(found).order_by(found.c.id).subquery("events_of_it")
    return _array(sa.select(sa.func.json_agg(rows.c.body)))


def _answers() -> sa.ColumnElement[Any]:
    created_at = as_json(_KEYS.c.created_at).label("created_at")
    body = sa.case((_NAMES_ATHLETE, sa.cast(_KEYS.c.body, JSON))).label("body")
    rows = (
        sa.select(created_at, _KEYS.c.status, body)
        .where(sa.or_(_NAMES_ATHLETE, _KEYS.c.owner.in_(_ACCOUNT_ID)))
        .order_by(_KEYS.c.created_at)
        .subquery("answers")
    )
    return _array(sa.select(sa.func.json_agg(rows.table_valued())))


def _array(rows: sa.Select[Any]) -> sa.ColumnElement[Any]:
    return sa.func.coalesce(rows.scalar_subquery(), EMPTY_LIST)
