"""Dependencies of the endpoints of calendars."""

from typing import Annotated

from fastapi import Depends

from app.calendars.crud import CalendarFeedsCRUD, CalendarsCRUD
from app.core.http.dependencies import DatabaseDep, RequestCaller


async def get_calendars(database: DatabaseDep, caller: RequestCaller) -> CalendarsCRUD:
    """Create what reads the rows of calendars for a request."""
    return CalendarsCRUD(database, caller)


CalendarsDep = Annotated[CalendarsCRUD, Depends(get_calendars)]


async def get_calendar_feeds(database: DatabaseDep, caller: RequestCaller) -> CalendarFeedsCRUD:
    """Create the CRUD of calendar feeds for a request."""
    return CalendarFeedsCRUD(database, caller)


CalendarFeedsDep = Annotated[CalendarFeedsCRUD, Depends(get_calendar_feeds)]
