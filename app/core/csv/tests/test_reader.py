import time
from io import BytesIO

import pytest

from app.core.csv.dialect import LONGEST_LINE, Dialect, checked_dialect
from app.core.csv.reader import LONGEST_ROW, CSVRow, read_rows
from app.core.errors import Invalid, MalformedBody

BROKEN = "the row is not valid CSV: is a quotation mark out of place?"


def rows(text: str | bytes) -> list[CSVRow]:
    file = BytesIO(text if isinstance(text, bytes) else text.encode())
    return list(read_rows(file, checked_dialect(file)))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_each_row_has_the_number_of_its_first_line(end: str) -> None:
    text = end.join(["name,height", "Mara,5'6\"", "", '"Li,', 'Na",1.7 m', " , ", "Ana,"])

    assert rows(text) == [
        CSVRow(1, ["name", "height"]),
        CSVRow(2, ["Mara", "5'6\""]),
        CSVRow(4, [f"Li,{end}Na", "1.7 m"]),
        CSVRow(7, ["Ana", ""]),
    ]


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_is_not_part_of_the_first_cell(start: bytes) -> None:
    assert rows(start + b"name\nMara\n") == [CSVRow(1, ["name"]), CSVRow(2, ["Mara"])]


@pytest.mark.parametrize("broken", ['"Mara" L,female', '"Mara,female', 'Mara,"female', '"Mara""'])
def test_a_row_that_is_not_csv_does_not_affect_other_rows(broken: str) -> None:
    found = rows(f"name,sex\n{broken}\nAna,female\nEva,female\n")

    assert found == [
        CSVRow(1, ["name", "sex"]),
        CSVRow(2, [broken], BROKEN),
        CSVRow(3, ["Ana", "female"]),
        CSVRow(4, ["Eva", "female"]),
    ]


def test_a_row_that_is_too_long_does_not_affect_other_rows() -> None:
    long = "a" * (LONGEST_ROW + 1)
    assert rows(f"name\n{long}\nAna\n") == [
        CSVRow(1, ["name"]),
        CSVRow(2, [long], "the row is too long"),
        CSVRow(3, ["Ana"]),
    ]


@pytest.mark.parametrize("line", ['x","y', 'x","', '"""a'])
def test_many_misplaced_quotation_marks_are_read_in_linear_time(line: str) -> None:
    count = 20_000
    start = time.process_time()

    found = rows("\n".join([line] * count))

    assert time.process_time() - start < 5  # a minute if each row searched to the end
    assert sum(row.cells[0].count("\n") + 1 for row in found) == count


def test_an_unclosed_quotation_mark_breaks_only_one_row_of_a_long_file() -> None:
    others = [f"Athlete {number},female" for number in range(LONGEST_ROW // 10)]

    found = rows("\n".join(['"Mara,female', *others]))

    assert found[0] == CSVRow(1, ['"Mara,female'], BROKEN)
    assert found[1:] == [CSVRow(line, row.split(",")) for line, row in enumerate(others, 2)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_file_may_be_longer_than_the_longest_line(end: bytes) -> None:
    assert len(rows(end.join([b"Mara" * 250] * 2500))) == 2500  # 2.5 MB


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lines_and_characters_may_be_in_two_pieces_of_a_file(end: str, encoding: str) -> None:
    for length in range(2**15 - 6, 2**15 + 2):  # a piece is 2**16 bytes
        name = "é" * length

        found = rows(f"{name}{end}Mara{end}Ana".encode(encoding))

        assert found == [CSVRow(1, [name]), CSVRow(2, ["Mara"]), CSVRow(3, ["Ana"])]


def test_a_file_is_read_in_large_pieces() -> None:
    class Counted(BytesIO):
        reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.reads += 1
            return super().read(size)

    file = Counted(b'"\n' * 2**19)

    list(read_rows(file, Dialect()))

    # Each read releases the GIL, too briefly for another thread, which then waits anew.
    assert file.reads == 2**20 / 2**16 + 1


def test_a_row_without_cells_is_yielded_among_many_blank_lines() -> None:
    found = rows("name\n" + "\n" * 2500 + "Mara\n" + "\n" * 1000 + "Ana\n")

    assert found == [
        CSVRow(1, ["name"]),
        CSVRow(1002, []),
        CSVRow(2003, []),
        CSVRow(2502, ["Mara"]),
        CSVRow(3503, ["Ana"]),
    ]


def test_many_lines_are_checked_at_once() -> None:
    start = time.process_time()

    checked_dialect(BytesIO(b"name\n" + b"\n" * 2**25))

    assert time.process_time() - start < 0.5  # several seconds if each line were looked at


def test_reading_rows_does_not_close_the_file() -> None:
    file = BytesIO(b"name\nMara\n")
    list(read_rows(file, Dialect()))
    assert not file.closed


@pytest.mark.parametrize(
    ("text", "error", "detail"),
    [
        (b"", Invalid, "The file is empty."),
        ("Josefína\n".encode("cp1252"), MalformedBody, "Line 1 is not UTF-8. Save the file as"),
        (b"name\nMara\nJos\xe9\n", MalformedBody, "Line 3 is not UTF-8. Save the file as CSV"),
        (b"name\nMara\nJos\xc3", MalformedBody, "Line 3 is not UTF-8. Save the file as CSV"),
        ("name\nMara\n".encode("utf-32"), MalformedBody, "The file is UTF-32. Save it as CSV in"),
        (b"name\rMara\rJos\xe9\r", MalformedBody, "Line 3 is not UTF-8. Save the file as CSV"),
        (b"name\n" + b"a" * (LONGEST_LINE + 1), Invalid, "Line 2 is longer than 1 MiB"),
        (b"name\r\n" + b"a" * 3 * LONGEST_LINE, Invalid, "Line 2 is longer than 1 MiB"),
    ],
)
def test_an_unreadable_file_is_refused_as_a_whole(
    text: bytes, error: type[Exception], detail: str
) -> None:
    with pytest.raises(error, match=detail):
        checked_dialect(BytesIO(text))
