"""Keyset pagination: the query parameters of lists, and cursors."""

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
DEEP = 1000
"""An offset above this is costly: the rows that are skipped take longer than the page."""

Item = TypeVar("Item")


class ListQuery(BaseModel):
    """The query parameters of every list; features set the sorts and add filters."""

    limit: QueryInteger = Field(
        default=20, ge=1, le=LARGEST_PAGE, description="The maximum number of items."
    )
    cursor: Annotated[str, Field(min_length=1)] | SkipJsonSchema[None] = Field(
        default=None, description="An opaque cursor: where the page begins. Copy it from `next`."
    )
    offset: Annotated[int, Field(ge=0, le=10_000), FROM_DIGITS] | SkipJsonSchema[None] = Field(
        default=None, description="The number of items to skip; not with `cursor`."
    )
    total: QueryBoolean = Field(default=False, description="Whether to count all matches.")
    sort: str

    NO_FILTERS: ClassVar = {"limit", "cursor", "offset", "total", "sort"}

    def filters(self) -> dict[str, Any]:
        """Return the given filters by name."""
        return self.model_dump(exclude=self.NO_FILTERS, exclude_none=True)

    @property
    def is_costly(self) -> bool:
        """Whether the query may read many more rows than those of the page."""
        return self.total or (self.offset or 0) > DEEP

    def refuse_offset(self) -> None:
        """Raise ``Invalid`` if there is an offset; for a query with a cursor."""
        if self.offset is not None:
            detail = "Use either a cursor or an offset, not both."
            raise Invalid.of_field("?offset", "exclusive", detail)


class NamedListQuery(ListQuery):
    """The query parameters of a list of rows that have a name."""

    name: SearchText | SkipJsonSchema[None] = Field(
        default=None, description="Part of the name; case and accents do not matter."
    )
    name_prefix: SearchText | SkipJsonSchema[None] = Field(
        default=None, description="The beginning of the name; case and accents do not matter."
    )
    sort: Literal["name", "-name", "created_at", "-created_at"] = Field(
        default="name", description="The field to sort by; `-` for descending."
    )

    @property
    def is_costly(self) -> bool:
        """Whether the query may read many more rows than those of the page."""
        return super().is_costly or self.name is not None


class NewestFirstQuery(ListQuery):
    """The query parameters of a list that is sorted by creation."""

    sort: Literal["created_at", "-created_at"] = Field(
        default="-created_at", description="The field to sort by; `-` for descending."
    )


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: str | None = Field(
        description="The relative URL of the next page; null on the last page.",
        examples=["/api/v1/athletes?limit=20&cursor=eyJhIjoxfQ"],
    )
    total: int | None = Field(
        description="The number of all matches; null without `total=true`.", examples=[None]
    )


@dataclass(frozen=True, slots=True)
class PageOfJSON:
    """A page whose items are JSON that the database built."""

    items: str
    """A JSON array."""
    cursor: str | None
    """The cursor of the next page; None on the last page."""
    total: int | None
    """The number of all matching rows; None if the query did not ask for it."""

    @property
    def is_empty(self) -> bool:
        """Whether the page has no rows."""
        return self.items == "[]"


@dataclass(frozen=True, slots=True)
class Place:
    """A row's place in a list: its sort key and id. A cursor is the place of a page's first row."""

    key: str | datetime | UUID | int
    id: UUID

    def cursor(self, list_name: str) -> str:
        """Encode the place as a cursor that is valid only for the list of that name."""
        key = self.key.isoformat() if isinstance(self.key, datetime) else self.key
        return cursor_of(list_name, f"{self.id.hex}{key}")

    @classmethod
    def of_cursor(
        cls, cursor: str, list_name: str, kind: type[str | datetime | UUID | int]
    ) -> "Place":
        """Decode a cursor; raise ``Invalid`` if it was not made for the list of that name."""
        text = text_of(cursor, list_name)
        try:
            row_id, key = UUID(hex=text[:32]), text[32:]
            if kind is UUID:  # the list is sorted by the id itself
                return cls(row_id, row_id)
            if kind is str:
                return cls(key, row_id)
            if kind is int:
                return cls(_integer(key), row_id)
            return cls(datetime.fromisoformat(key).astimezone(UTC), row_id)
        except (ValueError, OverflowError):
            raise bad_cursor() from None


def _integer(text: str) -> int:
    """Return an integer that a column may have; raise ``ValueError``."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError
    return int(text)


def cursor_of(list_name: str, text: str) -> str:
    """Encode a text as a cursor that is valid only for the list of that name."""
    return urlsafe_b64encode(f"{list_name}{text}".encode()).rstrip(b"=").decode()


def text_of(cursor: str, list_name: str) -> str:
    """Decode a cursor; raise ``Invalid`` if it was not made for the list of that name."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = b64decode(padded, altchars=b"-_", validate=True).decode()
        if not text.startswith(list_name) or "\0" in text:
            raise ValueError
    except ValueError:
        raise bad_cursor() from None
    return text.removeprefix(list_name)


def bad_cursor() -> Invalid:
    """Make the error for a cursor that was not made for the list."""
    detail = "The cursor is not valid for this list: start again without it."
    return Invalid.of_field("?cursor", "bad_cursor", detail)


def name_of_list(resource: str, filters: Mapping[str, Any], sort: str) -> str:
    """Return a hash of a list's resource, filters and sort, which bind a cursor to that list."""
    return _name_of(resource, sort, *sorted(filters.items()))


@lru_cache(maxsize=1000)
def _name_of(resource: str, sort: str, *filters: tuple[str, Any]) -> str:
    described = json.dumps([resource, sort, filters], default=str)
    return hashlib.blake2b(described.encode(), digest_size=6).hexdigest()
