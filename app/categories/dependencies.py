"""What the endpoints of categories are given."""

from typing import Annotated

from fastapi import Depends

from app.categories.crud import CategoriesCRUD
from app.core.http.dependencies import DatabaseDep


async def get_categories(database: DatabaseDep) -> CategoriesCRUD:
    """Make the CRUD of categories for a request."""
    return CategoriesCRUD(database)


CategoriesDep = Annotated[CategoriesCRUD, Depends(get_categories)]
