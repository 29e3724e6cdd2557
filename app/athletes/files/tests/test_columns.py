import time
from io import BytesIO
from typing import Any

import pytest
from pydantic import ValidationError

from app.athletes.files.columns import plain_cell, title_key
from app.athletes.files.options import ImportOptions
from app.athletes.files.reading import AthletesFile
from app.core.csv.reader import CSVRow
from app.core.errors import Invalid


def options(*mapped: str, **others: Any) -> ImportOptions:
    return ImportOptions.model_validate({"map": mapped, **others})


def cells(text: str, *mapped: str, **others: Any) -> dict[str, str]:
    """Return the cells of the first row of a file by column."""
    file = AthletesFile(BytesIO(text.encode()), options(*mapped, **others))
    return file.columns.cells_of(next(file._rows))


@pytest.mark.parametrize(
    "title",
    [
        *("birth_date", "Birth Date", "BIRTH_DATE", "birthdate", "Birth-Date".replace("-", "_")),
        *(" birth  date ", "\ufeff\ufeffbirth_date", "birth\u200bdate", "birth\u00addate"),
        *(
            "\u202abirth_date\u202c",
            "birth\u00a0date",
            "ｂｉｒｔｈ＿ｄａｔｅ",
            '="Birth Date"',
            "_birth_date_",
        ),
    ],
)
def test_titles_are_compared_without_case_spaces_underscores_and_invisible_characters(
    title: str,
) -> None:
    assert title_key(title) == title_key("birth_date") == "birthdate"


@pytest.mark.parametrize("title", ["birth-date", "birth.date", "date", "birth\0date", "b\x01"])
def test_other_titles_stay_different(title: str) -> None:
    assert title_key(title) != "birthdate"


@pytest.mark.parametrize(
    ("cell", "plain"),
    [
        ('="00042"', "00042"),
        ('="a ""b"" c"', 'a "b" c'),
        ('=""', ""),
        ("=1+1", "=1+1"),
        ('="a"&"b"', '="a"&"b"'),
        ('=CONCATENATE("a")', '=CONCATENATE("a")'),
        ('="a', '="a'),
        ("=M-1", "=M-1"),
        ("'00042", "'00042"),
    ],
)
def test_a_formula_is_read_only_if_it_is_a_text(cell: str, plain: str) -> None:
    assert plain_cell(cell) == plain


def test_a_formula_of_text_is_read_quoted_as_csv_and_as_it_is() -> None:
    assert cells('reference,name\n"=""00042""",=1+1\n') == {"reference": "00042", "name": "=1+1"}
    assert cells('reference,name\n="00042",Mara\n') == {"reference": "00042", "name": "Mara"}


@pytest.mark.parametrize(
    ("mapped", "found"),
    [
        (["name=First Name + Last Name"], {"name": "Mara Lind"}),
        (["name=last_name + FIRST NAME"], {"name": "Lind Mara"}),
        (["name=First Name+Middle + Last Name"], {"name": "x Lind"}),
        (["name=A + B"], {"name": "both"}),
        (["name=First Name", "sex=Gender"], {"name": "Mara", "sex": "F"}),
        (["name = First Name"], {"name": "Mara"}),
        (["centres=Gym + Second Gym"], {"centres": "North;South", "name": "Gym name"}),
        (["reference=Name", "name=Name"], {"reference": "Gym name", "name": "Gym name"}),
    ],
)
def test_a_column_that_is_called_otherwise_is_mapped(
    mapped: list[str], found: dict[str, str]
) -> None:
    text = (
        "First Name,Last Name,First Name+Middle,A + B,Gender,Gym,Second Gym,Name\n"
        "Mara,Lind,x,both,F,North,South,Gym name\n"
    )
    assert cells(text, *mapped) == {"name": "Gym name"} | found


def test_empty_cells_are_left_out_of_a_joined_column() -> None:
    assert cells("A,B,C\nMara,,Lind\n", "name=A + B + C") == {"name": "Mara Lind"}


def test_a_given_value_takes_the_place_of_a_column_of_the_file() -> None:
    file = AthletesFile(
        BytesIO(b"name,category\nMara,Rx\n"), options(set=["category=Open", "sex=F"])
    )
    ((entry,),) = (batch.entries for batch in file.batches())
    assert entry.values["category"] == "Open"
    assert entry.values["sex"] == "female"
    assert file.columns.ignored == ["category"]


def test_a_given_date_is_read_in_the_given_order() -> None:
    given = options(set=["birth_date=05/06/1994"], dates="mdy")
    file = AthletesFile(BytesIO(b"name\nMara\n"), given)
    ((entry,),) = (batch.entries for batch in file.batches())
    assert str(entry.values["birth_date"]) == "1994-05-06"


