"""The options of an import on the command line."""

from typing import Any

import pytest

from app.athletes.files.options import ImportOptions
from app.commands.data.options import import_options

USUAL: dict[str, Any] = {
    "encoding": None,
    "mapped": [],
    "given": [],
    "dates": None,
    "dry_run": False,
}


def test_a_command_without_options_has_those_of_a_request_without_a_query() -> None:
    assert import_options(**USUAL) == ImportOptions()


def test_an_encoding_can_have_any_of_its_names() -> None:
    assert import_options(**USUAL | {"encoding": "Windows-1252"}).encoding == "cp1252"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"encoding": "excel"}, "--encoding is not supported; choose one of utf-8, utf-16-le, "),
        ({"dates": "ymd"}, "--dates should be 'dmy' or 'mdy'"),
        ({"mapped": ["Gender"]}, "--map should begin with a column and an equals sign, like name="),
        ({"given": ["category="]}, "--set should have a text after the equals sign"),
        ({"given": ["sex=often"]}, "--set: sex should be female, male or other; F, M and X are"),
        ({"given": ["reference=1"]}, "--set gives all athletes the same reference, which is uniq"),
    ],
)
def test_the_error_for_an_unusable_option_names_the_option(
    options: dict[str, Any], why: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        import_options(**USUAL | options)
    assert str(ended.value.code).startswith(f"error: {why}")
