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

from app.commands.conftest import enterable_folder
from app.commands.project import ROOT
from app.commands.tests.launcher import Launcher, clean_environment
from markdown_pages import MarkdownDocument

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed"),
]
README, TOUR, IMPORT, COMPETITIONS = (
    MarkdownDocument(ROOT / name)
    for name in ("README.md", "docs/tour.md", "docs/import.md", "docs/competitions.md")
)
PAGES = README, TOUR, IMPORT, COMPETITIONS
Paste = Callable[[list[str]], str]


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Give a reader's environment: ``python3`` runs the project, and there are no data yet."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with enterable_folder() as data:
        yield {"DATA_DIR": str(data), "PATH": path}


@pytest.fixture(scope="module")
def service(environment: dict[str, str]) -> Iterator[str]:
    """Start the service as the README does, but on a free port, and return its host and port."""
    start = README.blocks("sh")[0]
    assert start == "python3 manage.py run\n"
    command = ["bash", "-c", f"cd {ROOT} && exec {start.strip()} --port=0"]
    launcher = Launcher(command, environment)
    try:
        address = launcher.url.removeprefix("http://")
        launcher.read_on()
        yield address
    finally:
        assert launcher.stop(signal.SIGINT) == 0, launcher.output


@pytest.fixture
def paste(environment: dict[str, str], service: str, tmp_path: Path) -> Paste:
    """Run blocks in a shell, and return what they print; a command that fails ends the test."""
    (tmp_path / "manage.py").symlink_to(ROOT / "manage.py")
    (tmp_path / ".local").symlink_to(environment["DATA_DIR"])

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


def test_the_commands_can_be_pasted_into_zsh_too() -> None:
    # By default, zsh takes a comment that is typed or pasted for a part of the command.
    blocks = "".join(block for page in PAGES for block in page.blocks("sh"))

    assert re.findall(r"(?m)^#.*|\s# .*", blocks) == []


