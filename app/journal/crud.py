"""Lists of events."""

from collections.abc import Sequence
from uuid import UUID

from app.athletes.crud import AthletesCRUD
from app.core.resources.crud import CRUD
from app.core.resources.models import Payload
from app.core.resources.paging import PageOfJSON
from app.journal.models import EventsAtCentresQuery, EventsOfAthleteQuery, EventsQuery
from app.journal.queries import EVENT_QUERIES


class EventsCRUD(CRUD[Payload, Payload]):
    """Lists events. Nothing else may be done with them."""

    queries = EVENT_QUERIES

    async def find(
        self, query: EventsQuery, centre_ids: Sequence[UUID] | None = None
    ) -> PageOfJSON:
        """Return a page of the events that match, of all centres or of some."""
        if centre_ids is None:
            return await self.page(query)
        number = len(centre_ids)
        at_centres = EventsAtCentresQuery.model_construct(**dict(query), number=number)
        return await self.page(at_centres, {"centre_ids": tuple(centre_ids)})

    async def of_athlete(self, athlete_id: UUID, query: EventsOfAthleteQuery) -> PageOfJSON:
        """Return a page of the events about an athlete; raise ``NotFound``."""
        return await self.page_within(AthletesCRUD(self._database), athlete_id, query)
