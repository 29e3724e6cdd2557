"""The category: its table, request bodies and responses."""

from typing import Annotated

from pydantic import Field
from sqlmodel import Index, SQLModel

from app.core.resources.fields import ExampleId, Text
from app.core.resources.models import ABSENT, Payload, Row, derived_from
from app.core.resources.paging import Page
from app.core.resources.text import name_key

Name = Annotated[
    str,
    Text(50, name=True),
    Field(description="Unique; case and accents are ignored.", examples=["Scaled"]),
]
Description = Annotated[
    str, Text(255), Field(examples=["The workouts of the day with lighter loads."])
]


class CategoryBase(SQLModel):
    """The fields of a category that clients write."""

    name: Name
    description: Description | None = None


class Category(CategoryBase, Row, table=True):
    """A level or division that athletes compete in."""

    __tablename__ = "categories"
    __table_args__ = (Index(None, "created_at", "id"),)

    name_key: str = derived_from("name", name_key, unique=True)


class CategoryCreate(CategoryBase, Payload):
    """A new category."""


class CategoryUpdate(Payload):
    """The fields of a category to change. Absent fields stay unchanged."""

    name: Name = ABSENT
    description: Description | None = None


class CategoryRead(CategoryBase, Row):
    """A category."""


class CategoryPage(Page[CategoryRead]):
    """A page of categories."""


class CategoryReference(SQLModel):
    """A category, as part of other resources."""

    id: ExampleId
    name: Name
