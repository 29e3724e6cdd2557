"""Store the rows of a file in the database, each batch in one transaction."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from asyncpg import UniqueViolationError
from pydantic_core import to_json
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from app.athletes.files.columns import NEEDED
from app.athletes.files.reading import Entry
from app.athletes.files.records import taken_reason
from app.athletes.files.report import Counts, Outcome
from app.athletes.models import Athlete, Enrolment
from app.categories.models import Category, CategoryCreate
from app.centres.models import Centre, CentreCreate
from app.core.csv.report import Rejection
from app.core.db.constraints import taken_fields
from app.core.db.journal import ids_of, journal_cte, names_of, with_event_columns
from app.core.db.savepoints import PLAN_AGAIN, Savepoints
from app.core.db.schema import source_of, table_of, written_columns
from app.core.db.statements import Statement, derived_columns
from app.core.db.transactions import Runner, Transaction
from app.core.resources.fields import new_id
from app.core.resources.models import Payload, Row
from app.core.resources.queries import next_version
from app.core.resources.text import name_key

_ATHLETES = table_of(Athlete)
_ENROLMENTS = table_of(Enrolment)
FEW = 1000
"""Up to this many athletes, a scan of the whole table is as fast as any other plan."""


class _OneAthleteTwice(Exception):
    """Two rows refer to the same athlete, one by the id and one by the reference."""


class AthletesStorage:
    """Stores the rows of a file: creates new athletes and updates existing ones."""

    def __init__(self, database: Runner, *, locks: bool = True) -> None:
        self._database = database
        self._locks = locks
        """Whether rows that are found are locked until their transaction ends."""

    async def store(self, entries: Sequence[Entry]) -> Outcome:
        """Store rows in one transaction; on a conflict, store each half in its own.

        Halving continues until a row that cannot be stored is alone. That row is rejected.
        """
        if len(entries) == 1:
            return await self._store_alone(entries[0])
        try:
            outcome = await self._in_transaction(partial(_put, entries, self._locks))
            if outcome.counts.created:
                await self._count_rows()
            return outcome
        except (UniqueViolationError, _OneAthleteTwice):
            middle = len(entries) // 2
            outcome = await self.store(entries[:middle])
            outcome.add(await self.store(entries[middle:]))
            return outcome

    async def _in_transaction(self, work: Callable[[Transaction], Awaitable[Outcome]]) -> Outcome:
        return await self._database.transaction(work)

    async def _count_rows(self) -> None:
        """Analyze the tables once the athletes have doubled, long before autovacuum does it.

        With the old statistics, PostgreSQL plans for few rows, and scans all of them for each new
        row.
        """
        if await self._database.row(_doubled_query(), {"few": FEW}):
            await self._database.row(_count_query(), {})

    async def _store_alone(self, entry: Entry) -> Outcome:
        put = partial(_put, [entry], self._locks)
        with suppress(UniqueViolationError):
            return await self._in_transaction(put)
        try:
            # Another request may have created this athlete in the meantime: now it is found.
            return await self._in_transaction(put)
        except UniqueViolationError as error:
            reason = taken_reason(taken_fields(error), "already taken by another athlete")
            outcome = Outcome()
            outcome.reject(Rejection(entry.row, reason))
            return outcome


class AthletesWithin(AthletesStorage):
    """Stores athletes within a transaction, which may undo them."""

    def __init__(self, transaction: Transaction, *, locks: bool) -> None:
        super().__init__(Savepoints(transaction), locks=locks)

    async def _count_rows(self) -> None:
        """Make the database plan again, as there are more rows now."""
        await self._database.rows(PLAN_AGAIN, {})


async def _put(entries: Sequence[Entry], locks: bool, transaction: Transaction) -> Outcome:
    """Create or update the athletes of some rows, and create the categories and centres they name.

    A row is rejected if its athlete does not exist and the file has no name or category for it.
    """
    # Lock order: every import processes its rows in this order, so that two imports do not
    # deadlock. Athletes are locked before their categories and centres, as in every other change.
    entries = sorted(entries, key=lambda entry: entry.key)
    outcome = Outcome()
    accepted: list[tuple[Entry, UUID | None]] = []
    found, erased = await _found(entries, locks, transaction)
    for entry, athlete_id in zip(entries, found, strict=True):
        absent = [column for column in NEEDED if column not in entry.values]
        if athlete_id is None and absent:
            needed = " and ".join(f"a {column}" for column in absent)
            reason = f"there is no such athlete, and a new one needs {needed}"
            outcome.reject(Rejection(entry.row, reason))
        else:
            accepted.append((entry, athlete_id))

    # In the order of the file: a new category or centre gets the first of several spellings.
    in_file = sorted((entry for entry, _ in accepted), key=lambda entry: entry.row.line)
    categories = [entry.values["category"] for entry in in_file if "category" in entry.values]
    centres = [name for entry in in_file for name in entry.values.get("centres", ())]
    category_ids, new_categories = await _named(
        transaction, locks, Category, CategoryCreate, categories
    )
    centre_ids, new_centres = await _named(transaction, locks, Centre, CentreCreate, centres)
    rows = [
        {
            **entry.values,
            "id": athlete_id or _unless_in(erased, entry.values.get("id")) or new_id(),
            "is_new": athlete_id is None,
            "category_id": category_ids.get(entry.values.get("category", "")),
            "centre_ids": list(
                dict.fromkeys(centre_ids[name] for name in entry.values.get("centres", ()))
            ),
        }
        for entry, athlete_id in accepted
    ]
    if rows:
        # All rows of a file have the same columns.
        statement = _put_query(frozenset(in_file[0].values))
        created, updated = await transaction.row(statement, _recordset_of(rows))
        counts = Counts(
            read=len(rows),
            created=created,
            updated=updated,
            unchanged=len(rows) - created - updated,
            without_key=sum(not entry.has_key for entry, _ in accepted),
            new_categories=new_categories,
            new_centres=new_centres,
        )
        outcome.counts.add(counts)
    return outcome


async def _found(
    entries: Sequence[Entry], locks: bool, transaction: Transaction
) -> tuple[list[UUID | None], set[UUID]]:
    """Find the athletes of some rows, by id or else by reference, and maybe lock them.

    An athlete that does not exist is ``None``, as is one who was erased: the row is about somebody
    new. The second value has the ids of those who were erased.
    """
    ids = [entry.values.get("id") for entry in entries]
    references = [entry.values.get("reference") for entry in entries]
    there_now = await transaction.rows(_find_query(locks), {"ids": ids, "references": references})
    there = {athlete_id for athlete_id, _, is_erased in there_now if not is_erased}
    by_reference = {reference: athlete_id for athlete_id, reference, _ in there_now if reference}
    found = [
        row_id if row_id in there else by_reference.get(reference)
        for row_id, reference in zip(ids, references, strict=True)
    ]
    known = [athlete_id for athlete_id in found if athlete_id]
    if len(set(known)) < len(known):
        raise _OneAthleteTwice
    return found, {athlete_id for athlete_id, _, is_erased in there_now if is_erased}


def _unless_in(erased: set[UUID], row_id: UUID | None) -> UUID | None:
    return None if row_id in erased else row_id


async def _named(
    transaction: Transaction,
    locks: bool,
    row: type[Row],
    create: type[Payload],
    names: Iterable[str],
) -> tuple[dict[str, UUID], int]:
    """Find or create the rows with some valid names; return ids by name, and how many are new.

    If it locks them, they cannot be deleted before the transaction ends.
    """
    keys = {name: name_key(name) for name in names}
    missing: dict[str, str] = {}
    for name, key in keys.items():
        missing.setdefault(key, name)
    ids: dict[str, UUID] = {}
    table, created = table_of(row), 0
    # Again for a name that another transaction creates or deletes between the two statements.
    while missing:
        ids.update(await transaction.rows(_find_names_query(row, locks), {"keys": list(missing)}))
        new = [name for key, name in sorted(missing.items()) if key not in ids]
        # Only the name differs, and it is valid: one validation gives the other fields.
        others = create.model_validate({"name": new[0]}).model_dump() if new else {}
        rows = [
            {"id": new_id(), **fields, **derived_columns(table, fields)}
            for fields in ({**others, "name": name} for name in new)
        ]
        made = await transaction.rows(_create_names_query(row), _recordset_of(rows)) if rows else []
        ids.update(made)
        created += len(made)
        missing = {key: name for key, name in missing.items() if key not in ids}
    return {name: ids[key] for name, key in keys.items()}, created


def _recordset_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {"rows": to_json(rows).decode()}


def _recordset(*columns: sa.Column[Any]) -> sa.CTE:
    """Select the rows of a JSON array of objects."""
    rows = sa.func.jsonb_to_recordset(sa.bindparam("rows", type_=JSONB))
    given = rows.table_valued(*(sa.column(column.name, column.type) for column in columns))
    return sa.select(given.render_derived("given", with_types=True)).cte("incoming")


@cache
def _find_query(locks: bool) -> Statement:
    """Find the athletes with some ids or references, and maybe lock them.

    Return ``id, reference, is_erased``.
    """
    ids = sa.bindparam("ids", type_=ARRAY(sa.Uuid))
    references = sa.bindparam("references", type_=ARRAY(sa.Text))
    found = (
        sa.select(_ATHLETES.c.id, _ATHLETES.c.reference, _ATHLETES.c.erased_at.is_not(None))
        .where(
            sa.or_(
                _ATHLETES.c.id == sa.func.any(ids), _ATHLETES.c.reference == sa.func.any(references)
            )
        )
        .order_by(_ATHLETES.c.id)
    )
    return Statement(found.with_for_update(key_share=True) if locks else found)


@cache
def _find_names_query(row: type[Row], locks: bool) -> Statement:
    """Find the rows with some name keys: ``name_key, id``; maybe lock them against deletion."""
    table = table_of(row)
    keys = sa.bindparam("keys", type_=ARRAY(sa.Text))
    found = (
        sa.select(table.c.name_key, table.c.id)
        .where(table.c.name_key == sa.func.any(keys))
        .order_by(table.c.name_key)
    )
    return Statement(found.with_for_update(read=True, key_share=True) if locks else found)


@cache
def _create_names_query(row: type[Row]) -> Statement:
    """Insert the rows whose names do not exist yet: ``name_key, id`` of the new ones."""
    table = table_of(row)
    columns = written_columns(table)
    incoming = _recordset(*columns)
    created = (
        insert(table)
        .from_select([column.name for column in columns], sa.select(incoming))
        .on_conflict_do_nothing(index_elements=[table.c.name_key])
        .returning(*with_event_columns(table, [table.c.name_key]))
        .cte("created")
    )
    centre_ids = ids_of(created.c.id) if row is Centre else None
    event = journal_cte(created, f"{row.__name__.lower()}.created", centre_ids=centre_ids)
    return Statement(sa.select(created.c.name_key, created.c.id).add_cte(event))


@cache
def _put_query(given: frozenset[str]) -> Statement:
    """Create or update athletes: ``created, updated``. Only the given fields are changed."""
    columns = written_columns(_ATHLETES)
    is_new = sa.Column("is_new", sa.Boolean)
    centre_ids: sa.Column[Any] = sa.Column("centre_ids", ARRAY(sa.Uuid))
    incoming = _recordset(*columns, is_new, centre_ids)

    new = sa.select(*(incoming.c[column.name] for column in columns)).where(incoming.c.is_new)
    names = [column.name for column in columns]
    created = (
        sa.insert(_ATHLETES)
        .from_select(names, new)
        .returning(*with_event_columns(_ATHLETES, ()))
        .cte("created")
    )

    written = [column for column in columns if column.name in given and not column.primary_key]
    if "category" in given:
        written.append(_ATHLETES.c.category_id)
    # The rows before the change: locked by an earlier statement, so they are the latest.
    before = _ATHLETES.alias("before")
    differs: dict[str, list[sa.ColumnElement[bool]]] = {}
    for column in written:
        new_one = before.c[column.name].is_distinct_from(incoming.c[column.name])
        differs.setdefault(source_of(column), []).append(new_one)
    if "centres" in given:
        removed, added = _replaced_enrolments(incoming)
        replaced = sa.union_all(sa.select(removed.c.athlete_id), sa.select(added.c.athlete_id))
        differs["centre_ids"] = [before.c.id.in_(replaced)]
    changed = {name: sa.or_(*some) for name, some in differs.items()}
    updated = (
        sa.update(_ATHLETES)
        .where(_ATHLETES.c.id == before.c.id, before.c.id == incoming.c.id)
        .where(sa.not_(incoming.c.is_new), sa.or_(sa.false(), *changed.values()))
        .values({column: incoming.c[column.name] for column in written})
        .values(next_version(_ATHLETES))
        .returning(
            *with_event_columns(_ATHLETES, ()),
            names_of(changed).label("changed"),
            incoming.c.centre_ids,
        )
        .cte("updated")
    )
    counts = (sa.select(sa.func.count()).select_from(rows) for rows in (created, updated))
    read = sa.select(*(count.scalar_subquery() for count in counts))
    return Statement(read.add_cte(*_events(incoming, created, updated)))


def _events(incoming: sa.CTE, created: sa.CTE, updated: sa.CTE) -> list[sa.CTE]:
    """Add an event for each athlete that is created or updated."""
    with_centres = (
        sa.select(created, incoming.c.centre_ids)
        .join(incoming, incoming.c.id == created.c.id)
        .cte("created_at_centres")
    )
    former = sa.select(_ENROLMENTS.c.centre_id).where(
        _ENROLMENTS.c.athlete_id == updated.c.id,
        _ENROLMENTS.c.centre_id != sa.func.all(updated.c.centre_ids),
    )
    of_both = sa.func.array(former.scalar_subquery(), type_=ARRAY(sa.Uuid))
    return [
        journal_cte(
            with_centres,
            "athlete.created",
            centre_ids=with_centres.c.centre_ids,
            athlete_id=with_centres.c.id,
        ),
        journal_cte(
            updated,
            "athlete.updated",
            changed=updated.c.changed,
            centre_ids=of_both + updated.c.centre_ids,
            athlete_id=updated.c.id,
        ),
    ]


def _replaced_enrolments(incoming: sa.CTE) -> tuple[sa.CTE, sa.CTE]:
    """Replace the enrolments of some rows: the ``athlete_id`` of each removed and added one."""
    removed = (
        sa.delete(_ENROLMENTS)
        .where(
            _ENROLMENTS.c.athlete_id == incoming.c.id,
            _ENROLMENTS.c.centre_id != sa.func.all(incoming.c.centre_ids),
        )
        .returning(_ENROLMENTS.c.athlete_id)
        .cte("removed")
    )
    wanted = sa.select(incoming.c.id, sa.func.unnest(incoming.c.centre_ids))
    added = (
        insert(_ENROLMENTS)
        .from_select(["athlete_id", "centre_id"], wanted)
        .on_conflict_do_nothing()
        .returning(_ENROLMENTS.c.athlete_id)
        .cte("added")
    )
    return removed, added


@cache
def _doubled_query() -> Statement:
    """Return a row if more athletes have changed since the last ``ANALYZE`` than it counted."""
    return Statement(
        sa.text(
            "SELECT 1 FROM pg_stat_user_tables JOIN pg_class ON pg_class.oid = relid"
            " WHERE relid = 'athletes'::regclass"
            " AND n_mod_since_analyze > greatest(reltuples, :few)"
        )
    )


@cache
def _count_query() -> Statement:
    return Statement(sa.text("ANALYZE athletes, enrolments, centres"))
