"""Dependencies of the endpoints of centres."""

from typing import Annotated

from fastapi import Depends

from app.centres.crud import CentresCRUD
from app.core.http.dependencies import DatabaseDep, RequestCaller


async def get_centres(database: DatabaseDep, caller: RequestCaller) -> CentresCRUD:
    """Create the CRUD of centres for a request."""
    return CentresCRUD(database, caller)


CentresDep = Annotated[CentresCRUD, Depends(get_centres)]
