"""Dependencies of the endpoints of the journal."""

from typing import Annotated

from fastapi import Depends

from app.core.http.dependencies import DatabaseDep, RequestCaller
from app.journal.crud import EventsCRUD


async def get_events(database: DatabaseDep, caller: RequestCaller) -> EventsCRUD:
    """Create the CRUD of events for a request."""
    return EventsCRUD(database, caller)


EventsDep = Annotated[EventsCRUD, Depends(get_events)]
