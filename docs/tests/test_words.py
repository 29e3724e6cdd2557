"""The prose of documents, docstrings, comments and messages is plain.

These rules are the part of *Words* in CONTRIBUTING.md that a program can check.
"""

import re
import tokenize
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from app.commands.project import ROOT
from markdown_pages import MarkdownDocument, documents

OTHERS = [ROOT / ".env.example", ROOT / "pytest.ini", ROOT / "pyproject.toml", ROOT / ".ci" / "run"]
SOURCES = [
    path
    for folder in ("app", "bench", "docs", "migrations", "scripts")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path != Path(__file__)
] + [ROOT / "manage.py", *sorted((ROOT / "clients").glob("*.py"))]

RIDDLES = [
    "who leaves takes nobody along",
    "so many at once",
    "the versions of which a row has to be to be changed",
    "what it means to a client that a row would break a rule",
    "what nobody changes who has promised it to somebody",
    "who takes turns for them, who gets them, and who is kept from one by another",
    "only who has a seat",
    "who is `reserved` or `checked_in` has a seat",
    "id is none of an export",
    "change her only as you know her",
    "also for who asks for its health by an address",
]
"""Sentences that people had to read twice, and that were rewritten."""


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)
def test_no_line_of_a_document_is_longer_than_100_columns(document: MarkdownDocument) -> None:
    long = {
        number: len(line)
        for number, line in enumerate(document.text.splitlines(), 1)
        if len(line) > 100
    }

    assert long == {}


def test_who_begins_only_questions() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {sentence}"
        for path, text in _prose()
        for sentence in _sentences_with_who(text)
    ]

    assert found == []


def test_sentences_that_were_riddles_do_not_come_back() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {riddle}"
        for path, text in _prose()
        for riddle in RIDDLES
        if riddle in text.lower()
    ]

    assert found == []


def test_the_checks_find_what_they_look_for(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text(
        '"""A module.\n\nWho waits, waits. Who is it?"""\n# Who asks\n# gets it.\nX = 1\n'
    )

    assert list(_pieces_of_python(file)) == [
        "A module. Who waits, waits. Who is it?",
        "Who asks gets it.",
    ]
    assert list(_sentences_with_who("Waits. Who waits, waits. Who is it?")) == ["Who waits, waits."]


def _sentences_with_who(text: str) -> Iterator[str]:
    for sentence in re.findall(r"\bWho(?:ever|m|se)?\b.*?(?:[.!?](?=\s|$)|$)", text):
        if not sentence.endswith("?"):
            yield sentence


def _prose() -> Iterator[tuple[Path, str]]:
    """Return each piece of prose, with its white space collapsed, and its file."""
    for path in SOURCES:
        for piece in _pieces_of_python(path):
            yield path, piece
    for path in OTHERS + [document.path for document in documents()]:
        for paragraph in re.split(r"\n\s*\n", path.read_text("utf-8")):
            yield path, re.sub(r"\s*\n[#>\s]*", " ", paragraph)


def _pieces_of_python(path: Path) -> Iterator[str]:
    """Return the comments and strings of a file; adjacent ones are one piece."""

    def kind(token: tokenize.TokenInfo) -> str:
        if token.type in {tokenize.COMMENT, tokenize.STRING}:
            return tokenize.tok_name[token.type]
        # From Python 3.12 on, an f-string is several tokens.
        return "STRING" if "FSTRING" in tokenize.tok_name[token.type] else "code"

    with path.open("rb") as file:
        tokens = [one for one in tokenize.tokenize(file.readline) if one.type != tokenize.NL]
    for what, group in groupby(tokens, key=kind):
        if what != "code":
            text = " ".join(token.string.strip("#\"' \n") for token in group)
            yield " ".join(text.split())
