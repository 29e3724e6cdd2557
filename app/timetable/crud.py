"""Reads of the timetable."""

from uuid import UUID

from app.athletes.crud import AthletesCRUD
from app.centres.crud import CentresCRUD
from app.core.access import NOBODY, Caller
from app.core.db.transactions import Runner
from app.core.errors import Forbidden, Unauthenticated
from app.core.resources.queries import FULL
from app.timetable.models import TimetableQuery
from app.timetable.queries import timetable_query
from app.trainings.rights import SEE_ANY, SEE_BOOKINGS
from app.workouts.rights import SEE_PROGRAMME


class TimetableCRUD:
    """Reads the timetables of centres, for one caller."""

    def __init__(self, database: Runner, caller: Caller) -> None:
        self._database = database
        self._caller = caller

    async def week(self, centre_id: UUID, query: TimetableQuery) -> str:
        """Return a week of a centre, as JSON.

        Raise ``NotFound`` or ``Forbidden``; with an athlete, also ``Unauthenticated``.
        """
        centres = CentresCRUD(self._database, self._caller)
        await centres.require_right(SEE_ANY, centre_id)
        if query.athlete_id is not None:
            await self._require_bookings(centre_id, query.athlete_id)
        programme = SEE_PROGRAMME[FULL].reach(self._caller)
        values = {
            "id": centre_id,
            "week": query.week,
            "athlete_id": query.athlete_id,
            "programme": programme.includes([centre_id], published=[centre_id]),
        }
        row = await self._database.shared_row(timetable_query(), values)
        if row is None:
            raise centres.not_found()
        body: str = row["body"]
        return body

    async def _require_bookings(self, centre_id: UUID, athlete_id: UUID) -> None:
        """Raise an error if the caller does not see the bookings of an athlete at a centre."""
        caller = self._caller
        if caller.kind == NOBODY.kind:
            raise Unauthenticated("The bookings of an athlete need a token.")
        if caller.centre_id is not None:
            raise Forbidden("A device does not see the bookings of an athlete.")
        if athlete_id != caller.athlete_id:
            await AthletesCRUD(self._database, caller).require(athlete_id)
        if not SEE_BOOKINGS[FULL].reach(caller).includes([centre_id], athlete_id):
            raise Forbidden("Your roles do not allow you to see bookings at this centre.")
