"""Lists of events."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.athletes.crud import AthletesCRUD
from app.core.access import Reach
from app.core.resources.crud import CRUD
from app.core.resources.models import Payload
from app.core.resources.paging import PageOfJSON
from app.journal import rights
from app.journal.models import EventsAtCentresQuery, EventsOfAthleteQuery, EventsQuery
from app.journal.queries import EVENT_QUERIES


class EventsCRUD(CRUD[Payload, Payload]):
    """Lists events. Nothing else may be done with them."""

    queries = EVENT_QUERIES

    async def find(self, query: EventsQuery) -> PageOfJSON:
        """Return a page of the events that match, at the centres of the caller."""
        reach = rights.READ.reach(self._caller)
        if reach.is_all:
            return await self.page(query)
        centre_ids = tuple(sorted(reach.centres))
        at_centres = EventsAtCentresQuery.model_construct(**dict(query), number=len(centre_ids))
        return await self.page(at_centres, {"centre_ids": centre_ids})

    async def of_athlete(self, athlete_id: UUID, query: EventsOfAthleteQuery) -> PageOfJSON:
        """Return a page of the events about an athlete; raise ``NotFound`` or ``Forbidden``."""
        athletes = AthletesCRUD(self._database, self._caller)
        if not rights.READ_OF_ATHLETE.reach(self._caller).includes(athlete_id=athlete_id):
            await athletes.require(athlete_id)
            raise athletes.forbidden()
        return await self.page_within(athletes, athlete_id, query)

    def _within(
        self, reach: Reach, given: Mapping[str, Any]
    ) -> tuple[frozenset[str], dict[str, Any]]:
        """Return the filters as they are: they have the centres, or the athlete, of the caller."""
        return frozenset(given), dict(given)
