"""Every link and every file name in the documents leads somewhere.

Links to other sites are not requested, because the tests run without a network.
"""

from urllib.parse import urlsplit

import pytest

from app.commands.project import ROOT
from markdown_pages import MarkdownDocument, documents


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)
def test_every_link_leads_to_a_file_and_a_heading(document: MarkdownDocument) -> None:
    assert [link for link in document.links() if not _exists(document, link)] == []


@pytest.mark.parametrize(
    "document",
    # Decision records are history, and may name files of their time.
    [one for one in documents() if "decisions/0" not in one.name],
    ids=lambda document: document.name,
)
def test_every_file_that_is_named_exists(document: MarkdownDocument) -> None:
    # Files that every feature has are named without the folder of one.
    folders = ROOT, document.path.parent, ROOT / "app" / "trainings"

    missing = [
        name
        for name in document.file_names()
        if not any((folder / name).exists() for folder in folders)
    ]

    assert missing == []


def test_a_broken_link_is_found() -> None:
    readme = MarkdownDocument(ROOT / "README.md")

    assert _exists(readme, "docs/api.md#retries")
    assert not _exists(readme, "docs/api.md#no-such-heading")
    assert not _exists(readme, "docs/no-such-file.md")


def _exists(document: MarkdownDocument, link: str) -> bool:
    url = urlsplit(link)
    if url.scheme:
        return url.scheme in {"http", "https"} and bool(url.netloc)
    file = (document.path.parent / url.path) if url.path else document.path
    if not url.fragment:
        return file.exists()
    return file.is_file() and url.fragment in MarkdownDocument(file.resolve()).anchors()
