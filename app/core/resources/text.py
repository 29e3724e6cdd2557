"""Text as people type it, made into text that can be stored, compared and searched."""

from unicodedata import category, combining, normalize

from pydantic_core import PydanticCustomError

LONGEST_NORMALISED = 4 * 255
"""In characters. Longer text stays as it is: thousands of marks in a row take seconds to order.

Every field refuses it, for NFC leaves more than 255 of its characters.
"""

LAST_ENDING = "\U0010ffff" * 100
"""Comes after whatever follows the beginning of a name key.

Its character is the last of all, and no name has more than so many in a row.
"""

_WHITE_SPACE_CONTROLS = frozenset("\t\n\v\f\r\x85")
_JOINERS = frozenset("\u200c\u200d")
_INVISIBLE_MARKS = frozenset(
    chr(point)
    for points in (
        (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5),
        range(0x180B, 0x1810),
        range(0xFE00, 0xFE10),
        range(0xE0100, 0xE01F0),
    )
    for point in points
)
"""What is no format character and yet shows nothing: joiners, fillers, variation selectors."""


def clean_text(text: object) -> object:
    """Normalise text to NFC, drop invisible characters, and make white space single spaces.

    What is no string is returned as it is, for the type's own check to refuse. The zero-width
    joiner and non-joiner stay: some scripts need them. A control character or a lone surrogate
    raises ``PydanticCustomError``.
    """
    if not isinstance(text, str):
        return text
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    kept = []
    for character in text:
        kind = category(character)
        if kind == "Cs" or (kind == "Cc" and character not in _WHITE_SPACE_CONTROLS):
            raise PydanticCustomError(
                "unusable_character",
                "Text cannot hold control characters, NUL or lone surrogates",
            )
        if kind != "Cf" or character in _JOINERS:
            kept.append(character)
    words = " ".join("".join(kept).split())
    return words if len(words) > LONGEST_NORMALISED else " ".join(normalize("NFC", words).split())


def name_key(name: str) -> str:
    """Return what two spellings of one name share: ``Scaled`` and ``SCÁLED `` give ``scaled``.

    NFKD and case folding, without combining marks, invisible marks and format characters.
    A combining mark is a character of a canonical combining class other than 0: the vowel signs
    of Indic scripts, which are letters to their readers, stay. Empty for a name without any
    visible character.
    """
    if name.isascii():
        return name.lower()
    if len(name) > LONGEST_NORMALISED:
        return name
    folded = normalize("NFKD", normalize("NFKD", name).casefold())
    return " ".join(
        "".join(
            character
            for character in folded
            if not combining(character)
            and category(character) != "Cf"
            and character not in _INVISIBLE_MARKS
        ).split()
    )


def email_key(address: str) -> str:
    """Return what an email address is in whatever case."""
    folded = address.casefold()
    return folded if len(folded) > LONGEST_NORMALISED else normalize("NFC", folded)
