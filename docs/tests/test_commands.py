"""The shell blocks of the README, the tour and the import page do what the pages say.

The README's first block starts the service. The other blocks run against it, each page in a shell
and an empty folder of its own, as if a reader pasted them one after the other.
"""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.commands.project import ROOT
from app.commands.tests.launcher import Launcher, clean_environment
from docs.tests.markdown import MarkdownDocument

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed"),
]
README, TOUR, IMPORT = (
    MarkdownDocument(ROOT / name) for name in ("README.md", "docs/tour.md", "docs/import.md")
)
Paste = Callable[[list[str]], str]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a reader whose ``python3`` runs the project, and whose data are new."""
    return {
        "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


@pytest.fixture(scope="module")
def service(environment: dict[str, str]) -> Iterator[str]:
    """The address of the service that the README starts, on a free port."""
    start = README.blocks("sh")[0]
    assert start == "python3 manage.py run\n"
    command = ["bash", "-c", f"cd {ROOT} && exec {start.strip()} --port=0"]
    launcher = Launcher(command, environment)
    try:
        yield launcher.url.removeprefix("http://")
    finally:
        assert launcher.stop(signal.SIGINT) == 0, launcher.output


@pytest.fixture
def paste(environment: dict[str, str], service: str, tmp_path: Path) -> Paste:
    """Run blocks in a shell, and return what they print; a command that fails ends the test."""
    (tmp_path / "manage.py").symlink_to(ROOT / "manage.py")

    def run(blocks: list[str]) -> str:
        script = "\n".join(blocks).replace("127.0.0.1:8000", service)
        done = subprocess.run(  # noqa: S603
            ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607
            cwd=tmp_path,
            env=clean_environment() | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        return done.stdout

    return run


def objects(output: str) -> list[dict[str, Any]]:
    """Return the JSON objects among the lines that a page printed."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def test_the_readme_books_a_seat_once(paste: Paste) -> None:
    blocks = README.blocks("sh")[1:]
    athlete, booking, retried = objects(paste(blocks))

    assert sum(len(block.splitlines()) for block in blocks) == 10
    assert athlete["name"] == "José Díaz"
    assert booking["athlete"] == {"id": athlete["id"], "name": "José Díaz"}
    assert booking["status"] == "reserved"
    assert retried == booking
    # Pasted once more, it does the same for another athlete.
    assert [one.get("status") for one in objects(paste(blocks))] == [None, "reserved", "reserved"]


def test_the_tour_shows_what_it_says(paste: Paste) -> None:
    for _ in range(2):  # it can be repeated
        output = paste(TOUR.blocks("sh"))
        problems = [one["type"] for one in objects(output) if "type" in one]
        others = [line for line in output.splitlines() if line and not line.startswith("{")]

        assert problems == [
            "/problems/precondition-failed",
            "/problems/training-full",
            "/problems/already-taken",
            "/problems/still-in-use",
            "/problems/invalid",
        ]
        assert others[:7] == [
            *("Ida reserved", "José reserved", "Lina waitlisted"),
            *("Ida cancelled", "José reserved", "Lina reserved"),
            others[6],
        ]
        assert [re.sub("/.*", "", line) for line in others[6:]] == [
            "204 athletes",
            "204 centres",
            "204 centres",
            "204 categories",
            "204 categories",
        ]


def test_the_import_page_shows_its_reports(paste: Paste, tmp_path: Path) -> None:
    output = paste(IMPORT.blocks("sh"))

    report, *_ = IMPORT.blocks("")
    assert without_seconds(report) in without_seconds(output)
    _, *rows = csv.reader((tmp_path / "members.csv.rejected.csv").open(encoding="utf-8-sig"))
    shown = [[cell.strip() for cell in row.split("|")[1:-1]] for row in tables(IMPORT.text)]
    assert [row[:4] for row in rows] == [row[:4] for row in shown if row[0] == "4"]
    exported = csv.DictReader((tmp_path / "athletes.csv").open(encoding="utf-8"))
    assert {row["reference"] for row in exported} >= {"R-17", "R-18", "R-19"}


def without_seconds(report: str) -> str:
    return re.sub(r"\d+\.\d s", "", report)


def tables(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]
