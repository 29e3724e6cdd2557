from decimal import Decimal
from pathlib import Path

import pytest

from athletes_file import Unreadable, height_cm, name_key, read_rows, stored_text, weight_kg

HEADER = "reference,name,sex,category,centres,height,weight\n"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("", None),
        ("  ", None),
        ("177 cm", "177.0"),
        ("177CM", "177.0"),
        ("177", "177.0"),
        ("176.25 cm", "176.3"),
        ("1.77 m", "177.0"),
        ("68 in", "172.7"),
        ("5'10\"", "177.8"),
        ("5' 10\"", "177.8"),
        ("5'10.5\"", "179.1"),
        ("6'", "182.9"),
        ("510 in", "1295.4"),
        ("65535 cm", "65535.0"),
    ],
)
def test_a_height_becomes_centimetres_with_one_decimal_place(cell: str, value: str | None) -> None:
    assert _digits(height_cm(cell)) == value


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("", None),
        ("90 kg", "90.00"),
        ("90", "90.00"),
        ("190 lb", "86.18"),
        ("190LB", "86.18"),
        ("154.3 lb", "69.99"),
        ("65535 kg", "65535.00"),
    ],
)
def test_a_weight_becomes_kilograms_with_two_decimal_places(cell: str, value: str | None) -> None:
    assert _digits(weight_kg(cell)) == value


@pytest.mark.parametrize(
    "cell", ["tall", "68 inches", "90 kg", "-5 cm", "5'x", "1,77 m", "1e3 cm", "9" * 40, "٦٨ in"]
)
def test_an_invalid_height_is_unreadable(cell: str) -> None:
    with pytest.raises(Unreadable, match="give a number and a unit: cm, m, in"):
        height_cm(cell)


@pytest.mark.parametrize("cell", ["heavy", "12 stone", "90 cm", "6'"])
def test_an_invalid_weight_is_unreadable(cell: str) -> None:
    with pytest.raises(Unreadable, match="give a number and a unit: kg, lb"):
        weight_kg(cell)


def test_stored_text_is_composed_visible_and_single_spaced() -> None:
    assert stored_text(" Jose\u0301\u200b \u00a0 Diaz\ufeff ") == "José Diaz"


@pytest.mark.parametrize(
    "name", ["CROSSFIT MALMÖ", "Cross\u200bFit Malmo\u0308", " crossfit  malmo", "CrossFit MALMØ"]
)
def test_spellings_of_one_name_share_a_key(name: str) -> None:
    assert name_key(name) == "crossfit malmo"


def test_a_row_has_its_line_number_and_all_its_cells(tmp_path: Path) -> None:
    file = tmp_path / "athletes.csv"
    file.write_bytes(b"\xef\xbb\xbf" + f'{HEADER}7,"A\nB",male,Men,Box,68 in,190 lb\n'.encode())
    (row,) = read_rows(file)
    assert (row.line, row.reference, row.name, row.sex) == (3, "7", "A\nB", "male")
    assert (row.category, row.centre, row.height, row.weight) == ("Men", "Box", "68 in", "190 lb")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("reference,name\n7,Ada\n", "it has no column category, centres, height, sex, weight"),
        ("", "it has no column category, centres, height, name, reference, sex, weight"),
        (f"{HEADER}7,A,,M,,,\n7,B,,M,,,\n", "the reference on line 3 is empty or repeated"),
        (f"{HEADER},A,,M,,,\n", "the reference on line 2 is empty or repeated"),
    ],
)
def test_a_file_without_a_column_or_a_unique_reference_is_refused(
    tmp_path: Path, text: str, problem: str
) -> None:
    file = tmp_path / "athletes.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=problem):
        read_rows(file)


def _digits(value: Decimal | None) -> str | None:
    return None if value is None else str(value)
