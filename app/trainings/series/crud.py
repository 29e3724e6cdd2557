"""Operations on series: each makes or changes all trainings in one transaction, or none."""

import datetime as dt
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from asyncpg import CheckViolationError

from app.centres.crud import CentresCRUD
from app.centres.errors import CentreFull
from app.core.db.statements import Statement, new_values
from app.core.db.transactions import Transaction
from app.core.errors import (
    RFC_3339,
    DomainError,
    FieldError,
    Invalid,
    NotFound,
    ReferenceMissing,
    StillInUse,
)
from app.core.resources.crud import CRUD, Resource, Versions
from app.core.resources.fields import new_id
from app.trainings import moves
from app.trainings.queries import TRAINING_QUERIES
from app.trainings.series import rights
from app.trainings.series.layout import Pattern, Slot
from app.trainings.series.models import ProgrammeOfSeries, SeriesCreate, SeriesUpdate
from app.trainings.series.queries import MOVED, SERIES_QUERIES
from app.workouts.crud import ProgrammeCRUD

TIMES = "start", "minutes"
PATTERN = "weekdays", "start", "minutes", "starts_on", "ends_on", "skip"
YEAR = dt.timedelta(days=366)
"""How long after its first day, or after today, a series may end."""
SHARED = "name", "coach", "capacity"
"""Fields that each training takes from its series."""


@dataclass
class Report:
    """What became of the trainings of a series."""

    created: int = 0
    changed: int = 0
    cancelled: int = 0
    deleted: int = 0
    kept: list[dict[str, str]] = field(default_factory=list)
    clock_changes: list[dict[str, str]] = field(default_factory=list)

    def keep(self, trainings: Iterable[Any], reason: str) -> None:
        """Add trainings that are left as they are."""
        self.kept += [
            {
                "id": str(one["id"]),
                "date": str(one["series_date"]),
                "starts_at": f"{one['starts_at']:{RFC_3339}}",
                "reason": reason,
            }
            for one in trainings
        ]

    def lay_out(self, slots: Iterable[Slot]) -> None:
        """Add the days on which the clocks change at the start."""
        self.clock_changes += [
            {
                "date": str(slot.date),
                "starts_at": f"{slot.starts_at:{RFC_3339}}",
                "clock": slot.clock,
            }
            for slot in slots
            if slot.clock is not None
        ]

    def added_to(self, series: Resource) -> Resource:
        """Return the series with this report."""
        self.kept.sort(key=lambda one: (one["date"], one["id"]))
        body = {**json.loads(series.body), **vars(self)}
        return series._replace(body=json.dumps(body, ensure_ascii=False, separators=(",", ":")))


