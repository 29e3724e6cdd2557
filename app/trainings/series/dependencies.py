"""Dependencies of the endpoints of series."""

from typing import Annotated

from fastapi import Depends

from app.core.http.dependencies import DatabaseDep, RequestCaller
from app.trainings.series.crud import SeriesCRUD


async def get_series_crud(database: DatabaseDep, caller: RequestCaller) -> SeriesCRUD:
    """Create the CRUD of series for a request."""
    return SeriesCRUD(database, caller)


SeriesDep = Annotated[SeriesCRUD, Depends(get_series_crud)]
