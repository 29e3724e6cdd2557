"""Operations on categories."""

from app.categories import rights
from app.categories.models import Category, CategoryCreate, CategoryRead, CategoryUpdate
from app.core.resources.crud import CRUD
from app.core.resources.queries import Queries


class CategoriesCRUD(CRUD[CategoryCreate, CategoryUpdate]):
    """Creates, reads, lists, updates and deletes categories."""

    queries = Queries(Category, CategoryRead)
    sees = rights.SEE
    changes = rights.CHANGE