class SeriesCRUD(CRUD[SeriesCreate, SeriesUpdate]):
    """Creates, reads, lists, changes, cancels and deletes series."""

    queries = SERIES_QUERIES
    sees = rights.SEE
    changes = rights.CHANGE

    async def create(self, payload: SeriesCreate) -> Resource:
        """Create a series and all its trainings.

        Raise ``Forbidden``, ``ReferenceMissing``, ``Invalid``, ``AlreadyTaken`` or ``CentreFull``.
        """
        if not self._caller.is_admin:
            await self._check_creation(payload)
        _check_end(payload.ends_on, payload.starts_on)
        fields = {"id": new_id(), **payload.model_dump(exclude={"programme"})}

        async def work(transaction: Transaction) -> Resource:
            zone = await self._lock_centre(transaction, payload.centre_id)
            slots = _pattern(fields).slots(zone)
            if not slots:
                raise Invalid.of_field("/weekdays", "no_day", "The series has no day.")
            created = await self._insert(transaction, new_values(self.queries.table, fields))
            report = Report()
            report.lay_out(slots)
            report.created = await self._create(transaction, fields, slots, zone, fields)
            await self._add_programme(transaction, payload.centre_id, payload.programme)
            return report.added_to(created)

        return await self._database.transaction(work)

    async def update(
        self, row_id: UUID, payload: SeriesUpdate, expected: Versions = None
    ) -> Resource:
        """Change a series, and its trainings that have not started.

        Trainings that were changed apart from it are kept, and those with bookings unless
        ``include_booked``. Raise ``NotFound``, ``Forbidden``, ``PreconditionFailed``, ``Invalid``,
        ``CentreFull`` or ``AthleteBusy``.
        """
        fields = payload.model_dump(exclude_unset=True)
        include_booked = fields.pop("include_booked", False)

        async def change(transaction: Transaction, before: Any, zone: ZoneInfo) -> Resource:
            after = {**before, **fields}
            if "ends_on" in fields:
                _check_end(after["ends_on"], after["starts_on"])
            if not fields:
                return Report().added_to(await self._read(transaction, row_id))
            now, trainings = await self._lock_trainings(transaction, row_id)
            changed = await self._write_series(transaction, row_id, fields)
            slots = _pattern(after).slots(zone)
            ahead = [slot for slot in slots if slot.starts_at > now]
            report = Report()
            report.lay_out(ahead)
            plan = _Plan.of(trainings, {slot.date: slot for slot in slots}, after, now)
            if not include_booked:
                plan.keep_booked(report)
            report.keep(plan.changed_alone, "changed_alone")
            report.keep(plan.past, "past")
            # In this order, so that each training finds the room and the athletes that others free.
            report.deleted, report.cancelled = await self._remove(transaction, plan.removed, now)
            report.changed = await self._change(transaction, after, plan.changed, zone, fields)
            laid = {slot.date for slot in _pattern(before).slots(zone)}
            laid |= {one["series_date"] for one in trainings if _is_in_place(one)}
            new = [slot for slot in ahead if slot.date not in laid]
            report.created = await self._create(transaction, after, new, zone, fields)
            return report.added_to(changed)

        return await self._changed(row_id, expected, change)

    async def cancel(self, series_id: UUID, since: dt.date) -> Resource:
        """Cancel the trainings of a series from a local day on (idempotent), and their bookings.

        Those that were changed apart from it, or have started, are kept. Raise ``NotFound`` or
        ``Forbidden``.
        """

        async def change(transaction: Transaction, before: Any, zone: ZoneInfo) -> Resource:
            now, trainings = await self._lock_trainings(transaction, series_id)
            ends_on = max(since, before["starts_on"]) - dt.timedelta(days=1)
            fields = {"ends_on": min(ends_on, before["ends_on"])}
            changed = await self._write_series(transaction, series_id, fields)
            reached = [
                one
                for one in trainings
                if one["series_date"] >= since and one["status"] == "scheduled"
            ]
            report = Report()
            report.keep([one for one in reached if _is_changed_alone(one)], "changed_alone")
            report.cancelled = await self._cancel(
                transaction, [one for one in reached if not _is_changed_alone(one)], now
            )
            return report.added_to(changed)

        return await self._changed(series_id, None, change)

    async def delete(
        self, row_id: UUID, expected: Versions = None, *, include_booked: bool = False
    ) -> None:
        """Delete a series, and its trainings that have not started.

        Those that somebody has booked are cancelled, if ``include_booked``. Trainings that have
        started, or were changed apart from the series, stay. Raise ``NotFound``, ``Forbidden``,
        ``PreconditionFailed`` or ``StillInUse``.
        """

        async def change(transaction: Transaction, before: Any, zone: ZoneInfo) -> Resource:
            now, trainings = await self._lock_trainings(transaction, row_id)
            own = [one for one in trainings if not _is_changed_alone(one)]
            if any(_is_booked(one) for one in own) and not include_booked:
                raise StillInUse("This series has trainings with bookings.")
            await self._remove(transaction, [one for one in own if _is_scheduled(one)], now)
            series = await self._read(transaction, row_id)
            values = {"id": row_id, "expected": None, **self._reach_to_change()}
            await transaction.row(self.queries.delete_query(), values)
            return series

        await self._changed(row_id, expected, change)

    async def _check_creation(self, payload: SeriesCreate) -> None:
        with suppress(NotFound):  # the write reports it
            centres = CentresCRUD(self._database, self._caller)
            await centres.require_right(rights.CHANGE, payload.centre_id)

    async def _changed(
        self,
        series_id: UUID,
        expected: Versions,
        change: Callable[[Transaction, Any, ZoneInfo], Any],
    ) -> Resource:
        """Run a change of a series in a transaction that has locked it and its centre."""
        reach = self.changes.reach(self._caller)
        values = {"id": series_id, "expected": expected, **reach.values()}

        async def work(transaction: Transaction) -> Resource | None:
            if await transaction.row(self.queries.lock_query(), values) is None:
                return None
            before = dict(await transaction.row(self.queries.pattern_query(), values))
            zone = await self._lock_centre(transaction, before["centre_id"])
            changed: Resource = await change(transaction, before, zone)
            return changed

        changed = await self._database.transaction(work) if reach else None
        if changed is None:
            raise await self._why_unchanged(series_id, reach)
        return changed

    def _reach_to_change(self) -> dict[str, Any]:
        return self.changes.reach(self._caller).values()

    async def _write_series(
        self, transaction: Transaction, series_id: UUID, fields: Mapping[str, Any]
    ) -> Resource:
        values = {
            "id": series_id,
            "expected": None,
            **new_values(self.queries.table, fields),
            **self._reach_to_change(),
        }
        statement = self.queries.update_query(frozenset(fields))
        return self._found(await transaction.row(statement, values))

    async def _lock_centre(self, transaction: Transaction, centre_id: UUID) -> ZoneInfo:
        row = await transaction.row(self.queries.lock_centre_query(), {"centre_id": centre_id})
        if row is None:
            raise ReferenceMissing.of_field("/centre_id", "missing", "There is no such centre.")
        return ZoneInfo(row["time_zone"])

    async def _lock_trainings(
        self, transaction: Transaction, series_id: UUID
    ) -> tuple[dt.datetime, list[Any]]:
        """Lock the trainings of a series that have not started, and read them."""
        (now,) = await transaction.row(
            self.queries.lock_trainings_query(), {"series_id": series_id}
        )
        values = {"series_id": series_id, "now": now}
        return now, await transaction.rows(self.queries.trainings_query(), values)

    async def _create(
        self,
        transaction: Transaction,
        series: Mapping[str, Any],
        slots: Sequence[Slot],
        zone: ZoneInfo,
        given: Collection[str],
    ) -> int:
        """Create trainings of a series; return how many."""
        if not slots:
            return 0
        values = {
            "series_id": series["id"],
            "series_centre_id": series["centre_id"],
            "ids": [new_id() for _ in slots],
            "series_dates": [slot.date for slot in slots],
            "starts_ats": [slot.starts_at for slot in slots],
            "ends_ats": [slot.ends_at for slot in slots],
            **_shared(series),
        }
        statement = self.queries.create_trainings_query()
        return await _fitting(transaction, statement, values, zone, given)

    async def _change(
        self,
        transaction: Transaction,
        series: Mapping[str, Any],
        changes: Sequence[tuple[Any, Slot]],
        zone: ZoneInfo,
        given: Collection[str],
    ) -> int:
        """Change and move locked trainings of a series; return how many."""
        booked = [one["id"] for one, _ in changes if _is_booked(one)]
        now = await moves.lock_booked(transaction, booked)
        # Those that have started while the transaction waited for athletes are left.
        changes = [
            (one, slot) for one, slot in changes if now < min(one["starts_at"], slot.starts_at)
        ]
        if not changes:
            return 0
        rows: dict[str, list[Any]] = {"ids": [], "starts_ats": [], "ends_ats": []}
        rows |= {f"{name}s": [] for name in MOVED}
        moved = []
        for training, slot in changes:
            times = {"new_starts_at": slot.starts_at, "new_ends_at": slot.ends_at}
            former = {f"new_{name}": training[name] for name in MOVED}
            if move := moves.Move.of(training, times):
                moved.append(training["id"])
                is_told = await moves.is_told(transaction, training)
                former = move.former(now, is_told=is_told)
            rows["ids"].append(training["id"])
            rows["starts_ats"].append(slot.starts_at)
            rows["ends_ats"].append(slot.ends_at)
            for name in MOVED:
                rows[f"{name}s"].append(former[f"new_{name}"])
        statement = self.queries.change_trainings_query()
        values = {**rows, **_shared(series)}
        changed = await _fitting(transaction, statement, values, zone, given)
        if moved:
            field = next((name for name in TIMES if name in given), "include_booked")
            await moves.refuse_if_busy(transaction, moved, self._caller, field)
        for training, _ in changes:
            if training["waiting"] and training["taken"] < series["capacity"]:
                await transaction.row(TRAINING_QUERIES.promote_query(), {"id": training["id"]})
        return changed

    async def _remove(
        self, transaction: Transaction, trainings: Sequence[Any], now: dt.datetime
    ) -> tuple[int, int]:
        """Delete locked trainings, or cancel those that were ever booked; return how many."""
        unknown = [one["id"] for one in trainings if not one["is_known"]]
        if unknown:
            await transaction.row(self.queries.delete_trainings_query(), {"ids": unknown})
        known = [one for one in trainings if one["is_known"]]
        return len(unknown), await self._cancel(transaction, known, now)

    async def _cancel(
        self, transaction: Transaction, trainings: Sequence[Any], now: dt.datetime
    ) -> int:
        """Cancel locked trainings of a series and their bookings; return how many."""
        ids = [one["id"] for one in trainings]
        for training_id in ids:
            values = {"id": training_id, "now": now}
            await transaction.row(TRAINING_QUERIES.cancel_query(), values)
        if ids:
            await transaction.row(self.queries.keep_in_series_query(), {"ids": ids})
        return len(ids)

    async def _add_programme(
        self, transaction: Transaction, centre_id: UUID, workouts: Sequence[ProgrammeOfSeries]
    ) -> None:
        """Add workouts to the programme of a centre; an error points at the one it is about."""
        programme = ProgrammeCRUD(transaction, self._caller)
        for number, workout in enumerate(workouts):
            try:
                await programme.add(centre_id, workout)
            except DomainError as error:
                error.errors = [
                    FieldError(
                        pointer=f"/programme/{number}{one.pointer}",
                        code=one.code,
                        detail=one.detail,
                    )
                    for one in error.errors
                ]
                raise


