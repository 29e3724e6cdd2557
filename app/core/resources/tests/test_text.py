"""Text rules: cleaned text, and the keys for comparison."""

import re

import pytest
from pydantic_core import PydanticCustomError

from app.core.resources.fields import text_pattern
from app.core.resources.text import LONGEST_NORMALISED, clean_text, email_key, name_key

TEXTS = [
    "Scaled",
    "  CrossFit\t Mayhem \n",
    "José Ñandú",
    "Straße",
    "İstanbul ıĞ",
    "ﷺ ﬁt",
    "한국 크로스핏",
    "नमस्ते",
    "می\u200cخواهم",
    "👩\u200d🚒 ❤\ufe0f",
    "´ a\u0301\u00ad\u200b",
]


class TestCleanText:
    @pytest.mark.parametrize(
        ("typed", "stored"),
        [
            ("  CrossFit \t\n Mayhem ", "CrossFit Mayhem"),
            ("a\u00a0\u2003b\u2028c\x85d", "a b c d"),
            ("Jose\u0301", "Jos\u00e9"),
            ("Sca\u00adl\u200be\ufeffd\u202e", "Scaled"),
            ("می\u200cخواهم", "می\u200cخواهم"),
            ("👩\u200d🚒", "👩\u200d🚒"),
            ("\u200b \u00ad", ""),
            ("", ""),
        ],
    )
    def test_text_is_normalised(self, typed: str, stored: str) -> None:
        assert clean_text(typed) == stored

    @pytest.mark.parametrize("text", TEXTS)
    def test_cleaning_again_changes_nothing(self, text: str) -> None:
        assert clean_text(clean_text(text)) == clean_text(text)

    @pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x1c", "\x7f", "\x9f", "\ud800"])
    def test_an_unusable_character_is_refused(self, character: str) -> None:
        with pytest.raises(PydanticCustomError, match="control characters"):
            clean_text(f"a{character}b")

    def test_text_that_is_too_long_for_any_field_is_not_normalised(self) -> None:
        longest = "e\u0301" * (LONGEST_NORMALISED // 2)

        assert len(str(clean_text(longest))) == LONGEST_NORMALISED // 2
        for too_long in (longest + "\u0301", longest + "\u0316"):
            assert clean_text(too_long) == name_key(too_long) == email_key(too_long) == too_long

    @pytest.mark.parametrize("value", [None, 3, b"a", ["a"]])
    def test_a_value_that_is_not_text_is_returned_unchanged(self, value: object) -> None:
        assert clean_text(value) is value

    @pytest.mark.parametrize(
        "text", [*TEXTS, "a\tb\n\x85", "\0", "a\x1cb", "\x9f", " \n\u2003", ""]
    )
    def test_the_documented_pattern_matches_exactly_the_accepted_texts(self, text: str) -> None:
        try:
            accepted = bool(clean_text(text))
        except PydanticCustomError:
            accepted = False

        assert bool(re.search(text_pattern(), text)) == accepted


class TestNameKey:
    @pytest.mark.parametrize(
        ("name", "key"),
        [
            ("Scaled", "scaled"),
            ("SCÁLED", "scaled"),
            ("Straße", "strasse"),
            ("İstanbul", "istanbul"),
            ("ﬁt \uff26\uff29\uff34", "fit fit"),
            ("crossfit\u2122", "crossfittm"),
            ("Ångström", "angstrom"),
            ("Ελλάς", "ελλασ"),
            ("می\u200cخواهم", "میخواهم"),
            ("❤\ufe0f", "❤"),
            ("Sc\u034fa\u180bl\u17b4e\U000e0100d", "scaled"),
            ("\u200d", ""),
            ("\u0301", ""),
            ("\u3164\u115f\u1160\uffa0", ""),
        ],
    )
    def test_a_key_has_no_case_accents_or_invisible_characters(self, name: str, key: str) -> None:
        assert name_key(name) == key

    def test_vowel_signs_are_part_of_the_key(self) -> None:
        assert name_key("कल") != name_key("कुल")

    @pytest.mark.parametrize("text", TEXTS)
    def test_the_key_of_a_prefix_is_a_prefix_of_the_key(self, text: str) -> None:
        key = name_key(str(clean_text(text)))
        for end in range(len(text)):
            assert key.startswith(name_key(str(clean_text(text[:end]))))

    @pytest.mark.parametrize("text", TEXTS)
    def test_the_key_of_a_key_is_itself(self, text: str) -> None:
        key = name_key(str(clean_text(text)))
        assert name_key(key) == key


@pytest.mark.parametrize("address", ["Mara@example.com", "ΐ@example.com", "straße@example.com"])
def test_the_email_key_ignores_case(address: str) -> None:
    assert email_key(address) == email_key(address.upper()) == email_key(address.lower())
