"""Operations on workouts and on the programmes of centres."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from app.centres.crud import CentresCRUD
from app.core.access import ADMINISTRATORS, Right
from app.core.db.statements import Statement, new_values
from app.core.db.transactions import Runner
from app.core.errors import AlreadyTaken, Forbidden, ReferenceMissing
from app.core.resources.crud import CRUD, Resource
from app.core.resources.fields import new_id
from app.workouts import rights
from app.workouts.models import ProgrammeCreate, ProgrammeUpdate, WorkoutCreate, WorkoutUpdate
from app.workouts.queries import PROGRAMME_QUERIES, WORKOUT_QUERIES


class WorkoutsCRUD(CRUD[WorkoutCreate, WorkoutUpdate]):
    """Creates, reads, lists, updates and deletes workouts."""

    queries = WORKOUT_QUERIES
    sees = rights.SEE
    changes = rights.CHANGE

    async def _check_creation(self, payload: WorkoutCreate) -> None:
        if payload.benchmark:
            raise Forbidden.of_field(
                "/benchmark", "forbidden", "Only administrators write benchmarks."
            )

    def _right_to_change(self, fields: Collection[str]) -> Right:
        return ADMINISTRATORS if "benchmark" in fields else self.changes


class ProgrammeCRUD(CRUD[ProgrammeCreate, ProgrammeUpdate]):
    """Adds, reads, lists, updates and removes the workouts in the programmes of centres."""

    queries = PROGRAMME_QUERIES
    sees = rights.SEE_PROGRAMME
    changes = rights.CHANGE_PROGRAMME

    async def add(self, centre_id: UUID, payload: ProgrammeCreate) -> Resource:
        """Add a workout to the programme of a centre.

        Raise ``NotFound``, ``Forbidden``, ``AlreadyTaken`` or ``ReferenceMissing``.
        """
        centres = CentresCRUD(self._database, self._caller)
        await centres.require_right(rights.CHANGE_PROGRAMME, centre_id)
        fields = {"id": new_id(), "centre_id": centre_id, **payload.model_dump()}
        try:
            return await self._insert(self._database, new_values(self.queries.table, fields))
        except ReferenceMissing as missing:
            if missing.errors[0].pointer == "/centre_id":
                raise centres.not_found() from None
            raise

    @classmethod
    def noun(cls) -> str:
        """Return the name of a row in messages."""
        return "workout in a programme"

    @staticmethod
    async def _write(
        runner: Runner, statement: Statement, values: Mapping[str, Any]
    ) -> Resource | None:
        try:
            return await CRUD._write(runner, statement, values)
        except AlreadyTaken:
            field = "position" if "new_position" in values else "date"
            detail = "Another workout has this position on that day."
            raise AlreadyTaken.of_field(f"/{field}", "taken", detail) from None