@dataclass
class _Plan:
    """What a change of a series does with its locked trainings."""

    changed: list[tuple[Any, Slot]]
    removed: list[Any]
    changed_alone: list[Any]
    past: list[Any]

    @classmethod
    def of(
        cls,
        trainings: Iterable[Any],
        slots: Mapping[dt.date, Slot],
        series: Mapping[str, Any],
        now: dt.datetime,
    ) -> "_Plan":
        """Compare trainings with the new layout of the series."""
        plan = cls([], [], [], [])
        for training in trainings:
            slot = slots.get(training["series_date"])
            if _is_changed_alone(training):
                plan.changed_alone.append(training)
            elif not _is_scheduled(training):
                continue  # the series cancelled it
            elif slot is None:
                plan.removed.append(training)
            elif slot.starts_at <= now:
                plan.past.append(training)
            elif _differs(training, slot, series):
                plan.changed.append((training, slot))
        return plan

    def keep_booked(self, report: Report) -> None:
        """Leave trainings with bookings as they are."""
        booked = [one for one, _ in self.changed if _is_booked(one)]
        report.keep(booked + [one for one in self.removed if _is_booked(one)], "booked")
        self.changed = [(one, slot) for one, slot in self.changed if not _is_booked(one)]
        self.removed = [one for one in self.removed if not _is_booked(one)]


