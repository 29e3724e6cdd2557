"""Dependencies of the endpoints of the journal."""

from typing import Annotated

from fastapi import Depends

from app.core.http.dependencies import DatabaseDep
from app.journal.crud import EventsCRUD


async def get_events(database: DatabaseDep) -> EventsCRUD:
    """Create the CRUD of events for a request."""
    return EventsCRUD(database)


EventsDep = Annotated[EventsCRUD, Depends(get_events)]
