"""Dependencies of the endpoints of results."""

from typing import Annotated

from fastapi import Depends

from app.core.http.dependencies import DatabaseDep, RequestCaller
from app.results.crud import ResultsCRUD


async def get_results(database: DatabaseDep, caller: RequestCaller) -> ResultsCRUD:
    """Create the CRUD of results for a request."""
    return ResultsCRUD(database, caller)


ResultsDep = Annotated[ResultsCRUD, Depends(get_results)]
