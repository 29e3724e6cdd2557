"""Text rules: cleaned text, and the keys for comparison."""

import re
from unicodedata import category, name, normalize

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
    "Łukasz Æsir Þór Đặng",
    "Мой Ёлка Її",
    "パーク が",
    "ลูก น้ำ",
    "مُحَمَّد أحمد",
    "שָׁלוֹם",
    "O’Connor Jean‑Luc",
    "\u200d\u0653\u0323",
]

ONE_NAME = {
    "case": ["scaled", "SCALED", "Scaled"],
    "case of ß": ["Straße", "STRASSE", "STRAẞE", "strasse"],
    "case of a final sigma": ["Νίκος", "ΝΙΚΟΣ", "νικοσ"],
    "case in Turkish": ["Yıldız", "YILDIZ", "yildiz", "Yıldiz"],
    "a dotted İ": ["İpek", "IPEK", "ipek", "I\u0307pek", "i\u0307pek"],
    "case in Cyrillic": ["Їжак", "ЇЖАК", "їжак"],
    "full-width forms": ["Fit", "\uff26\uff29\uff34", "ﬁt"],
    "half-width kana": [
        "ガード",
        "\uff76\uff9e\uff70\uff84\uff9e",
        "カ\u3099ート\u3099",
        "カ゛ート゛",
    ],
    "composed kana": ["パーク", "ハ\u309aーク", "ハ\u309cーク"],
    "composed Hangul": ["한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"],
    "white space": ["The Garage", "The\u00a0 Garage", "The\u3000Garage"],
    "invisible characters": ["می\u200cخواهم", "میخواهم", "می\u2060خواهم"],
    "accents": ["José", "JOSÉ", "Jose\u0301", "jose"],
    "two marks": ["Nguyễn Phước", "Nguye\u0302\u0303n Phu\u031bo\u031b\u0301c", "nguyen phuoc"],
    "marks on letters of African languages": ["Ɔ\u0301yɛ\u0300", "Ɔyɛ", "ɔyɛ"],
    "an enclosing mark": ["A\u20dd", "Ⓐ", "a"],
    "marks in Greek": ["Μαΐου Άννα", "ΜΑΪΟΥ ΑΝΝΑ", "μαιου αννα"],
    "old Greek": ["Ἀθῆναι", "Αθηναι"],
    "ł": ["Łukasz", "ŁUKASZ", "łukasz", "lukasz"],
    "ø": ["Søren", "SØREN", "soren", "sören"],
    "đ": ["Đặng", "ĐẶNG", "dang"],
    "ð": ["Norður", "NORÐUR", "nordur"],
    "ħ": ["Ħamrun", "hamrun"],
    "ŧ": ["Ŧávvu", "tavvu"],
    "ı": ["Işıl", "IŞIL", "isil"],
    "æ": ["Ægir", "ægir", "AEGIR", "Ǽgir"],
    "œ": ["Cœur", "COEUR"],
    "þ": ["Þór", "THOR"],
    "other strokes": ["ɃɨɍɏƶǥⱥȼɇɉȽ", "biryzgacejl"],
    "hooks": ["Ɓaƙi Ɗanƴa Ɲande Ƒofo", "baki danya nande fofo"],
    "bars": ["ɄƟȷ", "uoj"],
    "niqqud": ["שָׁלוֹם", "שלום", "\ufb2aָלוֹם"],
    "harakat": ["مُحَمَّد", "محمد"],
    "harakat beside a hamza": ["أَحمد", "أحمد", "ا\u064e\u0654حمد"],
    "an alef above": ["رحمٰن", "رحمن"],
    "tatweel": ["محمـــد", "محمد"],
    "Arabic presentation forms": ["\ufee3\ufea4\ufee4\ufeaa", "محمد"],
    "the Cyrillic stress mark": ["Москва\u0301", "Москва"],
    "stress on a letter with a mark": ["йо\u0301д Ё\u0301лка ї\u0301", "йод ёлка ї"],
    "apostrophes": ["O'Connor", "O’Connor", "O‘Connor", "O\u02bcConnor", "O`Connor", "O´Connor"],
    "the Uzbek apostrophe": ["O\u02bbktam", "O'ktam"],
    "the Hebrew geresh": ["ג׳ורג׳", "ג'ורג'"],
    "hyphens": ["Jean-Luc", "Jean‐Luc", "Jean‑Luc", "Jean–Luc", "Jean—Luc", "Jean\u2212Luc"],
    "a soft hyphen": ["Jean\u00adLuc", "jeanluc"],
    "the Hebrew maqaf": ["תל־אביב", "תל-אביב"],
    "quotation marks": ['"Iron" Gym', "“Iron” Gym", "„Iron“ Gym"],
    "Hebrew gershayim": ["צה״ל", 'צה"ל'],
    "variation selectors": ["❤\ufe0f", "❤", "❤\ufe0e"],
    "Cyrillic letters with a mark": ["мой", "МОИ\u0306"],
}
"""Spellings of one name, by what they differ in."""

