"""Dependencies of the endpoint of the timetable."""

from typing import Annotated

from fastapi import Depends

from app.core.http.dependencies import DatabaseDep, RequestCaller
from app.timetable.crud import TimetableCRUD


async def get_timetables(database: DatabaseDep, caller: RequestCaller) -> TimetableCRUD:
    """Create what reads timetables for a request."""
    return TimetableCRUD(database, caller)


TimetableDep = Annotated[TimetableCRUD, Depends(get_timetables)]
