"""The SQL of an import into a competition, each statement for the rows of a batch."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.athletes.models import Athlete
from app.categories.models import Category
from app.competitions.locks import BOARDS, COMPETITION_ID, COMPETITIONS, ENTRIES, EVENTS, published
from app.core.db.journal import ids_of, journal_cte, names_of, with_event_columns
from app.core.db.schema import NOW, table_of
from app.core.db.statements import Statement
from app.core.resources.queries import next_version
from app.results.locks import RESULTS, WORKOUTS
from app.results.models import SCORE
from app.results.queries import kept_cte

ATHLETES, CATEGORIES = table_of(Athlete), table_of(Category)
WRITTEN = (*SCORE, "scaling")
"""The columns of a result that a file writes."""

_HOST: sa.ColumnElement[Any] = ids_of(sa.bindparam("host", type_=sa.Uuid))


def _ids(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=ARRAY(sa.Uuid))


def _incoming(columns: Iterable[sa.ColumnElement[Any]]) -> sa.CTE:
    """Select the rows of a JSON array of objects."""
    rows = sa.func.jsonb_to_recordset(sa.bindparam("rows", type_=JSONB))
    named = (sa.column(str(column.key), column.type) for column in columns)
    given = rows.table_valued(*named).render_derived("given", with_types=True)
    return sa.select(given).cte("incoming")


@cache
def events_query() -> Statement:
    """Lock the events of a competition and their workouts; read how they are scored."""
    return Statement(
        sa.select(
            EVENTS.c.id,
            EVENTS.c.ordinal,
            published(EVENTS).label("published"),
            WORKOUTS.c.score_type,
            WORKOUTS.c.best,
            WORKOUTS.c.time_cap_ms,
            WORKOUTS.c.total_reps,
            WORKOUTS.c.tie_break,
        )
        .join(WORKOUTS, WORKOUTS.c.id == EVENTS.c.workout_id)
        .where(EVENTS.c.competition_id == COMPETITION_ID)
        .order_by(EVENTS.c.ordinal)
        .with_for_update(read=True, of=[EVENTS, WORKOUTS])
    )


@cache
def athletes_query(*, locks: bool) -> Statement:
    """Find athletes by ids or references, and maybe lock them against deletion.

    Return ``id, reference, category_id, is_erased``.
    """
    columns = ATHLETES.c.id, ATHLETES.c.reference, ATHLETES.c.category_id
    found = (
        sa.select(*columns, ATHLETES.c.erased_at.is_not(None).label("is_erased"))
        .where(
            sa.or_(
                ATHLETES.c.id == sa.func.any(_ids("ids")),
                ATHLETES.c.reference
                == sa.func.any(sa.bindparam("references", type_=ARRAY(sa.Text))),
            ),
        )
        .order_by(ATHLETES.c.id)
    )
    return Statement(found.with_for_update(read=True, key_share=True) if locks else found)


@cache
def categories_query(*, locks: bool) -> Statement:
    """Find categories by name keys, and maybe lock them against deletion: ``name_key, id``."""
    keys = sa.bindparam("keys", type_=ARRAY(sa.Text))
    found = (
        sa.select(CATEGORIES.c.name_key, CATEGORIES.c.id)
        .where(CATEGORIES.c.name_key == sa.func.any(keys))
        .order_by(CATEGORIES.c.id)
    )
    return Statement(found.with_for_update(read=True, key_share=True) if locks else found)


@cache
def entries_query() -> Statement:
    """Read the entries of some athletes in a competition."""
    columns = "id", "athlete_id", "category_id", "status", "withdrawn_before"
    return Statement(
        sa.select(*(ENTRIES.c[name] for name in columns)).where(
            ENTRIES.c.competition_id == COMPETITION_ID,
            ENTRIES.c.athlete_id == sa.func.any(_ids("athlete_ids")),
        )
    )


@cache
def results_query() -> Statement:
    """Read the results of some entries."""
    columns = "entry_id", "event_id", "id", *WRITTEN
    return Statement(
        sa.select(*(RESULTS.c[name] for name in columns)).where(
            RESULTS.c.entry_id == sa.func.any(_ids("entry_ids"))
        )
    )


@cache
def enter_query() -> Statement:
    """Insert entries of a locked competition: ``id`` of each."""
    columns = ENTRIES.c.id, ENTRIES.c.athlete_id, ENTRIES.c.category_id, ENTRIES.c.status
    incoming = _incoming([*columns, ENTRIES.c.withdrawn_before])
    rows = sa.select(COMPETITION_ID.label("competition_id"), *incoming.c)
    created = (
        sa.insert(ENTRIES)
        .from_select(["competition_id", *incoming.c.keys()], rows)
        .returning(*with_event_columns(ENTRIES, ()))
        .cte("created")
    )
    event = journal_cte(created, "entry.created", centre_ids=_HOST)
    return Statement(sa.select(created.c.id).add_cte(event))


@cache
def move_query() -> Statement:
    """Change the status of entries: ``id`` of each."""
    incoming = _incoming([ENTRIES.c.id, ENTRIES.c.status, ENTRIES.c.withdrawn_before])
    moved = (
        sa.update(ENTRIES)
        .where(ENTRIES.c.id == incoming.c.id)
        .values(
            {
                ENTRIES.c.status: incoming.c.status,
                ENTRIES.c.withdrawn_before: incoming.c.withdrawn_before,
                **next_version(ENTRIES),
            }
        )
        .returning(*with_event_columns(ENTRIES, [ENTRIES.c.status]))
        .cte("moved")
    )
    verb = sa.case(
        (moved.c.status == sa.literal_column("'entered'"), sa.literal_column("'reinstated'")),
        else_=moved.c.status,
    )
    kind = sa.literal_column("'entry.'", sa.Text) + sa.cast(verb, sa.Text)
    changed = "status", "withdrawn_before"
    event = journal_cte(moved, kind, changed=changed, centre_ids=_HOST)
    return Statement(sa.select(moved.c.id).add_cte(event))


@cache
def insert_results_query() -> Statement:
    """Insert results of entries of locked boards: ``id`` of each.

    They were performed now, or on the last day of the competition if that is over.
    """
    given = (RESULTS.c[name] for name in ("id", "entry_id", "event_id", *WRITTEN))
    incoming = _incoming(given)
    zone, last_day = COMPETITIONS.c.time_zone, sa.cast(COMPETITIONS.c.ends_on, sa.DateTime)
    performed_at = sa.func.least(NOW, sa.func.timezone(zone, last_day))
    columns: dict[str, sa.ColumnElement[Any]] = {
        **{name: incoming.c[name] for name in ("id", "entry_id", "event_id", *WRITTEN)},
        "athlete_id": ENTRIES.c.athlete_id,
        "category_id": ENTRIES.c.category_id,
        "competition_id": ENTRIES.c.competition_id,
        "workout_id": WORKOUTS.c.id,
        "score_type": WORKOUTS.c.score_type,
        "best": WORKOUTS.c.best,
        "tie_break_by": WORKOUTS.c.tie_break,
        "performed_at": performed_at,
        "performed_on": sa.cast(sa.func.timezone(zone, performed_at), sa.Date),
    }
    rows = (
        sa.select(*columns.values())
        .select_from(incoming)
        .join(ENTRIES, ENTRIES.c.id == incoming.c.entry_id)
        .join(COMPETITIONS, COMPETITIONS.c.id == ENTRIES.c.competition_id)
        .join(EVENTS, EVENTS.c.id == incoming.c.event_id)
        .join(WORKOUTS, WORKOUTS.c.id == EVENTS.c.workout_id)
    )
    created = (
        sa.insert(RESULTS)
        .from_select(list(columns), rows, include_defaults=False)
        .returning(*with_event_columns(RESULTS, ()))
        .cte("created")
    )
    event = journal_cte(created, "result.created", centre_ids=_HOST)
    return Statement(sa.select(created.c.id).add_cte(event))


@cache
def correct_results_query() -> Statement:
    """Correct results of locked boards, and keep the values of before: ``id`` of each."""
    incoming = _incoming(RESULTS.c[name] for name in ("id", *WRITTEN))
    before = RESULTS.alias("before")
    changed = {name: before.c[name].is_distinct_from(incoming.c[name]) for name in WRITTEN}
    updated = (
        sa.update(RESULTS)
        .where(RESULTS.c.id == incoming.c.id, before.c.id == incoming.c.id)
        .values({RESULTS.c[name]: incoming.c[name] for name in WRITTEN})
        .values(next_version(RESULTS))
        .returning(
            *with_event_columns(RESULTS, [RESULTS.c[name] for name in (*WRITTEN, "review")]),
            names_of(changed).label("changed"),
        )
        .cte("updated")
    )
    kept = kept_cte(updated, sa.null())
    event = journal_cte(updated, "result.updated", changed=updated.c.changed, centre_ids=_HOST)
    return Statement(sa.select(updated.c.id).add_cte(kept, event))


@cache
def boards_query() -> Statement:
    """Read the boards of a competition: ``category_id`` of each."""
    boards = sa.select(BOARDS.c.category_id).where(BOARDS.c.competition_id == COMPETITION_ID)
    return Statement(boards.order_by(BOARDS.c.category_id))


@cache
def count_rows_query() -> Statement:
    """Analyze the tables that an import fills, long before autovacuum does it."""
    return Statement(
        sa.text("ANALYZE athletes, enrolments, centres, entries, results, competition_events")
    )
