"""Text as people type it, made into text that can be stored, compared and searched."""

from unicodedata import category, combining, normalize

from pydantic_core import PydanticCustomError

_WHITE_SPACE_CONTROLS = frozenset("\t\n\v\f\r\x85")
_JOINERS = frozenset("\u200c\u200d")
_INVISIBLE_MARKS = frozenset(
    chr(point)
    for points in (
        (0x034F, 0x17B4, 0x17B5),
        range(0x180B, 0x1810),
        range(0xFE00, 0xFE10),
        range(0xE0100, 0xE01F0),
    )
    for point in points
)
"""Marks that are no format characters and yet show nothing: joiners, variation selectors."""


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
    return " ".join(normalize("NFC", "".join(kept)).split())


def name_key(name: str) -> str:
    """Return what two spellings of one name share: ``Scaled`` and ``SCÁLED `` give ``scaled``.

    NFKD and case folding, without combining marks, invisible marks and format characters.
    A combining mark is a character of a canonical combining class other than 0: the vowel signs
    of Indic scripts, which are letters to their readers, stay. Empty for a name without any
    visible character.
    """
    if name.isascii():
        return name.lower()
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
    return normalize("NFC", address.casefold())
