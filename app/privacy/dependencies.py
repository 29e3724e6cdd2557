"""Dependencies of the endpoints about personal data."""

from typing import Annotated

from fastapi import Depends

from app.core.http.dependencies import DatabaseDep, RequestCaller
from app.privacy.crud import PrivacyCRUD


async def get_privacy(database: DatabaseDep, caller: RequestCaller) -> PrivacyCRUD:
    """Create the CRUD of personal data for a request."""
    return PrivacyCRUD(database, caller)


PrivacyDep = Annotated[PrivacyCRUD, Depends(get_privacy)]