def _pattern(series: Mapping[str, Any]) -> Pattern:
    return Pattern(**{name: series[name] for name in PATTERN})


def _shared(series: Mapping[str, Any]) -> dict[str, Any]:
    return {f"series_{name}": series[name] for name in SHARED}


def _differs(training: Any, slot: Slot, series: Mapping[str, Any]) -> bool:
    times = training["starts_at"], training["ends_at"]
    return times != (slot.starts_at, slot.ends_at) or any(
        training[name] != series[name] for name in SHARED
    )


def _is_changed_alone(training: Any) -> bool:
    return bool(training["version"] != training["series_version"])


def _is_booked(training: Any) -> bool:
    return bool(training["taken"] + training["waiting"])


def _is_scheduled(training: Any) -> bool:
    return bool(training["status"] == "scheduled")


def _is_in_place(training: Any) -> bool:
    """Return whether a training stands for its day: the series did not cancel it."""
    return _is_scheduled(training) or _is_changed_alone(training)


def _check_end(ends_on: dt.date, starts_on: dt.date) -> None:
    """Raise ``Invalid`` for a last day before the first one, or too far ahead."""
    latest = max(starts_on, dt.datetime.now(dt.UTC).date()) + YEAR
    if not starts_on <= ends_on <= latest:
        detail = (
            "A series must end on its first day or later,"
            " and at most a year after its first day or after today."
        )
        raise Invalid.of_field("/ends_on", "span", detail)


async def _fitting(
    transaction: Transaction,
    statement: Statement,
    values: Mapping[str, Any],
    zone: ZoneInfo,
    given: Collection[str],
) -> int:
    """Write trainings and return how many; raise ``CentreFull`` for the first that does not fit.

    The error points at the capacity only if that is one of the ``given`` fields of the request.
    """
    try:
        (number,) = await transaction.row(statement, values)
    except CheckViolationError as error:
        if error.constraint_name != "ck_trainings_at_once" or error.detail is None:
            raise
        begins = dt.datetime.fromisoformat(error.detail).astimezone(zone)
        detail = (
            f"The training of {begins:%Y-%m-%d} at {begins:%H:%M} does not fit: overlapping"
            " trainings would have more seats than the capacity of the centre."
        )
        if "capacity" not in given:
            raise CentreFull(detail) from None
        raise CentreFull.of_field("/capacity", "at_once", detail) from None
    return int(number)
