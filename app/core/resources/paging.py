"""Lists in pages: what a client may ask for, and the cursor that leads to the next page."""

import hashlib
import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from app.core.errors import Invalid
from app.core.resources.fields import FROM_DIGITS, QueryBoolean, QueryInteger, SearchText

LARGEST_PAGE = 100

Item = TypeVar("Item")


class ListQuery(BaseModel):
    """The query parameters of every list; a feature adds ``sort`` and its filters."""

    limit: QueryInteger = Field(
        default=20, ge=1, le=LARGEST_PAGE, description="How many to return."
    )
    cursor: Annotated[str, Field(min_length=1)] | SkipJsonSchema[None] = Field(
        default=None, description="Where the page begins: taken from `next`, never made."
    )
    offset: Annotated[int, Field(ge=0, le=10_000), FROM_DIGITS] | SkipJsonSchema[None] = Field(
        default=None, description="How many to skip, for page numbers; not with `cursor`."
    )
    total: QueryBoolean = Field(default=False, description="Whether to count all that match.")
    sort: str

    NO_FILTERS: ClassVar = {"limit", "cursor", "offset", "total", "sort"}

    def filters(self) -> dict[str, Any]:
        """Return the filters that were given, by name."""
        return self.model_dump(exclude=self.NO_FILTERS, exclude_none=True)

    def refuse_offset(self) -> None:
        """Raise ``Invalid`` if there is an offset too: a page begins at one place."""
        if self.offset is not None:
            detail = "A page begins at a cursor or at an offset, not at both."
            raise Invalid.of_field("?offset", "exclusive", detail)


class NamedListQuery(ListQuery):
    """The query parameters of a list of things that have a name."""

    name: SearchText | SkipJsonSchema[None] = Field(
        default=None, description="Part of the name; case and accents do not matter."
    )
    name_prefix: SearchText | SkipJsonSchema[None] = Field(
        default=None, description="The beginning of the name; case and accents do not matter."
    )
    sort: Literal["name", "-name", "created_at", "-created_at"] = Field(
        default="name", description="What to sort by; `-` for descending."
    )


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: str | None = Field(
        description="The relative URL of the next page; null on the last one.",
        examples=["/api/v1/athletes?limit=20&cursor=eyJhIjoxfQ"],
    )
    total: int | None = Field(
        description="How many match in all; null unless `total=true`.", examples=[None]
    )


@dataclass(frozen=True, slots=True)
class PageOfJSON:
    """A page as the database wrote it."""

    items: str
    """The JSON of the list."""
    cursor: str | None
    """Leads to the next page, if there is one."""
    total: int | None
    """How many rows match in all, if that was asked."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no row on it."""
        return self.items == "[]"


@dataclass(frozen=True, slots=True)
class Place:
    """A row's place in a list: its sort key and its id. A page begins at one."""

    key: str | datetime
    id: UUID

    def cursor(self, list_name: str) -> str:
        """Write the place as a cursor for the one list of that name."""
        key = self.key if isinstance(self.key, str) else self.key.isoformat()
        return urlsafe_b64encode(f"{list_name}{self.id.hex}{key}".encode()).rstrip(b"=").decode()

    @classmethod
    def of_cursor(cls, cursor: str, list_name: str, kind: type[str | datetime]) -> "Place":
        """Read a cursor back; ``Invalid`` if it was not made for the list of that name."""
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            text = b64decode(padded, altchars=b"-_", validate=True).decode()
            made_for, text = text[: len(list_name)], text[len(list_name) :]
            row_id, key = UUID(hex=text[:32]), text[32:]
            if made_for != list_name or "\0" in key:
                raise ValueError
            if kind is str:
                return cls(key, row_id)
            return cls(datetime.fromisoformat(key).astimezone(UTC), row_id)
        except (ValueError, OverflowError):
            detail = "The cursor does not belong to this list: begin again without it."
            raise Invalid.of_field("?cursor", "bad_cursor", detail) from None


def name_of_list(table: str, filters: Mapping[str, Any], sort: str) -> str:
    """Name a list by what decides its rows and order, so that a cursor is of use to no other."""
    return _name_of(table, sort, *sorted(filters.items()))


@lru_cache(maxsize=1000)
def _name_of(table: str, sort: str, *filters: tuple[str, Any]) -> str:
    described = json.dumps([table, sort, filters], default=str)
    return hashlib.blake2b(described.encode(), digest_size=6).hexdigest()