def test_ignored_titles_are_named_once_without_invisible_characters() -> None:
    header = "name,\u200bTown, town,TO_WN,Loc\0ker\n"
    file = AthletesFile(BytesIO(header.encode()))
    assert file.columns.ignored == ["Town", "Loc ker"]


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("\x1b[2JTown", "[2JTown"),
        ("To\x07wn\x9b31m", "To wn 31m"),
        ("Town\x1c\x7f", "Town"),
        ("E-\x1bMail", "E- Mail"),
    ],
)
def test_a_title_is_shown_without_control_characters_and_not_suggested(
    title: str, shown: str
) -> None:
    file = AthletesFile(BytesIO(f"name,{title}\n".encode()))
    assert (file.columns.ignored, file.columns.suggested) == ([shown], [])


def test_a_short_row_costs_no_more_if_the_header_is_long() -> None:
    file = AthletesFile(BytesIO(f"name,category,{',' * 90_000}x\n".encode()))
    rows = [CSVRow(2, ["Mara"])] * 10_000
    start = time.process_time()

    assert all(file.columns.cells_of(row) == {"name": "Mara", "category": ""} for row in rows)

    assert time.process_time() - start < 0.5  # two seconds if each row were filled up


def test_a_column_joins_up_to_ten_titles() -> None:
    header = ",".join("ABCDEFGHIJK")
    ten = "name=" + " + ".join("ABCDEFGHIJ")

    assert cells(f"{header}\n{header.lower()}\n", ten) == {"name": "a b c d e f g h i j"}
    with pytest.raises(Invalid) as raised:
        cells(f"{header}\n", f"{ten} + K")
    assert [(one.pointer, one.detail) for one in raised.value.errors] == [
        ("?map", "name is joined from 11 titles: give at most 10.")
    ]


def test_a_mapped_column_takes_the_place_of_a_column_of_the_file() -> None:
    file = AthletesFile(BytesIO(b"Name,Person,Town\nBox,Mara,A\n"), options("name=Person"))
    assert file.columns.ignored == ["Name", "Town"]


@pytest.mark.parametrize(
    ("text", "mapped", "detail"),
    [
        ("name\n", "sex=Gender", "The first row does not have the title that is mapped to sex."),
        ("A\n", "name=A + B", "The first row does not have title 2 that is mapped to name."),
        ("A,,B\n", 'name="', "The first row does not have the title that is mapped to name."),
        ("A\n", "name=A+B", "The first row does not have the title that is mapped to name."),
        ("A,a\n", "name=A", "The first row has the title that is mapped to name more than once:"),
        ("A,B,_b\n", "name=A + B", "The first row has title 2 that is mapped to name more than"),
    ],
)
def test_the_error_for_a_mapped_title_that_is_not_there_once(
    text: str, mapped: str, detail: str
) -> None:
    with pytest.raises(Invalid) as raised:
        cells(text, mapped)
    assert raised.value.detail.startswith(detail)
    assert [error.pointer for error in raised.value.errors] == ["?map"]


