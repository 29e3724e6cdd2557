"""Dependencies of the endpoints of categories."""

from typing import Annotated

from fastapi import Depends

from app.categories.crud import CategoriesCRUD
from app.core.http.dependencies import DatabaseDep, RequestCaller


async def get_categories(database: DatabaseDep, caller: RequestCaller) -> CategoriesCRUD:
    """Create the CRUD of categories for a request."""
    return CategoriesCRUD(database, caller)


CategoriesDep = Annotated[CategoriesCRUD, Depends(get_categories)]
