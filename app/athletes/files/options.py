"""Options of an import: how to read a file whose columns or dates are written in another way."""

from collections.abc import Iterable
from typing import Annotated, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from app.athletes.files.dates import DateOrder
from app.athletes.files.records import COLUMNS, UNIQUE, record_of
from app.core.csv.dialect import LONGEST_NAME, Encoding, supported_encoding
from app.core.resources.fields import QueryBoolean, Text, text_pattern

LONGEST = 1000
_VISIBLE = text_pattern().removeprefix("^")


def _of_column(entry: str) -> str:
    column, equals, text = split_entry(entry)
    if column not in COLUMNS or not equals:
        raise PydanticCustomError(
            "column",
            "Input should begin with a column and an equals sign, like name=First Name;"
            " the columns are {columns}",
            {"columns": ", ".join(COLUMNS)},
        )
    if not text:
        raise PydanticCustomError("text_empty", "Input should have a text after the equals sign")
    return entry


def split_entry(entry: str) -> tuple[str, str, str]:
    """Split ``name=First Name`` into the column, the equals sign and the text after it."""
    column, equals, text = entry.partition("=")
    return column.rstrip(), equals, text.lstrip()


def _documented(columns: Iterable[str]) -> WithJsonSchema:
    pattern = rf"^\s*({'|'.join(columns)})\s*={_VISIBLE}"
    return WithJsonSchema({"type": "string", "maxLength": LONGEST, "pattern": pattern})


Mapped = Annotated[str, Text(LONGEST), AfterValidator(_of_column), _documented(COLUMNS)]
"""A column and its titles: ``name=First Name + Last Name``."""

Given = Annotated[
    str,
    Text(LONGEST),
    AfterValidator(_of_column),
    _documented(column for column in COLUMNS if column not in UNIQUE),
]
"""A column and its value for all rows: ``category=Open``."""


def _encoding(name: object) -> object:
    if not isinstance(name, str):
        return name
    if (found := supported_encoding(name)) is None:
        raise PydanticCustomError(
            "encoding",
            "Input is not supported; choose one of {encodings}",
            {"encodings": ", ".join(get_args(Encoding))},
        )
    return found


NamedEncoding = Annotated[
    Encoding,
    BeforeValidator(_encoding),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}),
]
"""A supported encoding, by any of its names: ``Windows-1252`` is ``cp1252``."""


class ImportOptions(BaseModel):
    """The options of an import, over HTTP its query parameters."""

    model_config = {"populate_by_name": True}

    encoding: NamedEncoding | SkipJsonSchema[None] = Field(
        default=None,
        description="The encoding of a file that is neither UTF-8 nor begins with a byte order"
        f" mark. It is never guessed. One of {', '.join(get_args(Encoding))}, or another name of"
        " one of these, such as `Windows-1252`, `ISO-8859-1` or `latin-1`.",
        examples=["cp1252", "Windows-1252"],
    )
    mapped: list[Mapped] = Field(
        default=[],
        max_length=len(COLUMNS),
        alias="map",
        description="A column and the titles that it has in this file, joined by ` + `:"
        " `name=First Name + Last Name`. A plus is `%2B` in a URL.",
        examples=[["name=First Name + Last Name", "sex=Gender"]],
    )
    dates: DateOrder | SkipJsonSchema[None] = Field(
        default=None,
        description="Whether `05/06/1994` begins with the day (`dmy`) or the month (`mdy`)."
        " Without it, such a date rejects its row.",
    )
    given: list[Given] = Field(
        default=[],
        max_length=len(COLUMNS),
        alias="set",
        description="A column and its value for all rows: `category=Open`.",
        examples=[["category=Open"]],
    )
    dry_run: QueryBoolean = Field(
        default=False, description="Whether to report everything and store nothing."
    )

    @field_validator("given")
    @classmethod
    def _suits_all_rows(cls, entries: list[str], info: ValidationInfo) -> list[str]:
        for column, _, value in map(split_entry, entries):
            if column in UNIQUE:
                raise PydanticCustomError(
                    "unique",
                    "Input gives all athletes the same {column}, which is unique",
                    {"column": column},
                )
            try:
                record_of({column: value}, info.data.get("dates"))
            except ValueError as error:
                raise PydanticCustomError("value", "{reason}", {"reason": str(error)}) from None
        return entries
