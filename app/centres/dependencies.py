"""Dependencies of the endpoints of centres."""

from typing import Annotated

from fastapi import Depends

from app.centres.crud import CentresCRUD
from app.core.http.dependencies import DatabaseDep


async def get_centres(database: DatabaseDep) -> CentresCRUD:
    """Create the CRUD of centres for a request."""
    return CentresCRUD(database)


CentresDep = Annotated[CentresCRUD, Depends(get_centres)]
