"""Store rows of a file in a competition: athletes, entries and results, in one transaction.

The order of locks is that of ``app.competitions.locks``: the competition, its events and workouts,
then the athletes, categories and centres, then the boards, by category.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from app.athletes.files.columns import NEEDED
from app.athletes.files.reading import Entry as AthleteEntry
from app.athletes.files.storing import AthletesWithin
from app.categories.crud import CategoriesCRUD
from app.categories.models import CategoryCreate
from app.competitions.crud import CompetitionsCRUD, refuse_final
from app.competitions.locks import grow_board_query, lock_board_query, lock_competition_query
from app.core.access import Caller
from app.core.csv.report import Rejection
from app.core.db.savepoints import Savepoints
from app.core.db.statements import Statement, derived_columns
from app.core.db.transactions import Transaction
from app.core.errors import AlreadyTaken
from app.core.resources.fields import new_id
from app.core.resources.text import name_key
from app.leaderboards.files import statements
from app.leaderboards.files.lines import Line, score_columns
from app.leaderboards.files.report import Counts, Outcome
from app.workouts.scores import Scoring

_NEW: Mapping[str, Any] = {"id": None, "reference": None, "sex": None, "centres": []}
"""What a new athlete is without: all rows that are stored together have the same columns."""


class _Wrong(Exception):
    """A row that cannot be stored, and why."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the competition, and how its results are scored."""

    id: UUID
    ordinal: int
    published: bool
    scoring: Scoring


@dataclass(frozen=True, slots=True)
class Athlete:
    """An athlete that is in the database."""

    id: UUID
    category_id: UUID


@dataclass(slots=True)
class Entry:
    """An entry as it is after the rows so far."""

    id: UUID
    athlete_id: UUID
    category_id: UUID
    status: str = "entered"
    withdrawn_before: int | None = None
    results: dict[UUID, Mapping[str, Any]] = field(default_factory=dict)
    """The columns of each result, by event."""

    def state(self) -> dict[str, Any]:
        """Return the columns that describe its status."""
        return {"status": self.status, "withdrawn_before": self.withdrawn_before}


async def store_lines(
    transaction: Transaction,
    caller: Caller,
    competition_id: UUID,
    lines: Sequence[Line],
    *,
    locks: bool = True,
) -> Outcome:
    """Store some rows in a competition; reject those that cannot be stored.

    Athletes and categories that do not exist are created. Raise ``NotFound`` if the competition
    does not exist, and ``WrongState`` if it is final. Without ``locks``, which is for a transaction
    that undoes everything, boards, athletes and categories are not locked.
    """
    competition = await transaction.row(
        lock_competition_query(), {"competition_id": competition_id}
    )
    if competition is None:
        raise CompetitionsCRUD.not_found()
    refuse_final(competition)
    batch = _Batch(transaction, caller, competition, locks)
    await batch.store(lines)
    return batch.outcome


