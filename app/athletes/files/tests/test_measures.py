from decimal import Decimal

import pytest
from pydantic_core import PydanticCustomError

from app.athletes.files.measures import HEIGHT, WEIGHT


@pytest.mark.parametrize(
    ("cell", "centimetres"),
    [
        ("177 cm", "177.0"),
        ("177CM", "177.0"),
        (" 177 ", "177.0"),
        ("177\u00a0cm", "177.0"),
        ("176.25 cm", "176.3"),
        ("1.77 m", "177.0"),
        ("1,77 m", "177.0"),
        ("1,775 m", "177.5"),
        ("0,001", "0.0"),
        ("176,25", "176.3"),
        ("5'10,5\"", "179.1"),
        ("68 in", "172.7"),
        ("5'10\"", "177.8"),
        ("5' 10\"", "177.8"),
        ("5'10.5\"", "179.1"),
        ("5'10", "177.8"),
        ("5'10''", "177.8"),
        ("5\u2032 10\u2033", "177.8"),
        ("5\u201910\u201d", "177.8"),
        ("6'", "182.9"),
        ("6 ft", "182.9"),
        ("510 in", "1295.4"),
    ],
)
def test_a_height_becomes_centimetres_with_one_decimal_place(cell: str, centimetres: str) -> None:
    assert HEIGHT.read(cell) == Decimal(centimetres)
    assert str(HEIGHT.read(cell)) == centimetres


@pytest.mark.parametrize(
    ("cell", "kilograms"),
    [
        ("90 kg", "90.00"),
        ("90", "90.00"),
        ("81,5", "81.50"),
        ("81,50 kg", "81.50"),
        ("154,3 lb", "69.99"),
        ("190 lb", "86.18"),
        ("190lbs", "86.18"),
        ("154.3 LB", "69.99"),
    ],
)
def test_a_weight_becomes_kilograms_with_two_decimal_places(cell: str, kilograms: str) -> None:
    assert str(WEIGHT.read(cell)) == kilograms


@pytest.mark.parametrize(
    "cell",
    [
        "tall",
        "68 inches",
        "90 kg",
        "-5 cm",
        "5'x",
        "5'12",
        "1.770,5 m",
        "1,770.5 m",
        "1'770 mm",
        "1,7,7 m",
        "177,",
        "1e3 cm",
        "9" * 40,
        "٦٨ in",
        "cm",
        "",
    ],
)
def test_the_error_for_an_invalid_height_gives_examples(cell: str) -> None:
    with pytest.raises(PydanticCustomError, match=r"like 170 cm, 1\.7 m, 67 in or 5'7\""):
        HEIGHT.read(cell)


@pytest.mark.parametrize("cell", ["100,000 kg", "81,500", "220,462 lb", "1,000"])
def test_a_comma_before_three_digits_may_mean_thousands_and_is_refused(cell: str) -> None:
    with pytest.raises(PydanticCustomError, match="should have a decimal point, or another"):
        WEIGHT.read(cell)


@pytest.mark.parametrize("cell", ["177,125 cm", "1,770", "67,125 in"])
def test_a_height_with_a_comma_before_three_digits_is_refused_too(cell: str) -> None:
    with pytest.raises(PydanticCustomError, match="a comma and three digits may mean thousands"):
        HEIGHT.read(cell)


@pytest.mark.parametrize(
    ("cell", "kilograms"),
    [("81,50", "81.50"), ("81,5000", "81.50"), ("81.500", "81.50"), ("100.000 kg", "100.00")],
)
def test_a_point_or_another_number_of_digits_is_a_decimal(cell: str, kilograms: str) -> None:
    assert str(WEIGHT.read(cell)) == kilograms


@pytest.mark.parametrize("cell", ["heavy", "12 stone", "90 cm", "6'", "6 ft"])
def test_the_error_for_an_invalid_weight_gives_examples(cell: str) -> None:
    with pytest.raises(PydanticCustomError, match=r"like 70 kg or 154\.3 lb"):
        WEIGHT.read(cell)


def test_a_missing_cell_has_no_measure() -> None:
    assert HEIGHT.read(None) is None
