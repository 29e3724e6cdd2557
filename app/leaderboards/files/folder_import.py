"""Import a competition from a folder, whole or not at all.

A competition of which a part is missing has other places and ranks, and nobody would see it. So one
transaction stores everything: other requests see the competition once it is complete, and after an
error there is nothing to clean up or to continue.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from app.centres.models import Centre
from app.competitions.crud import CompetitionsCRUD
from app.competitions.events import CompetitionEventsCRUD
from app.competitions.locks import COMPETITIONS
from app.competitions.models import CompetitionCreate, CompetitionEventCreate
from app.core.access import Caller
from app.core.db.schema import NOW, table_of
from app.core.db.statements import Statement
from app.core.db.transactions import Runner, Transaction
from app.core.errors import AlreadyTaken, NotFound
from app.core.resources.text import name_key
from app.leaderboards.files.folder import Folder, Problem
from app.leaderboards.files.report import Counts, Outcome
from app.leaderboards.files.rules import EventRules
from app.leaderboards.files.statements import count_rows_query
from app.leaderboards.files.storing import store_lines
from app.workouts.crud import WorkoutsCRUD
from app.workouts.models import WorkoutCreate

LINES_AT_ONCE = 2000
LONGEST_NAME = 100
"""Of a workout, which is named after its competition."""

Show = Callable[[float, str], None]
"""Shows the part that is done, and a description."""

_CENTRES = table_of(Centre)
_KEY = sa.bindparam("name_key", type_=sa.Text)
# It is released when the transaction ends. The number is of this lock only.
_ALONE = Statement(sa.text("SELECT pg_advisory_xact_lock(7209342)"))
_NOW = Statement(sa.select(NOW.label("now")))
_NAMED = Statement(sa.select(COMPETITIONS.c.id).where(COMPETITIONS.c.name_key == _KEY).limit(1))
_CENTRE = Statement(sa.select(_CENTRES.c.id).where(_CENTRES.c.name_key == _KEY))


class Imported(NamedTuple):
    """A competition that was imported."""

    competition_id: UUID
    name: str
    counts: Counts


class Refused(Exception):
    """Rows of the files cannot be stored."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__()
        self.problems = problems


class FolderImport:
    """Imports a competition on behalf of a caller, with a name and a host of its own if given."""

    def __init__(
        self,
        folder: Folder,
        caller: Caller,
        name: str | None = None,
        centre: str | None = None,
    ) -> None:
        self._folder = folder
        self._caller = caller
        self._name = name or folder.rules.competition
        self._centre = centre

    async def run(self, database: Runner, show: Show) -> Imported:
        """Store the competition with its events, entries and results, closed and published.

        Raise ``Refused``, ``AlreadyTaken`` if a competition has this name, or ``NotFound`` if no
        centre has the name of the host.
        """

        async def work(transaction: Transaction) -> Imported:
            # Two imports of one name, one after the other: the second one finds the first.
            await transaction.rows(_ALONE, {})
            competition_id = await self._create(transaction)
            counts = await self._store(transaction, competition_id, show)
            return Imported(competition_id, self._name, counts)

        imported = await database.transaction(work)
        await database.row(count_rows_query(), {})
        return imported

    async def _create(self, transaction: Transaction) -> UUID:
        rules = self._folder.rules
        if await transaction.row(_NAMED, {"name_key": name_key(self._name)}):
            raise AlreadyTaken(
                f"There is a competition {self._name} already, and nothing was imported. Give"
                " this one another name: --name."
            )
        today = dt.datetime.now(ZoneInfo(rules.time_zone)).date()
        starts_on = rules.starts_on or rules.ends_on or today
        payload = CompetitionCreate(
            name=self._name,
            centre_id=await self._host(transaction),
            time_zone=rules.time_zone,
            starts_on=starts_on,
            ends_on=rules.ends_on or starts_on,
            points=rules.points,
            overall_tie=rules.overall_tie,
        )
        competitions = CompetitionsCRUD(transaction, self._caller)
        competition = await competitions.create(payload)
        await competitions.move(competition.id, "opened")
        await competitions.move(competition.id, "closed")
        (now,) = await transaction.row(_NOW, {})
        for event in rules.events:
            await self._create_event(transaction, competition.id, event, now)
        return competition.id

    async def _host(self, transaction: Transaction) -> UUID | None:
        if self._centre is None:
            return None
        row = await transaction.row(_CENTRE, {"name_key": name_key(self._centre)})
        if row is None:
            raise NotFound(f"There is no centre {self._centre}.")
        host: UUID = row["id"]
        return host

    async def _create_event(
        self, transaction: Transaction, competition_id: UUID, event: EventRules, now: Any
    ) -> None:
        suffix = f" event {event.event}"
        scoring = self._folder.scoring_of(event)
        workout = WorkoutCreate(
            name=self._name[: LONGEST_NAME - len(suffix)] + suffix,
            score_type=event.score_type,
            best=event.best,
            time_cap_ms=scoring.time_cap_ms,
            total_reps=scoring.total_reps,
            tie_break=event.decides,
        )
        created = await WorkoutsCRUD(transaction, self._caller).create(workout)
        payload = CompetitionEventCreate(
            workout_id=created.id,
            ordinal=event.event,
            published_at=now,
            points_table=self._folder.rules.table_of(event),
        )
        await CompetitionEventsCRUD(transaction, self._caller).add(competition_id, payload)

    async def _store(self, transaction: Transaction, competition_id: UUID, show: Show) -> Counts:
        outcome = Outcome()
        problems = []
        total, done = sum(map(len, self._folder.lines.values())), 0
        for file, lines in self._folder.lines.items():
            for first in range(0, len(lines), LINES_AT_ONCE):
                batch = lines[first : first + LINES_AT_ONCE]
                stored = await store_lines(transaction, self._caller, competition_id, batch)
                problems += [Problem(file, one.row.line, one.reason) for one in stored.rejections]
                outcome.add(stored)
                done += len(batch)
                show(done / total, f"{done} rows")
        if problems:
            raise Refused(problems)
        return outcome.counts
