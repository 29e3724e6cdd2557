"""How a file is written: its encoding and its separator."""

import codecs
import time
from io import BytesIO
from typing import get_args

import pytest

from app.core.csv.dialect import Dialect, Encoding, checked_dialect, supported_encoding
from app.core.csv.reader import MOST_BLANK_LINES, CSVRow, read_dialect, read_rows
from app.core.errors import DomainError, Invalid, MalformedBody

TITLES = {"name", "sex", "town"}
TEXT = "name,sex\nJosé,male\n"
ROWS = [CSVRow(1, ["name", "sex"]), CSVRow(2, ["José", "male"])]


def read(file: bytes, encoding: Encoding | None = None) -> tuple[Dialect, list[CSVRow]]:
    opened = BytesIO(file)
    dialect = read_dialect(opened, TITLES.__contains__, encoding)
    return dialect, list(read_rows(opened, dialect))


@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_byte_order_marks_of_utf_8_are_not_part_of_the_text(times: int) -> None:
    dialect, rows = read(codecs.BOM_UTF8 * times + TEXT.encode())

    assert rows == ROWS
    assert dialect == Dialect("utf-8", mark=codecs.BOM_UTF8 * times)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")],
)
def test_a_byte_order_mark_tells_utf_16(mark: bytes, encoding: str, times: int) -> None:
    dialect, rows = read(mark * times + TEXT.encode(encoding))

    assert rows == ROWS
    assert dialect == Dialect(encoding, mark=mark * times)


@pytest.mark.parametrize("encoding", get_args(Encoding))
def test_a_named_encoding_is_used_if_there_is_no_mark(encoding: Encoding) -> None:
    text = TEXT.encode(encoding, "replace")

    _, rows = read(text, encoding)

    assert rows[0] == ROWS[0]
    assert rows[1].cells[0] in {"José", "Jos?"}  # not every encoding has the letter


def test_a_byte_order_mark_takes_precedence_over_a_named_encoding() -> None:
    assert read(codecs.BOM_UTF8 + TEXT.encode(), "cp1252")[1] == ROWS


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("Windows-1252", "cp1252"),
        ("CP1252", "cp1252"),
        ("latin-1", "iso8859-1"),
        ("ISO-8859-15", "iso8859-15"),
        ("macintosh", "mac-roman"),
        ("UTF8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("UTF-16", "utf-16-le"),
        ("ISO 8859-1", "iso8859-1"),
        ("cp1252\u00e9", None),
        ("cp1252,", None),
        ("c" * 41, None),
        ("excel", None),
        ("unicode_escape", None),
        ("idna", None),
        ("a\0b", None),
        ("é", None),
        ("", None),
    ],
)
def test_an_encoding_is_found_by_its_other_names(name: str, encoding: str | None) -> None:
    assert supported_encoding(name) == encoding


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_header_tells_the_separator(separator: str) -> None:
    dialect, rows = read(f'name{separator}sex\n"José{separator}Díaz"{separator}male\n'.encode())

    assert dialect.separator == separator
    assert rows == [CSVRow(1, ["name", "sex"]), CSVRow(2, [f"José{separator}Díaz", "male"])]


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("name;sex, or gender, or none", ["name", "sex, or gender, or none"]),
        ("a,b,c;name;sex", ["a,b,c", "name", "sex"]),
        ('"name";"sex"', ["name", "sex"]),
        ('"name"\t"a,b;c"', ["name", "a,b;c"]),
        ('"name, first";sex', ["name, first", "sex"]),
        (";;;;\nname;sex", ["name", "sex"]),
        ("name", ["name"]),
        ("What; Where; When, and Why", ["What", " Where", " When, and Why"]),
    ],
)
def test_the_separator_is_the_one_that_gives_most_known_titles(
    header: str, cells: list[str]
) -> None:
    _, rows = read(f"{header}\n".encode())
    assert rows[0].cells == cells


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"', "sep=;;;;", "sep=;,,,"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_first_line_names_the_separator_and_is_no_row(first: str, end: str) -> None:
    text = end.join([first, '"name";"a,b,c"', "José;x,y,z", ""])

    dialect, rows = read(text.encode())

    assert dialect.separator_line
    assert rows == [CSVRow(2, ["name", "a,b,c"]), CSVRow(3, ["José", "x,y,z"])]


def test_a_named_separator_is_used_even_if_another_gives_known_titles() -> None:
    _, rows = read(b"sep=,\nname;sex\n")
    assert rows == [CSVRow(2, ["name;sex"])]


