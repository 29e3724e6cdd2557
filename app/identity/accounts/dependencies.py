"""Dependencies of the endpoints of accounts and staff."""

from typing import Annotated

from fastapi import Depends

from app.core.http.dependencies import DatabaseDep, RequestCaller
from app.identity.accounts.crud import AccountsCRUD, StaffCRUD


async def get_accounts(database: DatabaseDep, caller: RequestCaller) -> AccountsCRUD:
    """Create the CRUD of accounts for a request."""
    return AccountsCRUD(database, caller)


AccountsDep = Annotated[AccountsCRUD, Depends(get_accounts)]


async def get_staff(database: DatabaseDep, caller: RequestCaller) -> StaffCRUD:
    """Create the CRUD of staff for a request."""
    return StaffCRUD(database, caller)


StaffDep = Annotated[StaffCRUD, Depends(get_staff)]
