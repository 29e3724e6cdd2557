"""What the endpoints of centres are given."""

from typing import Annotated

from fastapi import Depends

from app.centres.crud import CentresCRUD
from app.core.http.dependencies import DatabaseDep


async def get_centres(database: DatabaseDep) -> CentresCRUD:
    """Make the CRUD of centres for a request."""
    return CentresCRUD(database)


CentresDep = Annotated[CentresCRUD, Depends(get_centres)]
