"""Dependencies of the endpoints of athletes."""

from typing import Annotated

from fastapi import Depends

from app.athletes.crud import AthletesCRUD
from app.core.http.dependencies import DatabaseDep, RequestCaller


async def get_athletes(database: DatabaseDep, caller: RequestCaller) -> AthletesCRUD:
    """Create the CRUD of athletes for a request."""
    return AthletesCRUD(database, caller)


AthletesDep = Annotated[AthletesCRUD, Depends(get_athletes)]