@pytest.mark.parametrize(
    ("given", "pointer", "detail"),
    [
        ({"map": ["name=A", "name=B"]}, "?map", "name is given 2 times: give it once."),
        ({"set": ["sex=F", "sex=M"]}, "?set", "sex is given 2 times: give it once."),
        (
            {"map": ["category=A"], "set": ["category=Rx"]},
            "?set",
            "category is in both map and set: give it once.",
        ),
    ],
)
def test_the_error_for_a_column_that_is_given_twice(
    given: dict[str, list[str]], pointer: str, detail: str
) -> None:
    with pytest.raises(Invalid) as raised:
        AthletesFile(BytesIO(b"A,B\n"), ImportOptions.model_validate(given))
    assert [(one.pointer, one.detail) for one in raised.value.errors] == [(pointer, detail)]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"map": ["Gender"]}, "Input should begin with a column and an equals sign, like name="),
        ({"map": ["gender=sex"]}, "Input should begin with a column and an equals sign"),
        ({"map": ["=sex"]}, "Input should begin with a column and an equals sign"),
        ({"map": ["name="]}, "Input should have a text after the equals sign"),
        ({"map": ["name= \u200b"]}, "Input should have a text after the equals sign"),
        ({"set": ["category"]}, "Input should begin with a column and an equals sign"),
        ({"set": ["sex=often"]}, "sex should be female, male or other; F, M and X are read too"),
        ({"set": ["category=" + "x" * 51]}, "category should have at most 50 characters"),
        ({"set": ["birth_date=05/06/1994"]}, "birth_date should say whether the day or the month"),
        ({"set": ["reference=M-1"]}, "Input gives all athletes the same reference, which is"),
        ({"set": ["email=a@example.com"]}, "Input gives all athletes the same email, which is"),
        ({"encoding": "excel"}, "Input is not supported; choose one of utf-8, utf-16-le,"),
        ({"dates": "ymd"}, "Input should be 'dmy' or 'mdy'"),
        ({"dry_run": "yes"}, "Input should be true or false"),
    ],
)
def test_an_option_that_cannot_be_used_is_an_error(option: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        ImportOptions.model_validate(option)
    assert raised.value.errors()[0]["msg"].startswith(message)


@pytest.mark.parametrize("header", ["name,category,", "name,category,,, ", "name,category,\u200b"])
@pytest.mark.parametrize("row", ["Mara", "Mara,", "Mara,,", "Mara,,,,,,"])
def test_untitled_columns_and_empty_cells_at_the_end_are_nothing(header: str, row: str) -> None:
    assert cells(f"{header}\n{row}\n") == {"name": "Mara", "category": ""}


@pytest.mark.parametrize(("separator", "name"), [(",", "comma"), (";", "semicolon"), ("\t", "tab")])
def test_full_cells_after_the_last_column_reject_the_row(separator: str, name: str) -> None:
    text = separator.join(["name", "category", "\nMara", "Rx", "", "more"])
    with pytest.raises(
        ValueError, match=f"^the row has 4 cells, but .* 2: is there an extra {name}"
    ):
        cells(text)


@pytest.mark.parametrize(
    ("title", "cell", "read"),
    [
        ("Height (in)", "70", "70 in"),
        ("Height (in)", "70.5 ", "70.5 in"),
        ("Height in", "178 cm", "178 cm"),
        ("height [cm]", "178", "178 cm"),
        ("HEIGHT_FT", "5'10\"", "5'10\""),
        ("Height", "178", "178"),
        ("Height (in)", "", ""),
    ],
)
def test_the_unit_in_a_title_is_that_of_numbers_without_one(
    title: str, cell: str, read: str
) -> None:
    quoted = cell.replace('"', '""')

    assert cells(f'name,{title}\nMara,"{quoted}"\n', f"height={title}")["height"] == read


def test_a_title_that_is_mapped_is_no_longer_that_of_its_own_column() -> None:
    assert cells("ID,Name\n1001,Mara\n", "reference=ID") == {"name": "Mara", "reference": "1001"}


@pytest.mark.parametrize(
    ("header", "suggested"),
    [
        ("name,E-Mail", ["email=E-Mail"]),
        ("name,e mail,Categorie,Heigth", ["category=Categorie", "height=Heigth"]),
        ("name,Birthday,Center", ["birth_date=Birthday", "centres=Center"]),
        ("name,e-mail,Email", []),
        ("name,E-Mail,e_mail_", []),
        ("name,Town,Locker,Line,Reason", []),
        ("name,Nationality,Idx,Height (in)", ["height=Height (in)"]),
        (
            "Full Name,DOB,Gender,Member ID,sex",
            ["name=Full Name", "birth_date=DOB", "reference=Member ID"],
        ),
        (
            "name,E-mail Address,Mail,Level,Gym",
            ["email=E-mail Address", "category=Level", "centres=Gym"],
        ),
        ("name," + "e-mail" * 10, []),
    ],
)
def test_ignored_titles_that_look_like_columns_are_suggested(
    header: str, suggested: list[str]
) -> None:
    file = AthletesFile(BytesIO(f"{header}\n".encode()))
    assert file.columns.suggested == suggested


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("name,NAME,category", "The first row repeats a column: name."),
        ("birth date,birth_date,name", "The first row repeats a column: birth_date."),
        (
            "reference,\u200breference,Name,_name",
            "The first row repeats a column: reference, name.",
        ),
        (
            "Naam,E-Mail,Town",
            "The first row must name the columns: id, reference, name, email, national_id,"
            " birth_date, sex, category, centres, height, weight, or some of them. Some look like"
            " email, name. Columns that are called otherwise can be mapped:"
            ' --map "name=First Name" (over HTTP ?map=).',
        ),
    ],
)
def test_the_error_for_an_unusable_header_says_what_is_wrong(header: str, detail: str) -> None:
    with pytest.raises(Invalid) as raised:
        AthletesFile(BytesIO(f"{header}\n".encode()))
    assert raised.value.detail == detail


def test_a_utf_16_file_without_a_mark_is_told_to_name_its_encoding() -> None:
    text = "name,category\nJosé,Rx\n"
    with pytest.raises(Invalid, match="name its encoding: utf-16-le or utf-16-be"):
        AthletesFile(BytesIO("name,category\n".encode("utf-16-le")))
    file = AthletesFile(BytesIO(text.encode("utf-16-le")), ImportOptions(encoding="utf-16-le"))
    assert [entry.values["name"] for batch in file.batches() for entry in batch.entries] == ["José"]
