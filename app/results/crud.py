"""Operations on results: log, submit, correct, review."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.athletes.crud import AthletesCRUD
from app.athletes.models import ERASED_DETAIL
from app.centres.crud import CentresCRUD
from app.competitions.crud import refuse_final
from app.competitions.locks import ENTRIES, lock_board_query
from app.core.access import EVERYTHING, Caller
from app.core.db.statements import new_values
from app.core.db.transactions import Runner, Transaction
from app.core.errors import Erased, Forbidden, Invalid, NotFound, ReferenceMissing, WrongState
from app.core.resources.crud import CRUD, Resource, Versions
from app.core.resources.fields import new_id
from app.core.resources.paging import ListQuery, PageOfJSON
from app.results import locks, rights
from app.results.models import (
    AboutResult,
    EventResultWrite,
    ResultCreate,
    ResultReview,
    ResultUpdate,
)
from app.results.queries import RESULT_QUERIES
from app.results.records import records_query
from app.results.scoring import gives_score, score_columns, scoring_of
from app.results.whiteboard import WhiteboardQuery, whiteboard_query
from app.workouts.crud import WorkoutsCRUD

_COPIES = "workout_id", "score_type", "best", "tie_break_by"
"""The columns of a result that repeat its workout."""
_PLACES = "competition_id", "event_id", "entry_id", "category_id", "athlete_id"
_ABOUT = tuple(AboutResult.model_fields)


class ResultsCRUD(CRUD[ResultCreate, ResultUpdate]):
    """Logs, reads, lists, corrects, reviews and deletes results."""

    queries = RESULT_QUERIES
    sees = rights.SEE

    def __init__(self, database: Runner, caller: Caller) -> None:
        super().__init__(database, caller)
        self._athletes = AthletesCRUD(database, caller)
        self._centres = CentresCRUD(database, caller)
        self._workouts = WorkoutsCRUD(database, caller)

    async def log(self, payload: ResultCreate) -> Resource:
        """Log a result at a centre.

        Raise ``Forbidden``, ``ReferenceMissing``, ``Invalid`` or ``Erased``.
        """

        async def work(transaction: Transaction) -> Resource:
            ids = payload.model_dump(include={"workout_id", "centre_id", "training_id"})
            workout = await transaction.row(locks.lock_workout_query(), ids)
            _check_place(payload, workout)
            self._check_logging(workout["centre_id"], payload.athlete_id)
            await self._athletes.lock_named(transaction, payload.athlete_id)
            fields = {
                "id": new_id(),
                "athlete_id": payload.athlete_id,
                "centre_id": workout["centre_id"],
                "training_id": payload.training_id,
                **_written(payload, workout),
                **dict.fromkeys(("competition_id", "event_id", "entry_id", "category_id")),
            }
            return await self._insert(transaction, new_values(self.queries.table, fields))

        return await self._database.transaction(work)

    async def put(self, event_id: UUID, entry_id: UUID, payload: EventResultWrite) -> Resource:
        """Write the result of an entry in an event (idempotent).

        Raise ``NotFound``, ``Forbidden``, ``Invalid`` or ``WrongState``.
        """

        async def work(transaction: Transaction) -> Resource:
            is_refused = await self._is_of_erased(transaction, payload, ENTRIES, entry_id)
            event = await self._lock_event(transaction, event_id, entry_id)
            entry = await self._lock_entry(transaction, event)
            if is_refused:
                raise Erased(ERASED_DETAIL)
            fields = _written(payload, event)
            if entry["result_id"] is None:
                fields |= {"id": new_id(), "centre_id": None, "training_id": None}
                fields |= {name: event[name] for name in _PLACES}
                values = new_values(self.queries.table, fields)
                return await self._insert(transaction, values)
            if payload.performed_at is None:
                del fields["performed_at"], fields["performed_on"]
            return await self._change(transaction, entry["result_id"], fields)

        return await self._database.transaction(work)

    async def get_of_entry(self, event_id: UUID, entry_id: UUID) -> Resource:
        """Read the result of an entry in an event; raise ``NotFound``."""
        return await self.get(await self._id_of(event_id, entry_id))

    async def delete_of_entry(
        self, event_id: UUID, entry_id: UUID, expected: Versions = None
    ) -> None:
        """Delete the result of an entry in an event, as ``delete``."""
        result_id = await self._after_standby(entry_id, self._id_of(event_id, entry_id))
        await self.delete(result_id, expected)

    async def update(
        self, row_id: UUID, payload: ResultUpdate, expected: Versions = None
    ) -> Resource:
        """Correct a result, as in the base class. A score replaces the whole score."""

        async def work(transaction: Transaction) -> Resource:
            is_refused = await self._is_of_erased(transaction, payload, locks.RESULTS, row_id)
            target = await self._lock(transaction, row_id)
            if is_refused:
                raise Erased(ERASED_DETAIL)
            fields = payload.model_dump(exclude_unset=True, include={"scaling", *_ABOUT})
            if gives_score(payload):
                fields |= score_columns(payload, scoring_of(target))
            if "performed_at" in payload.model_fields_set:
                fields |= _performed(payload, target)
            return await self._change(transaction, row_id, fields, expected)

        if not payload.model_fields_set:
            return await super().update(row_id, payload, expected)
        return await self._database.transaction(work)

    async def review(self, result_id: UUID, payload: ResultReview) -> Resource:
        """Decide about a result: it is valid, adjusted or invalid (idempotent).

        Raise ``NotFound``, ``Forbidden``, ``Invalid`` or ``WrongState``.
        """

        async def work(transaction: Transaction) -> Resource:
            target = await self._lock(transaction, result_id, judging=True)
            _check_decision(payload)
            fields: dict[str, Any] = {"review": payload.review}
            if gives_score(payload):
                fields |= score_columns(payload, scoring_of(target))
            if payload.scaling is not None:
                fields["scaling"] = payload.scaling
            return await self._change(transaction, result_id, fields, reason=payload.reason)

        return await self._database.transaction(work)

    async def delete(self, row_id: UUID, expected: Versions = None) -> None:
        """Delete a result, as in the base class."""

        async def work(transaction: Transaction) -> None:
            await self._lock(transaction, row_id)
            values = {"id": row_id, "expected": expected, **EVERYTHING.values()}
            if await transaction.row(self.queries.delete_query(), values) is None:
                raise await self._why_not(transaction, row_id)

        await self._after_standby(row_id, self._database.transaction(work))

    async def changes_of(self, result_id: UUID) -> str:
        """Return the corrections of a result, as JSON; raise ``NotFound``."""
        await self.require(result_id)
        row = await self._database.row(self.queries.changes_query(), {"id": result_id})
        body: str = row["body"]
        return body

    async def records(self, athlete_id: UUID) -> str:
        """Return the records of an athlete, as JSON; raise ``NotFound``."""
        await self._athletes.require(athlete_id)
        reach = self.reach()
        statement = records_query(within_reach=not reach.is_all)
        row = await self._database.row(statement, {"id": athlete_id, **reach.values()})
        body: str = row["body"]
        return body

    async def whiteboard(self, centre_id: UUID, query: WhiteboardQuery) -> str:
        """Return the whiteboard of a centre, as JSON; raise ``NotFound`` or ``Forbidden``."""
        await self._centres.require_right(rights.SEE_WHITEBOARD, centre_id)
        of_staff = rights.SEE_PROGRAMME.reach(self._caller).includes([centre_id])
        values = {"id": centre_id, "date": query.date, "all_programmed": of_staff}
        row = await self._database.row(whiteboard_query(query.order), values)
        if row is None:
            raise CentresCRUD.not_found()
        body: str = row["body"]
        return body

    async def of_athlete(self, athlete_id: UUID, query: ListQuery) -> PageOfJSON:
        """List the results of an athlete; raise ``NotFound`` if there is no such athlete."""
        return await self.page_within(self._athletes, athlete_id, query)

    async def of_workout(self, workout_id: UUID, query: ListQuery) -> PageOfJSON:
        """List the results of a workout; raise ``NotFound`` if there is no such workout."""
        return await self.page_within(self._workouts, workout_id, query)

    async def _lock(
        self, transaction: Transaction, result_id: UUID, *, judging: bool = False
    ) -> Any:
        """Lock what a change of a result needs, and return how its workout is scored.

        Raise ``NotFound``, ``Forbidden`` or ``WrongState``.
        """
        place = await transaction.row(self.queries.place_query(), {"id": result_id})
        if place is None:
            raise self.not_found()
        if place["event_id"] is not None:
            event = await self._lock_event(transaction, *place, judging=judging)
            await self._lock_entry(transaction, event)
            return event
        target = await transaction.row(locks.lock_result_query(), {"id": result_id})
        if target is None:
            raise self.not_found()
        right = rights.LOG if judging else rights.CORRECT
        if not self._caller.is_admin:
            seen = await self._see(transaction, result_id)
            if not right.reach(self._caller).includes(**{**seen.belongs, "public": False}):
                raise self.forbidden()
            if not self._may_judge(target):
                locked = await transaction.row(locks.lock_review_query(), {"id": result_id})
                _check_review(locked and locked["review"])
        return target

    async def _lock_event(
        self, transaction: Transaction, event_id: UUID, entry_id: UUID, *, judging: bool = False
    ) -> Any:
        """Lock an event in which the caller may write the result of an entry, and return it."""
        ids = {"event_id": event_id, "entry_id": entry_id}
        event = await transaction.row(locks.lock_event_query(), ids)
        if event is None:  # or the event got another workout while the statement waited
            event = await transaction.row(locks.lock_event_query(), ids)
        if event is None:
            raise _no_such_entry()
        may_judge = self._may_judge(event)
        if not may_judge:
            is_public = event["published"] and event["event_published"]
            if not (is_public and self.reach().includes(public=True)):
                raise _no_such_entry()
            if judging or event["athlete_id"] != self._caller.athlete_id:
                raise self.forbidden()
        refuse_final(event)
        if event["status"] == "draft":
            raise WrongState("This competition is a draft: open it first.")
        if not event["event_published"]:
            raise WrongState("This event is not published yet.")
        if not may_judge:
            _check_window(event)
        return event

    async def _lock_entry(self, transaction: Transaction, event: Any) -> Any:
        """Lock the board of an entry, and return the entry with its result in an event, if any."""
        board = {name: event[name] for name in ("competition_id", "category_id")}
        await transaction.row(lock_board_query(), board)
        ids = {"event_id": event["event_id"], "entry_id": event["entry_id"]}
        entry = await transaction.row(locks.entry_query(), ids)
        if entry is None:
            raise _no_such_entry()
        if entry["withdrawn_before"] is not None and event["ordinal"] >= entry["withdrawn_before"]:
            raise WrongState("This athlete has withdrawn before this event.")
        if not self._may_judge(event):
            if entry["status"] == "disqualified":
                raise WrongState("This athlete is disqualified.")
            _check_review(entry["review"])
        return entry

    def _may_judge(self, event: Any) -> bool:
        return rights.LOG.reach(self._caller).includes([event["centre_id"]])

    async def _change(
        self,
        transaction: Transaction,
        result_id: UUID,
        fields: dict[str, Any],
        expected: Versions = None,
        reason: str | None = None,
    ) -> Resource:
        """Change a locked result."""
        values = {
            "id": result_id,
            "expected": expected,
            "reason": reason,
            **new_values(self.queries.table, fields),
            **EVERYTHING.values(),
        }
        statement = self.queries.update_query(frozenset(fields))
        changed = await self._write(transaction, statement, values)
        if changed is None and await transaction.row(self.queries.lock_query(), values):
            changed = await self._write(transaction, statement, values)
        if changed is None:
            raise await self._why_not(transaction, result_id)
        return changed

    async def _why_not(self, transaction: Transaction, result_id: UUID) -> Exception:
        row = await transaction.row(self.queries.place_query(), {"id": result_id})
        return self.not_found() if row is None else self.changed_meanwhile()

    async def _id_of(self, event_id: UUID, entry_id: UUID) -> UUID:
        ids = {"event_id": event_id, "entry_id": entry_id}
        row = await self._database.row(self.queries.of_entry_query(), ids)
        if row is None:
            raise self.not_found()
        result_id: UUID = row["id"]
        return result_id

    def _check_logging(self, centre_id: UUID, athlete_id: UUID) -> None:
        """Raise ``Forbidden`` if the caller may not log results of an athlete at a centre."""
        if rights.LOG.reach(self._caller).includes([centre_id]):
            return
        trains = rights.TRAIN.reach(self._caller).includes([centre_id])
        if not (trains and athlete_id == self._caller.athlete_id):
            raise Forbidden("Your roles do not allow you to log this result at this centre.")

    @staticmethod
    async def _is_of_erased(
        transaction: Transaction, payload: AboutResult, rows: Any, row_id: UUID
    ) -> bool:
        """Return whether a request has text about an erased athlete, of a result or entry.

        It locks the athlete, so that no erasure comes meanwhile.
        """
        if payload.notes is None and payload.video_url is None:
            return False
        row = await transaction.row(locks.lock_athlete_of_query(rows), {"id": row_id})
        return row is not None and row["erased_at"] is not None


def _no_such_entry() -> NotFound:
    return NotFound("There is no such entry in the competition of this event.")


def _check_decision(payload: ResultReview) -> None:
    """Raise ``Invalid`` if a decision lacks what it needs, or has what it must not have."""
    adjusts = gives_score(payload) or payload.scaling is not None
    if payload.review != "adjusted":
        if adjusts:
            detail = "Only an adjusted result gets another score or scaling."
            raise Invalid.of_field("/review", "adjusted", detail)
        return
    if not adjusts:
        detail = "An adjusted result needs another score or scaling."
        raise Invalid.of_field("/review", "adjusted", detail)
    if payload.reason is None:
        raise Invalid.of_field("/reason", "missing", "An adjusted result needs a reason.")


def _check_place(payload: ResultCreate, workout: Any) -> None:
    """Raise an error if the workout, the centre or the training of a new result is missing."""
    if workout is None:
        raise ReferenceMissing.of_field("/workout_id", "missing", "There is no such workout.")
    if workout["centre_id"] is None:
        raise ReferenceMissing.of_field("/centre_id", "missing", "There is no such centre.")
    if payload.training_id is not None and workout["training_id"] is None:
        detail = "There is no such training at this centre."
        raise ReferenceMissing.of_field("/training_id", "missing", detail)


def _check_review(review: str | None) -> None:
    """Raise ``WrongState`` if a judge has reviewed a result."""
    if review not in {None, "none"}:
        raise WrongState("This result has been reviewed: only a judge can change it.")


def _check_window(event: Any) -> None:
    """Raise ``WrongState`` if athletes cannot submit results to an event now."""
    if event["status"] != "open":
        raise WrongState("This competition is closed: only its coaches can write results.")
    if event["opens_at"] is not None and event["now"] < event["opens_at"]:
        raise WrongState("This event has not opened yet.")
    if event["closes_at"] is not None and event["now"] >= event["closes_at"]:
        raise WrongState("This event has closed: it is too late to submit a result.")


def _written(payload: EventResultWrite, target: Any) -> dict[str, Any]:
    """Return the columns of a result that follow from its payload and its workout."""
    return {
        **{name: target[name] for name in _COPIES},
        **score_columns(payload, scoring_of(target)),
        **_performed(payload, target),
        **payload.model_dump(include={"scaling", *_ABOUT}),
    }


def _performed(payload: EventResultWrite | ResultUpdate, target: Any) -> dict[str, Any]:
    """Return when a result was performed, and the day there."""
    performed_at = payload.performed_at or target["now"]
    if performed_at > target["now"]:
        raise Invalid.of_field("/performed_at", "future", "A result cannot be in the future.")
    zone = ZoneInfo(target["time_zone"])
    return {
        "performed_at": performed_at,
        "performed_on": performed_at.astimezone(zone).date(),
    }