class _Batch:
    def __init__(
        self, transaction: Transaction, caller: Caller, competition: Any, locks: bool
    ) -> None:
        self._transaction = transaction
        self._caller = caller
        self._locks = locks
        self._of = {"competition_id": competition["id"], "host": competition["centre_id"]}
        self._is_draft = competition["status"] == "draft"
        self._events: dict[int, Event] = {}
        self._entries: dict[UUID, Entry] = {}
        self._new_entries: dict[UUID, Entry] = {}
        self._moved: dict[UUID, Entry] = {}
        self._new_results: list[dict[str, Any]] = []
        self._corrected: list[dict[str, Any]] = []
        self._lines: dict[tuple[UUID, UUID], int] = {}
        """The line of each result so far, by entry and event."""
        self._changed: set[UUID] = set()
        """The categories whose boards change."""
        self.outcome = Outcome()

    async def store(self, lines: Sequence[Line]) -> None:
        """Store rows."""
        await self._read_events()
        there = [
            (line, athlete)
            for line, athlete in zip(lines, await self._athletes(lines), strict=True)
            if athlete is not None
        ]
        ids = await self._categories(line.athlete.get("category") for line, _ in there)
        categories = [
            ids[line.athlete["category"]] if "category" in line.athlete else athlete.category_id
            for line, athlete in there
        ]
        await self._lock_boards(categories)
        await self._read_entries({athlete.id for _, athlete in there})
        for (line, athlete), category_id in zip(there, categories, strict=True):
            try:
                self._take(line, athlete, category_id)
            except (_Wrong, ValueError) as error:
                self.outcome.reject(Rejection(line.row, str(error)))
        await self._write()

    async def _read_events(self) -> None:
        rows = await self._transaction.rows(statements.events_query(), self._of)
        for event_id, ordinal, published, *scoring in rows:
            self._events[ordinal] = Event(event_id, ordinal, published, Scoring(*scoring))

    async def _athletes(self, lines: Sequence[Line]) -> list[Athlete | None]:
        """Find the athlete of each row, or create them; None if the row is rejected."""
        known, erased = await self._find_athletes(lines)
        creating = _Known()
        creators: list[Line] = []
        reasons: dict[int, str] = {}
        for line in lines:
            if known.of(line) or creating.of(line):
                continue
            if line.athlete.get("id") in erased and "reference" not in line.athlete:
                reasons[line.row.line] = "the athlete with this id was erased"
                continue
            if absent := [column for column in NEEDED if column not in line.athlete]:
                needed = " and ".join(f"a {column}" for column in absent)
                reasons[line.row.line] = f"there is no such athlete, and a new one needs {needed}"
                continue
            creators.append(line)
            creating.add(line.athlete.get("id"), line.athlete.get("reference"), line)
        if creators:
            storage = AthletesWithin(self._transaction, locks=self._locks)
            stored = await storage.store([_as_new(line) for line in creators])
            self.outcome.counts.add(
                Counts(
                    new_athletes=stored.counts.created,
                    new_categories=stored.counts.new_categories,
                    new_centres=stored.counts.new_centres,
                )
            )
            reasons |= {one.row.line: one.reason for one in stored.rejections}
            known.update((await self._find_athletes(creators))[0])
        found: list[Athlete | None] = []
        for line in lines:
            athlete: Athlete | None = known.of(line)
            if athlete is None:
                creator: Line = creating.of(line) or line
                reason = reasons.get(line.row.line) or reasons[creator.row.line]
                self.outcome.reject(Rejection(line.row, reason))
            found.append(athlete)
        return found

    async def _find_athletes(self, lines: Sequence[Line]) -> tuple["_Known", set[UUID]]:
        """Find the athletes of some rows, and the ids of those that were erased."""
        values = {
            "ids": list({line.athlete["id"] for line in lines if "id" in line.athlete}),
            "references": list(
                {line.athlete["reference"] for line in lines if "reference" in line.athlete}
            ),
        }
        known, erased = _Known(), set()
        query = statements.athletes_query(locks=self._locks)
        for row in await self._transaction.rows(query, values):
            if row["is_erased"]:
                erased.add(row["id"])
            else:
                known.add(row["id"], row["reference"], Athlete(row["id"], row["category_id"]))
        return known, erased

    async def _categories(self, names: Iterable[str | None]) -> dict[str, UUID]:
        """Find or create the categories of some valid names; return their ids by name."""
        keys = {name: name_key(name) for name in dict.fromkeys(names) if name is not None}
        ids: dict[str, UUID] = {}
        query = statements.categories_query(locks=self._locks)
        # Again after each creation, because another request may have created it in the meantime.
        while missing := {key: name for name, key in keys.items() if key not in ids}:
            ids.update(await self._transaction.rows(query, {"keys": list(missing)}))
            if new := next((name for key, name in missing.items() if key not in ids), None):
                await self._create_category(new)
        return {name: ids[key] for name, key in keys.items()}

    async def _create_category(self, name: str) -> None:
        async def create(transaction: Transaction) -> None:
            await CategoriesCRUD(transaction, self._caller).create(CategoryCreate(name=name))

        try:
            await Savepoints(self._transaction).transaction(create)
        except AlreadyTaken:
            return
        self.outcome.counts.new_categories += 1

    async def _lock_boards(self, categories: Iterable[UUID]) -> None:
        if not self._locks:
            return
        for category_id in sorted(set(categories)):
            board = {**self._of, "category_id": category_id}
            if await self._transaction.row(lock_board_query(), board) is None:
                await self._transaction.row(grow_board_query(), {**board, "more": 0})

    async def _read_entries(self, athlete_ids: Iterable[UUID]) -> None:
        values = {**self._of, "athlete_ids": list(athlete_ids)}
        by_id = {}
        for row in await self._transaction.rows(statements.entries_query(), values):
            entry = Entry(*row)
            by_id[entry.id] = self._entries[entry.athlete_id] = entry
        if by_id:
            query = statements.results_query()
            for row in await self._transaction.rows(query, {"entry_ids": list(by_id)}):
                by_id[row["entry_id"]].results[row["event_id"]] = dict(row)

    def _take(self, line: Line, athlete: Athlete, category_id: UUID) -> None:
        """Take in a row, all of it or nothing; raise ``_Wrong`` or ``ValueError``."""
        entry = self._entries.get(athlete.id)
        is_new = entry is None
        if entry is None:
            entry = Entry(new_id(), athlete.id, category_id)
        elif "category" in line.athlete and entry.category_id != category_id:
            raise _Wrong("this athlete has entered in another category")
        status, before = entry.status, entry.withdrawn_before
        if line.status is not None:
            status, before = line.status, line.withdrawn_before
        event, columns = self._result_of(line, entry, before)
        is_moved = (status, before) != (entry.status, entry.withdrawn_before)
        if is_moved and before is not None:
            later = [one for one in self._events.values() if one.ordinal >= before]
            if any(one.id in entry.results for one in later):
                raise _Wrong(f"this athlete has a result in event {before} or in a later one")

        entry.status, entry.withdrawn_before = status, before
        if is_new:
            self._entries[athlete.id] = self._new_entries[entry.id] = entry
        elif is_moved and entry.id not in self._new_entries:
            self._moved[entry.id] = entry
        what = "created" if is_new else "updated" if is_moved else "unchanged"
        if event is not None and columns is not None:
            self._lines[entry.id, event.id] = line.row.line
            earlier = entry.results.get(event.id)
            if earlier is None:
                places = {"id": new_id(), "entry_id": entry.id, "event_id": event.id}
                self._new_results.append({**places, **columns})
                what = "created"
            elif any(earlier[name] != value for name, value in columns.items()):
                self._corrected.append({"id": earlier["id"], **columns})
                what = "updated"
            entry.results[event.id] = {"id": None, **columns}
        if what != "unchanged":
            self._changed.add(entry.category_id)
        counts = self.outcome.counts
        counts.read += 1
        setattr(counts, what, getattr(counts, what) + 1)

    def _result_of(
        self, line: Line, entry: Entry, before: int | None
    ) -> tuple[Event | None, dict[str, Any] | None]:
        if line.event is None:
            return None, None
        event = self._events.get(line.event)
        if event is None:
            raise _Wrong(f"there is no event {line.event} in this competition")
        if not line.has_result:
            return event, None
        if self._is_draft:
            raise _Wrong("this competition is a draft: open it first")
        if not event.published:
            raise _Wrong(f"event {event.ordinal} is not published yet")
        if before is not None and event.ordinal >= before:
            raise _Wrong(f"this athlete has withdrawn before event {before}")
        if earlier := self._lines.get((entry.id, event.id)):
            raise _Wrong(f"this athlete's event {event.ordinal} is also on line {earlier}")
        return event, score_columns(line, event.scoring)

    async def _write(self) -> None:
        new = [
            {
                "id": entry.id,
                "athlete_id": entry.athlete_id,
                "category_id": entry.category_id,
                **entry.state(),
            }
            for entry in self._new_entries.values()
        ]
        moved = [{"id": entry.id, **entry.state()} for entry in self._moved.values()]
        self.outcome.counts.new_entries = len(new)
        await self._run(statements.enter_query(), new)
        await self._run(statements.move_query(), moved)
        await self._run(statements.insert_results_query(), self._new_results)
        await self._run(statements.correct_results_query(), self._corrected)
        if self._locks:
            for category_id in sorted(self._changed):
                more = sum(entry.category_id == category_id for entry in self._new_entries.values())
                board = {**self._of, "category_id": category_id, "more": more}
                await self._transaction.row(grow_board_query(), board)

    async def _run(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            values = {**self._of, "rows": to_json(rows).decode()}
            await self._transaction.rows(statement, values)


class _Known:
    """Something for each of some athletes, found by id or else by reference."""

    def __init__(self) -> None:
        self._by_id: dict[UUID, Any] = {}
        self._by_reference: dict[str, Any] = {}

    def add(self, athlete_id: UUID | None, reference: str | None, what: Any) -> None:
        if athlete_id is not None:
            self._by_id[athlete_id] = what
        if reference is not None:
            self._by_reference[reference] = what

    def update(self, other: "_Known") -> None:
        self._by_id |= other._by_id
        self._by_reference |= other._by_reference

    def of(self, line: Line) -> Any:
        found = self._by_id.get(line.athlete.get("id"))  # type: ignore[arg-type]
        return found or self._by_reference.get(line.athlete.get("reference"))  # type: ignore[arg-type]


def _as_new(line: Line) -> AthleteEntry:
    fields = {**_NEW, **line.athlete}
    return AthleteEntry(line.row, {**fields, **derived_columns(statements.ATHLETES, fields)})