def parsed(output: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Split what a page printed into JSON objects, which can span lines, and the other lines."""
    objects, lines = [], []
    while output:
        if output.startswith("{"):
            found, end = json.JSONDecoder().raw_decode(output)
            objects.append(found)
            output = output[end:].removeprefix("\n")
        else:
            line, _, output = output.partition("\n")
            lines += [line] if line else []
    return objects, lines


def test_the_readme_books_a_seat_once(paste: Paste) -> None:
    blocks = README.blocks("sh")[1:]
    (athlete, booking, retried), _ = parsed(paste(blocks))

    assert sum(len(block.splitlines()) for block in blocks) == 10
    assert athlete["name"] == "José Díaz"
    assert booking["athlete"] == {"id": athlete["id"], "name": "José Díaz"}
    assert booking["status"] == "reserved"
    assert retried == booking
    # Pasted once more, it does the same for another athlete.
    (another, *bookings), _ = parsed(paste(blocks))
    assert [one["athlete"]["id"] for one in bookings] == [another["id"]] * 2


def test_the_tour_gets_the_described_responses(paste: Paste) -> None:
    (verify,) = TOUR.blocks("python")
    blocks = [*TOUR.blocks("sh"), f"JWT=$JWT python3 - <<'END'\n{verify}END"]
    for _ in range(2):  # it can be repeated
        objects, lines = parsed(paste(blocks))

        assert [one["type"] for one in objects if "type" in one] == [
            "/problems/precondition-failed",
            "/problems/training-full",
            "/problems/already-taken",
            "/problems/still-in-use",
            "/problems/invalid",
            *("/problems/forbidden", "/problems/forbidden", "/problems/not-found"),
            "/problems/invalid-token",
        ]
        ana, tablet = (one for one in objects if "scopes" in one)
        assert [role["role"] for role in ana["roles"]] == ["coach"]
        assert tablet["token"]["kind"] == "device"
        assert [line.partition("/")[0].strip() for line in lines] == [
            *("Ida reserved", "José reserved", "Lina waitlisted"),
            *("Ida cancelled", "José reserved", "Lina reserved"),
            *("7 Evening WOD", "moved: True taken: 1", "first: ('Evening WOD', '18:30')"),
            *("changed: 6 kept: changed_alone", "José checked_in", "José reserved"),
            *("SUMMARY:Evening WOD", "STATUS:CONFIRMED"),
            *("Ada finished 6:21", "Ben finished 6:21", "Cleo capped CAP+12", "Dan dnf DNF"),
            *("Ada finished 102.5 kg", "Ben finished 455 lb", "Cleo finished 100 kg"),
            "This workout is scored by a load: write it with its unit, like 102.5 kg or 225 lb.",
            *("1 Ben 2 [1, 1] entered", "2 Ada 3 [1, 2] entered"),
            *("3 Cleo 6 [3, 3] entered", "4 Dan 8 [4, 4] entered"),
            *("1 Ada 3 [1, 2] entered", "1 Ben 3 [2, 1] entered"),
            *("3 Cleo 6 [3, 3] entered", "4 Dan 8 [4, 4] withdrawn"),
            "This competition is final: reopen it first, with a reason.",
            *("booked: Ida José Lina", "booked:"),
            *("204 athletes", "204 centres", "204 categories"),
            f"account {ana['account']['id']}",
        ]


def test_the_import_page_shows_the_actual_reports(paste: Paste, tmp_path: Path) -> None:
    output = paste(IMPORT.blocks("sh")).replace(f"{tmp_path}/", "")

    for report in IMPORT.blocks("")[:2]:
        assert without_seconds(report) in without_seconds(output)
    again, dry = (json.loads(line) for line in output.splitlines() if line.startswith("{"))
    assert (again["unchanged"], again["rejected"]) == (2, 1)
    assert (dry["unchanged"], dry["rejected"]) == (1, 1)
    assert dry["ignored_columns"] == ["Gender", "Membership"]
    rejected, exported = (
        list(csv.reader((tmp_path / name).read_text("utf-8-sig").splitlines()))
        for name in ("members.csv.rejected.csv", "athletes.csv")
    )
    shown = [[cell.strip() for cell in row.split("|")[1:-1]] for row in tables(IMPORT.text)]
    assert [row[:4] for row in rejected[1:]] == [row[:4] for row in shown if row[0] == "4"]
    assert {row[1] for row in exported} >= {"reference", "R-17", "R-18", "R-19"}
    people = {row[1]: [row[2], *row[5:8], row[10]] for row in exported}
    assert people["00042"] == ["Zoë Groß", "1994-05-17", "female", "Open", "61.50 kg"]
    assert people["00043"] == ["Jörg; Süß", "2001-01-03", "male", "Open", "81.50 kg"]
    assert people["1017"] == ["Mara Lind", "1994-05-17", "female", "Open", ""]
    rejected_client = (tmp_path / "clients.csv.rejected.csv").read_text("utf-8-sig")
    _, (_, reason, *_) = csv.reader(rejected_client.splitlines())
    assert f"The reason is: {reason}." in " ".join(IMPORT.text.split())


def test_the_competitions_page_shows_the_actual_report(paste: Paste, tmp_path: Path) -> None:
    output = paste(COMPETITIONS.blocks("sh")).replace(f"{tmp_path}/", "")

    first, _, *others = COMPETITIONS.blocks("")[0].splitlines()
    for line in (without_seconds(first), *others):
        assert line.removesuffix("…") in without_seconds(output)
    again, dry, late = (json.loads(line) for line in output.splitlines() if line.startswith("{"))
    assert (again["unchanged"], again["read"]) == (6, 6)
    assert (dry["created"], dry["updated"], dry["new_athletes"]) == (1, 1, 1)
    assert late == dry


def without_seconds(report: str) -> str:
    return re.sub(r"\d+\.\d s", "", report)


def tables(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]
