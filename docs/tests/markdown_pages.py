"""The Markdown documents of the repository, parsed."""

import re
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.commands.project import ROOT


class MarkdownDocument:
    """A Markdown file: its code blocks, its links and the anchors of its headings."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.relative_to(ROOT).as_posix()
        self.text = path.read_text("utf-8")

    @cached_property
    def _tokens(self) -> list[Token]:
        return MarkdownIt("commonmark").enable("table").parse(self.text)

    @property
    def _inline(self) -> list[Token]:
        return [child for token in self._tokens for child in token.children or ()]

    def blocks(self, language: str) -> list[str]:
        """Return the contents of the code blocks in a language."""
        return [
            token.content
            for token in self._tokens
            if token.type == "fence" and token.info == language
        ]

    def links(self) -> list[str]:
        """Return the targets of links and images."""
        targets = (token.attrGet("href") or token.attrGet("src") for token in self._inline)
        return [str(target) for target in targets if target]

    def file_names(self) -> list[str]:
        """Return the files of the repository that the text names in code: ``app/main.py``."""
        path = re.compile(r"\.?[\w-]+(/[\w.-]+)+\.[a-z]+")
        return [
            token.content
            for token in self._inline
            if token.type == "code_inline" and path.fullmatch(token.content)
        ]

    def anchors(self) -> set[str]:
        """Return the anchors of the headings, as GitHub makes them."""
        headings = (
            following.content
            for token, following in zip(self._tokens, self._tokens[1:], strict=False)
            if token.type == "heading_open"
        )
        return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}


def documents() -> list[MarkdownDocument]:
    """Return every document of the repository, sorted by path."""
    patterns = "*.md", "docs/**/*.md", ".github/**/*.md"
    return [MarkdownDocument(path) for path in sorted(p for at in patterns for p in ROOT.glob(at))]