@pytest.mark.parametrize("first", ["sep=|", "sep=", "sep=:"])
def test_the_error_for_another_named_separator_lists_the_supported_ones(first: str) -> None:
    with pytest.raises(Invalid, match=r"not supported \(comma, semicolon, tab\): save the file"):
        read(f"{first}\nname|sex\n".encode())


@pytest.mark.parametrize("first", ["sep=ab;name", "separator,name", "sep,name", "name,sep=;"])
def test_a_header_that_only_looks_like_a_separator_line_is_a_header(first: str) -> None:
    dialect, rows = read(f"{first}\n".encode())
    assert not dialect.separator_line
    assert rows[0].line == 1


@pytest.mark.parametrize("blank", ["\n", "\r\n", ";;\n", '""\n', " \u00a0\n"])
def test_a_header_may_be_after_a_thousand_blank_lines(blank: str) -> None:
    _, rows = read(f"{blank * MOST_BLANK_LINES}name;sex\n".encode())
    assert rows == [CSVRow(MOST_BLANK_LINES + 1, ["name", "sex"])]

    with pytest.raises(Invalid, match="The first 1000 lines are blank: delete them, so that"):
        read(f"{blank * (MOST_BLANK_LINES + 1)}name;sex\n".encode())


def test_a_file_of_blank_lines_is_refused_at_once() -> None:
    start = time.process_time()
    with pytest.raises(Invalid):
        read(b"\n" * 400_000)
    assert time.process_time() - start < 0.3  # more if it were read for each separator


def cut(encoding: str, cut: int) -> bytes:
    return "\ufeffname\nJosé\n".encode(encoding) + "🏋".encode(encoding)[:cut]


@pytest.mark.parametrize(
    ("file", "encoding", "error", "detail"),
    [
        (b"name\nJos\xe9\n", None, MalformedBody, "Line 2 is not UTF-8. Save the file as CSV in"),
        (b"name\nJos\x81\n", "cp1252", MalformedBody, "Line 2 is not cp1252. Is the file cut"),
        (b"name\nJos\xe9\n", "gb18030", MalformedBody, "Line 2 is not gb18030."),
        (cut("utf-16-le", 1), None, MalformedBody, "Line 3 is not utf-16-le. Is the file cut off"),
        (cut("utf-16-le", 2), None, MalformedBody, "Line 3 is not utf-16-le."),
        (cut("utf-16-be", 3), None, MalformedBody, "Line 3 is not utf-16-be."),
        (cut("utf-8", 3), None, MalformedBody, "Line 3 is not UTF-8."),
        (b"\xff\xfe\0\xd8a\0", None, MalformedBody, "Line 1 is not utf-16-le."),
        ("name\n".encode("utf-32"), None, MalformedBody, "The file is UTF-32. Save it as CSV in"),
        (b"PK\x03\x04[...]", None, MalformedBody, "The file is an Excel workbook, or another ZIP"),
        (b"\xd0\xcf\x11\xe0", "cp1252", MalformedBody, "The file is an Excel workbook. Save it as"),
        (b"\x1f\x8b\x08", None, MalformedBody, "The file is compressed by gzip. Save it as CSV"),
        (b"%PDF-1.7", None, MalformedBody, "The file is a PDF. Save it as CSV in UTF-8."),
        (codecs.BOM_UTF8 * 2, None, Invalid, "The file is empty."),
        (codecs.BOM_UTF16_LE, None, Invalid, "The file is empty."),
        (b"", "cp1252", Invalid, "The file is empty."),
    ],
)
def test_the_error_for_an_unreadable_text_names_the_line_and_the_encoding(
    file: bytes, encoding: Encoding | None, error: type[DomainError], detail: str
) -> None:
    with pytest.raises(error) as raised:
        checked_dialect(BytesIO(file), encoding)
    assert raised.value.detail.startswith(detail)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize("more", range(4))
def test_the_line_of_an_error_is_right_beyond_the_first_piece(
    end: str, encoding: Encoding, more: int
) -> None:
    # The ends of lines fall on all places around the end of a piece of 1 MiB.
    lines = 2**20 // (8 + len(end)) + 5
    text = ("x" * more + end + ("12345678" + end) * lines).encode(encoding)
    with pytest.raises(MalformedBody, match=rf"Line {lines + 2} is not"):
        checked_dialect(BytesIO(text + b"\xff\xdf\xff"), encoding)
