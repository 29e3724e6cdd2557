import re
from datetime import date
from decimal import Decimal

import pytest

from app.athletes.files.records import COLUMNS, record_of
from app.athletes.models import AthleteBase


def test_the_columns_have_fixed_names_and_a_fixed_order() -> None:
    assert ", ".join(COLUMNS) == (
        "id, reference, name, email, national_id, birth_date, sex,"
        " category, centres, height, weight"
    )


def test_every_field_of_an_athlete_has_a_column() -> None:
    assert set(AthleteBase.model_fields) <= set(COLUMNS.values())


def test_cells_are_parsed_into_stored_values() -> None:
    cells = {
        "reference": " M-1042 ",
        "name": "Jose\u0301  Di\u0301az",
        "birth_date": " 1994-05-17\n",
        "centres": "North; SOUTH ;;north;Sou\u0301th",
        "height": "5'6\"",
        "weight": "",
        "sex": " Female",
        "email": "  ",
    }

    assert record_of(cells).model_dump(exclude_unset=True) == {
        "reference": "M-1042",
        "name": "José Díaz",
        "birth_date": date(1994, 5, 17),
        "centres": ["north", "Soúth"],
        "height_cm": Decimal("167.6"),
        "weight_kg": None,
        "sex": "female",
        "email": None,
    }


@pytest.mark.parametrize(
    ("cells", "sex"),
    [
        (["F", "f", "Female", "FEMALE", "\u200bf", "W", "woman"], "female"),
        (["M", "m", "Male", "MALE", "man"], "male"),
        (["other", "Other", "X", "d"], "other"),
        ([" ", ""], None),
    ],
)
def test_usual_words_for_a_sex_are_read_in_any_case(cells: list[str], sex: str | None) -> None:
    assert {record_of({"sex": cell}).sex for cell in cells} == {sex}


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("id", "17", "id is not one of ours; put member numbers in reference"),
        ("reference", "x" * 65, "reference should have at most 64 characters"),
        ("name", " ", "name is empty"),
        ("name", "\u200b", "name needs at least one visible character"),
        ("name", "a\x00b", "name has a character that cannot be shown"),
        ("email", "mara", "email should be an email address"),
        ("national_id", "x" * 21, "national_id should have at most 20 characters"),
        ("birth_date", "17 May 1994", "birth_date should be a date like 1990-12-31"),
        ("birth_date", "1994-02-30", "birth_date: There is no such day"),
        ("birth_date", "1894-05-17", "birth_date should be a date from 1900-01-01 to today"),
        ("sex", "0", "sex should be female, male or other; F, M and X are read too"),
        ("sex", "h", "sex should be female, male or other; F, M and X are read too"),
        ("category", "", "category is empty"),
        ("category", "x" * 51, "category should have at most 50 characters"),
        ("centres", "North;" + "x" * 101, "a name in centres should have at most 100 characters"),
        ("centres", ";".join(map(str, range(51))), "centres has more than 50 names"),
        ("name", "Mara\n8,Ana", "name has a line break: is a quotation mark out of place?"),
        ("height", "510 in", "height is 1295.4 cm, and should be at most 300 cm"),
        ("height", "2 cm", "height is 2.0 cm, and should be at least 50 cm"),
        ("height", "tall", "height should be like 170 cm, 1.7 m, 67 in or 5'7\""),
        ("weight", "65535 kg", "weight is 65535.00 kg, and should be at most 650 kg"),
    ],
)
def test_a_rejection_reason_names_the_column_and_the_expected_value(
    column: str, cell: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        record_of({"name": "Mara", "category": "Rx", column: cell})


def test_a_rejection_reason_lists_all_errors_of_the_row() -> None:
    with pytest.raises(ValueError, match=r"^name is empty; sex should be .*; height is 2\.0 cm"):
        record_of({"name": "", "sex": "h", "category": "Rx", "height": "2 cm"})
