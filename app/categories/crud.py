"""What is done with categories."""

from app.categories.models import Category, CategoryCreate, CategoryRead, CategoryUpdate
from app.core.resources.crud import CRUD


class CategoriesCRUD(CRUD[CategoryCreate, CategoryUpdate]):
    """Creates, reads, lists, changes and deletes categories."""

    row = Category
    read = CategoryRead
    summary = CategoryRead
