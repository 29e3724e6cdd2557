"""Normalisation of text, so that it can be stored, compared and searched."""

from unicodedata import category, combining, normalize

from pydantic_core import PydanticCustomError

LONGEST_NORMALISED = 4 * 255
"""In characters. Longer text is not normalised: thousands of combining marks take seconds.

Every field rejects such text anyway, because NFC leaves more than 255 characters of it.
"""

LAST_ENDING = "\U0010ffff" * 100
"""The end of a prefix range: ``prefix + LAST_ENDING`` sorts after every name key with the prefix.

It repeats the last code point, and no name has more than 100 of them.
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
"""Invisible characters outside category Cf: the grapheme joiner, fillers, variation selectors."""


def clean_text(text: object) -> object:
    """Normalise text to NFC, drop format characters, and collapse white space to single spaces.

    A value that is not a string is returned unchanged, so that the field's type rejects it. The
    zero-width joiner and non-joiner stay: some scripts need them. A control character or a lone
    surrogate raises ``PydanticCustomError``.
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
    """Return the key for comparing names: ``Scaled`` and ``SCÁLED`` give ``scaled``.

    The key is NFKD with case folding, without combining marks, invisible marks and format
    characters. A combining mark is a character whose canonical combining class is not 0. So the
    vowel signs of Indic scripts, which are letters to their readers, stay. The key of a name
    without a visible character is empty.
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
    """Return the key for comparing email addresses regardless of case."""
    folded = address.casefold()
    return folded if len(folded) > LONGEST_NORMALISED else normalize("NFC", folded)
