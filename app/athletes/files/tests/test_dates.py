from datetime import date

import pytest

from app.athletes.files.dates import DateOrder
from app.athletes.files.records import record_of

DAY = date(1994, 5, 17)
ASK = (
    "birth_date should say whether the day or the month is first: import it with --dates dmy or"
    " --dates mdy (over HTTP ?dates=dmy or ?dates=mdy)"
)
NO_SUCH_DAY = "birth_date: There is no such day"
SWAPPED = (
    "birth_date has no such month: if this file needs --dates {}, import all of it again, as"
    " other dates were swapped"
)
FOUR_DIGITS = "birth_date should have a year of four digits"
SERIAL = (
    "birth_date is a number, as spreadsheets store dates: format the column as a date like"
    " 1990-12-31, and save the file again"
)
WITH_TIME = "birth_date should be a date without a time of day, like 1990-12-31"
LIKE = "birth_date should be a date like 1990-12-31"


def born(cell: str, dates: DateOrder | None = None) -> date | None:
    return record_of({"birth_date": cell}, dates).birth_date


@pytest.mark.parametrize(
    "cell",
    [
        "1994-05-17",
        "1994/05/17",
        "1994.05.17",
        "1994/5/17",
        "1994. 05. 17.",
        "17.05.1994",
        "17.5.1994",
        "17. 5. 1994",
        "1994-05-17 00:00:00",
        "1994-05-17T00:00:00",
        "1994-05-17T00:00:00Z",
        "1994-05-17 00:00:00.000",
        "1994-05-17 0:00",
        "17.05.1994 00:00:00",
        "\u200e17.05.1994\u200e",
        "\u00a01994-05-17 ",
    ],
)
@pytest.mark.parametrize("dates", [None, "dmy", "mdy"])
def test_a_date_that_can_mean_one_day_is_read_with_any_order(
    cell: str, dates: DateOrder | None
) -> None:
    assert born(cell, dates) == DAY


@pytest.mark.parametrize(
    ("cell", "dates"),
    [
        ("05/17/1994", "mdy"),
        ("5/17/1994", "mdy"),
        ("05-17-1994", "mdy"),
        ("5/17/1994 12:00:00 AM", "mdy"),
        ("5/17/1994 0:00", "mdy"),
        ("17/05/1994", "dmy"),
        ("17-5-1994", "dmy"),
        ("17/05/1994 00:00:00", "dmy"),
    ],
)
def test_a_date_with_slashes_is_read_in_the_given_order_only(cell: str, dates: DateOrder) -> None:
    assert born(cell, dates) == DAY
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the message is compared
        born(cell)
    assert str(raised.value) == ASK


def test_the_order_decides_what_a_date_with_two_readings_means() -> None:
    assert born("05/06/1994", "dmy") == date(1994, 6, 5)
    assert born("05/06/1994", "mdy") == date(1994, 5, 6)


@pytest.mark.parametrize(
    ("cell", "dates", "reason"),
    [
        ("17/05/1994", "mdy", SWAPPED.format("dmy")),
        ("05/17/1994", "dmy", SWAPPED.format("mdy")),
        ("5.17.1994", None, NO_SUCH_DAY),
        ("33/17/1994", "dmy", NO_SUCH_DAY),
        ("30.02.1994", None, NO_SUCH_DAY),
        ("1994/17/05", None, NO_SUCH_DAY),
        ("17.05.94", None, FOUR_DIGITS),
        ("5/17/94", "mdy", FOUR_DIGITS),
        ("94-05-17", None, FOUR_DIGITS),
        ("34471", None, SERIAL),
        ("34471.0", None, SERIAL),
        ("1994-05-16 22:00:00", None, WITH_TIME),
        ("5/17/1994 12:00:00 PM", "mdy", WITH_TIME),
        ("17.05-1994", None, LIKE),
        ("1994-05", None, LIKE),
        ("17 May 1994", "dmy", LIKE),
        ("19940517", None, LIKE),
        ("May 17, 1994", None, LIKE),
        ("١٧.٠٥.١٩٩٤", None, LIKE),
        ("17.05.1894", None, "birth_date should be a date from 1900-01-01 to today"),
        ("01/01/2199", "dmy", "birth_date should be a date from 1900-01-01 to today"),
    ],
)
def test_the_reason_for_an_unclear_date_says_what_to_do(
    cell: str, dates: DateOrder | None, reason: str
) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the message is compared
        born(cell, dates)
    assert str(raised.value) == reason


def test_an_empty_date_is_none() -> None:
    assert born(" ") is None
