"""How a CSV file is written: its encoding, and the separator of its cells."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import IncrementalNewlineDecoder, StringIO
from typing import BinaryIO, Literal, get_args

from app.core.errors import Invalid, MalformedBody

LONGEST_LINE = 2**20
"""In characters. A file with a longer line is not CSV, and would take too much memory."""

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
"""The supported separators and their names; the first one is the default."""

_Unicode = Literal["utf-8", "utf-16-le", "utf-16-be"]
_Windows = Literal[
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"
]
_Latin = Literal["iso8859-1", "iso8859-2", "iso8859-5", "iso8859-7", "iso8859-9", "iso8859-15"]
_Older = Literal["cp437", "cp850", "cp852", "cp866", "mac-roman", "koi8-r", "koi8-u"]
_Asian = Literal["cp874", "cp932", "euc_jp", "cp949", "gb18030", "big5"]
Encoding = Literal[_Unicode, _Windows, _Latin, _Older, _Asian]
"""The encodings that a client can name; the names are those of Python's codecs."""

LONGEST_NAME = 40
"""Of an encoding."""
# Python overlooks some other characters.
_NAME = re.compile(rf"[A-Za-z0-9 ._-]{{1,{LONGEST_NAME}}}")

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_MARKS_OF_UTF_32 = codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE
_MOST_MARKS = 10
_PIECE = 2**16
"""How many bytes are decoded at once; fewer than ``LONGEST_LINE``."""
_OTHER_FILES = {
    b"PK\x03\x04": "an Excel workbook, or another ZIP file",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"\x1f\x8b": "compressed by gzip",
    b"%PDF": "a PDF",
}
"""Files that people take for CSV files, by their first bytes."""
_SEPARATOR_LINE = re.compile(r'"?sep=([^\r\n]?)"?[,;\t "]*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written."""

    encoding: str = "utf-8"
    separator: str = ","
    mark: bytes = b""
    """The byte order marks before the text."""
    separator_line: bool = False
    """Whether the first line is not a row, but names the separator: ``sep=;``."""


def text_lines(file: BinaryIO, encoding: str, mark: bytes) -> Iterator[str]:
    """Yield the lines of a file after its byte order marks, with their line endings."""
    # A TextIOWrapper reads 8 KiB at a time. Each read releases the GIL for a moment, too short for
    # another thread to get it, and restarts that thread's wait for it: it would wait for seconds.
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(len(mark))
    rest = ""
    while piece := file.read(_PIECE):
        # The last line may continue in the next piece, also one that ends with CR.
        *lines, rest = _lines(rest + decoder.decode(piece)) or [""]
        yield from lines
    yield from _lines(rest + decoder.decode(b"", final=True))


def _lines(text: str) -> list[str]:
    return StringIO(text, newline="").readlines()


def supported_encoding(name: str) -> Encoding | None:
    """Return the supported encoding that has a name such as ``Windows-1252``, or None."""
    # Without a mark, UTF-16 is usually that of Windows. A mark tells it anyway.
    usual = {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}
    if not _NAME.fullmatch(name):
        return None
    try:
        found = codecs.lookup(name).name
        found = usual.get(found, found)
    except LookupError:
        return None
    return next((one for one in get_args(Encoding) if codecs.lookup(one).name == found), None)


def checked_dialect(file: BinaryIO, encoding: Encoding | None = None) -> Dialect:
    """Check the whole text of a file; return its dialect, with a comma if no line names another.

    A byte order mark tells the encoding. A file without one has the given encoding, or is UTF-8.
    Raise ``MalformedBody`` if the text does not have this encoding, and ``Invalid`` if it is empty,
    has a line of more than ``LONGEST_LINE``, or names a separator that is not supported.
    """
    file.seek(0)
    start = file.read(4 * _MOST_MARKS)
    if start.startswith(_MARKS_OF_UTF_32):
        raise MalformedBody("The file is UTF-32. Save it as CSV in UTF-8.")
    for first, kind in _OTHER_FILES.items():
        if start.startswith(first):
            raise MalformedBody(f"The file is {kind}. Save it as CSV in UTF-8.")
    mark = next((mark for mark in _MARKS if start.startswith(mark)), b"")
    # Programs that add a mark to a file that has one leave two.
    marks = mark * _count_at_start(start, mark) if mark else b""
    named: str = _MARKS[mark] if mark else encoding or "utf-8"
    file.seek(len(marks))
    _check_text(file, named)
    separator = _named_separator(next(text_lines(file, named, marks), ""))
    return Dialect(named, separator or ",", marks, separator is not None)


def _count_at_start(text: bytes, mark: bytes) -> int:
    count = 0
    while text.startswith(mark, count * len(mark)):
        count += 1
    return count


def _check_text(file: BinaryIO, encoding: str) -> None:
    """Decode the rest of a file piece by piece, and check the length of its lines."""
    newlines = IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    line, length, empty = 1, 0, True
    while True:
        piece = file.read(_PIECE)
        try:
            text = newlines.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(encoding, "replace")
            _, flags = newlines.getstate()
            if flags & 1 and not before.startswith("\n"):
                line += 1  # the piece before ended with CR
            line += len(re.findall(r"\r\n|\r|\n", before))
            raise MalformedBody(_not_encoded(line, encoding)) from None
        empty = empty and not text
        # Only a line that began in an earlier piece can be too long.
        first, *others = text.split("\n", 1)
        length += len(first)
        if length > LONGEST_LINE:
            raise Invalid(f"Line {line} is longer than 1 MiB: this is not a CSV file of rows.")
        if others:
            line += text.count("\n")
            length = len(text) - text.rindex("\n") - 1
        if not piece:
            break
    if empty:
        raise Invalid("The file is empty.")


def _not_encoded(line: int, encoding: str) -> str:
    if encoding == "utf-8":
        return (
            f"Line {line} is not UTF-8. Save the file as CSV in UTF-8, or name its encoding,"
            " as in --encoding cp1252 (over HTTP ?encoding=cp1252)."
        )
    return (
        f"Line {line} is not {encoding}. Is the file cut off, or does it have another encoding?"
        " Save it as CSV in UTF-8."
    )


def _named_separator(first: str) -> str | None:
    """Return the separator that the first line names, or None if that line is a row."""
    named = _SEPARATOR_LINE.fullmatch(first.rstrip("\r\n"))
    if named is None:
        return None
    if named[1] not in SEPARATORS:
        supported = ", ".join(SEPARATORS.values())
        raise Invalid(
            f"The first line names a separator that is not supported ({supported}):"
            " save the file with one of these, and correct that line."
        )
    return named[1]