TWO_NAMES = {
    "katakana voicing": ["バーク", "パーク", "ハーク"],
    "hiragana voicing": ["かき", "がき", "かぎ"],
    "decomposed voicing": ["ハ\u3099", "ハ\u309a", "ハ"],
    "half-width voicing": ["\uff8a\uff9e", "\uff8a\uff9f", "\uff8a"],
    "small kana": ["つ", "っ"],
    "Thai vowels": ["ลูก", "ลุก", "ลก", "ลัก"],
    "Thai tones": ["ขาว", "ข่าว", "ข้าว"],
    "Lao vowels": ["ກຸນ", "ກູນ", "ກນ"],
    "Lao tones": ["ເຂົ້າ", "ເຂົາ"],
    "Devanagari vowels": ["कल", "कुल", "कूल", "काल"],
    "the Devanagari virama": ["कला", "क्ला"],
    "the Devanagari nukta": ["जरा", "ज\u093cरा"],
    "the Devanagari anusvara": ["हस", "हंस", "हँस"],
    "Bengali signs": ["বর", "ব\u09cdর", "ব\u09bcর"],
    "Tamil signs": ["கல", "கல்", "கால"],
    "Khmer signs": ["កក", "ក្ក"],
    "Myanmar signs": ["ကန", "ကန်", "ကန့်"],
    "Tibetan signs": ["ཀ", "ཀི", "ཀུ"],
    "Cyrillic й": ["мой", "мои"],
    "Cyrillic ё": ["все", "всё"],
    "Ukrainian ї": ["їх", "іх"],
    "Belarusian ў": ["быў", "быу"],
    "Macedonian ѓ": ["ѓон", "гон", "ѕон"],
    "Macedonian ќ": ["ќе", "ке"],
    "Macedonian ѝ": ["ѝ", "и"],
    "Montenegrin с́ and з́": ["с\u0301утра", "сутра", "з\u0301утра"],
    "Tajik ӣ": ["ӣ", "и", "й"],
    "the Arabic hamza": ["أن", "إن", "آن", "ان"],
    "Arabic dots": ["بنت", "تنت", "نبت"],
    "Urdu hamza": ["\u06c2", "\u06c1"],
    "Hebrew letters": ["כ", "ך"],
    "Thaana vowels": ["މަ", "މި", "މ"],
    "Hangul": ["가", "각", "까", "개"],
    "N'Ko tones": ["ߊ", "ߊ߫"],
    "kana and their long mark": ["ビル", "ビール"],
    "Latin letters that have a name of their own": ["ŋ", "n", "ə", "e", "ɛ", "ɔ", "o"],
    "digits with a mark": ["1\u20e3", "1"],
    "Coptic marks": ["ⲁ\u0300", "ⲁ"],
    "apostrophes and none": ["O'Connor", "OConnor"],
    "hyphens and spaces": ["Jean-Luc", "Jean Luc", "JeanLuc"],
}
"""Different names, by what makes them different."""


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

    @pytest.mark.parametrize("spellings", ONE_NAME.values(), ids=ONE_NAME)
    def test_spellings_of_one_name_have_one_key(self, spellings: list[str]) -> None:
        assert {name_key(str(clean_text(spelling))) for spelling in spellings} == {
            name_key(spellings[0])
        }

    @pytest.mark.parametrize("names", TWO_NAMES.values(), ids=TWO_NAMES)
    def test_different_names_have_different_keys(self, names: list[str]) -> None:
        for form in ("NFC", "NFD"):
            keys = {name_key(str(clean_text(normalize(form, name)))) for name in names}
            assert len(keys) == len(names)
            assert keys == set(map(name_key, names))

    def test_the_key_of_a_name_in_latin_letters_is_what_an_english_keyboard_types(self) -> None:
        for typed, key in (
            ("Łukasz Wiśniewski", "lukasz wisniewski"),
            ("Søren Ægir Þórunn", "soren aegir thorunn"),
            ("Đặng Nguyễn", "dang nguyen"),
            ("IŞIL Yıldız İpek", "isil yildiz ipek"),
            ("O’Connor Jean‑Luc “Max”", 'o\'connor jean-luc "max"'),
        ):
            assert name_key(typed) == key

    def test_a_letter_and_its_mark_are_one_character_of_the_key(self) -> None:
        assert [name_key(normalize("NFD", name)) for name in ("й", "パ", "أ")] == ["й", "パ", "أ"]

    def test_a_syllable_of_hangul_begins_with_its_first_letters(self) -> None:
        assert name_key("한국").startswith(name_key("하"))

    def test_every_character_has_one_key_in_each_case_and_normal_form(self) -> None:
        # Without ideographs and Hangul syllables, so that it takes less time.
        for point in (*range(0x3400), *range(0xA000, 0xAC00), *range(0xF900, 0x11000)):
            character = chr(point)
            if category(character) in {"Cc", "Cn", "Co", "Cs"}:
                continue
            key = name_key(character)
            assert name_key(key) == key, hex(point)
            for other in (
                *(character.upper(), character.lower(), character.casefold()),
                *(normalize("NFC", character), normalize("NFD", character)),
            ):
                assert name_key(other) == key, hex(point)

    def test_no_key_has_format_characters(self) -> None:
        for point in range(0x110000):
            if category(chr(point)) == "Cf":
                assert name_key(chr(point)) == "", hex(point)

    def test_all_latin_and_greek_letters_lose_their_marks_and_no_others(self) -> None:
        for point in range(0x10000):
            letter = normalize("NFKD", chr(point).casefold())
            if len(letter) == 1 and category(letter)[0] == "L" and name_key(letter):
                loses = name_key(letter + "\u0304") == name_key(letter)
                script = name(letter, "").split(" ")[0]
                assert loses == (script in {"LATIN", "GREEK"}), hex(point)

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
