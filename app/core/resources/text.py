"""Normalisation of text, so that it can be stored, compared and searched."""

import re
import unicodedata
from collections.abc import Iterator
from unicodedata import category, normalize

from pydantic_core import PydanticCustomError

LONGEST_NORMALISED = 4 * 255
"""In characters. Longer text is not normalised: thousands of combining marks take seconds.

Every field of one line rejects such text anyway, because NFC leaves more than 255 characters of it.
"""

LAST_ENDING = "\U0010ffff" * 100
"""The end of a prefix range: ``prefix + LAST_ENDING`` sorts after every name key with the prefix.

It repeats the last code point, and no name has more than 100 of them.
"""

_WHITE_SPACE_CONTROLS = frozenset("\t\n\v\f\r\x85")
_LINE_BREAK = re.compile("\r\n|[\n\v\f\r\x85\u2028\u2029]")
_JOINERS = frozenset("\u200c\u200d")


def _characters(*ranges: str) -> Iterator[str]:
    """Yield the characters of some ranges, each given by its first and its last one."""
    for ends in ranges:
        yield from map(chr, range(ord(ends[0]), ord(ends[-1]) + 1))


_LATIN_AND_GREEK = frozenset(
    _characters(
        # Latin
        *("az", "\u00df\u00f6", "\u00f8\u02af", "\u1d00\u1d25", "\u1d6b\u1d77", "\u1d79\u1d9a"),
        *("\u1e00\u1eff", "\u2184", "\u2c60\u2c7f", "\ua722\ua787", "\ua78b\ua7ff"),
        *("\uab30\uab5a", "\uab60\uab64", "\uab66\uab68"),
        # Greek, without the Coptic letters in between
        *("\u0371\u03e1", "\u03f0\u03ff", "\u1d26\u1d2a", "\u1f00\u1fff", "\uab65"),
    )
)
"""The letters that lose their marks, in lower case."""

_INVISIBLE = (
    # Format characters (category Cf).
    *("\u00ad", "\u0600\u0605", "\u061c", "\u06dd", "\u070f", "\u0890\u0891", "\u08e2"),
    *("\u180e", "\u200b\u200f", "\u202a\u202e", "\u2060\u2064", "\u2066\u206f", "\ufeff"),
    *("\ufff9\ufffb", "\U000110bd", "\U000110cd", "\U00013430\U0001343f"),
    *("\U0001bca0\U0001bca3", "\U0001d173\U0001d17a", "\U000e0001", "\U000e0020\U000e007f"),
    # Others: the grapheme joiner, fillers, variation selectors.
    *("\u034f", "\u115f\u1160", "\u17b4\u17b5", "\u180b\u180d", "\u180f"),
    *("\ufe00\ufe0f", "\U000e0100\U000e01ef"),
)

_OPTIONAL = (
    # Hebrew: cantillation and points (niqqud).
    *("\u0591\u05bd", "\u05bf", "\u05c1\u05c2", "\u05c4\u05c5", "\u05c7", "\ufb1e"),
    # Arabic: honorifics, tatweel, harakat, Quranic annotations. A hamza or a madda is no haraka.
    *("\u0610\u061a", "\u0640", "\u064b\u0652", "\u0670"),
    *("\u06d6\u06dc", "\u06df\u06e4", "\u06e7\u06e8", "\u06ea\u06ed"),
)
"""Characters that a name is written with or without."""

_NAMED_PLAIN = re.compile("LATIN SMALL LETTER ([A-Z]) WITH .+")


def _plain_letters() -> Iterator[tuple[str, str]]:
    """Yield the Latin letters that Unicode does not decompose, each with its plain letters.

    Unicode names the plain letter of most: ``ł`` is LATIN SMALL LETTER L WITH STROKE.
    """
    for letter in _LATIN_AND_GREEK:
        named = _NAMED_PLAIN.fullmatch(unicodedata.name(letter, ""))
        if named and normalize("NFKD", letter) == letter:
            yield letter, named[1].lower()
    yield from zip("ıȷʉɵð", "ijuod", strict=True)
    yield from {"þ": "th", "æ": "ae", "œ": "oe"}.items()


_FOLDED = {
    **dict.fromkeys(_characters(*_INVISIBLE, *_OPTIONAL), ""),
    **dict.fromkeys("\u2018\u2019\u02bb\u02bc`\u05f3\u055a", "'"),
    **dict.fromkeys("\u2010\u2012\u2013\u2014\u2015\u2212\u05be\u058a", "-"),
    **dict.fromkeys("\u201c\u201d\u201e\u05f4", '"'),
    **dict(_plain_letters()),
}
"""What a character becomes, after NFKD and in lower case."""

_FOLDS = re.compile(
    # Ranges first: one by one, characters beyond U+FFFF would make the search slow.
    f"[{''.join(f'{ends[0]}-{ends[-1]}' for ends in (*_INVISIBLE, *_OPTIONAL))}"
    f"{''.join(character for character, plain in _FOLDED.items() if plain)}]"
)

_SPACING_MARKS = {"\u00b4": "'", "\u1ffd": "'", "\u309b": "\u3099", "\u309c": "\u309a"}
"""Characters that NFKD would make a space and a combining mark."""

_HAS_SPACING_MARKS = re.compile(f"[{''.join(_SPACING_MARKS)}]")

_MARKS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
"""Combining marks that belong to no one script."""

_STRESS = "\u0301"

_STRESSED = frozenset("аеиоуыэюяєіѣѵәөүұӕ")
"""Cyrillic vowels. On a consonant the same mark makes a letter, in Macedonian and Montenegrin."""

_HANGUL = re.compile("[\uac00-\ud7a3]+")


def _kept(marks: re.Match[str]) -> str:
    """Return those of some marks that make another letter of the character before them."""
    base = marks.string[marks.start() - 1 : marks.start()]
    if base in _LATIN_AND_GREEK or not base.strip():
        return ""
    return marks[0].replace(_STRESS, "") if base in _STRESSED else marks[0]


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


def clean_lines(text: object) -> object:
    """Normalise each line of a text as ``clean_text`` does; end lines with LF.

    Blank lines at the beginning and at the end are dropped, and several in a row become one. A long
    line is normalised word by word.
    """
    if not isinstance(text, str):
        return text
    lines: list[str] = []
    for line in _LINE_BREAK.split(text):
        words = str(clean_text(line))
        if len(words) > LONGEST_NORMALISED:
            words = " ".join(str(clean_text(word)) for word in words.split(" "))
        if words or (lines and lines[-1]):
            lines.append(words)
    return "\n".join(lines).rstrip("\n")


def name_key(name: str) -> str:
    """Return the key for comparing names: ``Scaled`` and ``SCÁLED`` give ``scaled``.

    Two names have one key if they differ only in what people type differently for one name: case,
    compatibility forms, white space, invisible characters, marks and strokes of Latin and Greek
    letters, optional points, and the forms of apostrophes, hyphens and quotation marks. A mark
    of another script makes another letter, so it stays: ``パ`` is not ``ハ``, and ``й`` not ``и``.

    The key is composed (NFC), so that a search for ``и`` does not find ``й``; but Hangul is
    decomposed, so that a search finds a syllable by its beginning. The key of a name without a
    visible character is empty.
    """
    if name.isascii():
        return name.lower().replace("`", "'")
    if len(name) > LONGEST_NORMALISED:
        return name
    combining = _HAS_SPACING_MARKS.sub(lambda mark: _SPACING_MARKS[mark[0]], name)
    decomposed = normalize("NFKD", combining).casefold()
    folded = _FOLDS.sub(lambda character: _FOLDED[character[0]], decomposed)
    ordered = normalize("NFD", folded)  # an invisible character may have stood between two marks
    plain = " ".join(_MARKS.sub(_kept, ordered).split())
    if plain.isascii():
        return plain
    return _HANGUL.sub(lambda syllables: normalize("NFD", syllables[0]), normalize("NFC", plain))


def email_key(address: str) -> str:
    """Return the key for comparing email addresses regardless of case."""
    folded = address.casefold()
    return folded if len(folded) > LONGEST_NORMALISED else normalize("NFC", folded)
