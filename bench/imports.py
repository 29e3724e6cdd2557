"""How much faster a gym imports its members from a file than with single creates."""

import csv
import tempfile
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import median

import httpx

from app.commands.data.transfer import import_file
from app.commands.progress import progress
from app.commands.prove.service import running_service
from bench.database import Sample, filled_database
from bench.operations import ATHLETES, payload
from bench.results import Target

ATHLETES_OF_A_GYM = 1_000
ROUNDS = 3
COLUMNS = [
    "reference",
    "name",
    "email",
    "birth_date",
    "sex",
    "category",
    "centres",
    "height",
    "weight",
]


def imports() -> list[Target]:
    """Import a gym's members with the command, then create as many one by one, in each round.

    The measured time of the command does not include the start of Python.
    """
    ratios = []
    with (
        progress("import") as show,
        filled_database(ATHLETES_OF_A_GYM) as (_, sample),
        tempfile.TemporaryFile("a+") as log,
        tempfile.TemporaryDirectory() as folder,
        running_service(log) as service,
    ):
        for number in range(ROUNDS + 1):
            show(number / (ROUNDS + 1), f"round {number}")
            by_command = _import(Path(folder) / f"{number}.csv", number)
            one_by_one = _create(service.url, sample, number)
            # The first round is a warm-up and does not count.
            if number:
                ratios.append(one_by_one / by_command)
                print(f"{one_by_one:.2f} s with single creates, {by_command:.2f} s with import")
    what = f"{ATHLETES_OF_A_GYM:,} athletes: time of single creates / of import"
    return [Target(what, median(ratios), "least", 8, 12)]


def _import(file: Path, number: int) -> float:
    """Return the seconds that the command takes to import a gym's members."""
    with file.open("w", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(COLUMNS)
        for member in range(ATHLETES_OF_A_GYM):
            who = f"file-{number}-{member}"
            person = f"Maja Lind {member}", f"{who}@example.com", "1994-05-17", "female"
            rows.writerow([who, *person, "Level 1", "Box 0000;Box 0001", "168.5 cm", "64.25 kg"])
    begun = time.perf_counter()
    with redirect_stdout(StringIO()) as said:
        import_file(file, None, None)
    seconds = time.perf_counter() - begun
    assert f"{ATHLETES_OF_A_GYM} created" in said.getvalue(), said.getvalue()
    return seconds


def _create(url: str, sample: Sample, number: int) -> float:
    """Return the seconds that it takes to create as many members one after the other."""
    begun = time.perf_counter()
    with httpx.Client(base_url=url, headers=sample.headers, trust_env=False) as client:
        for member in range(ATHLETES_OF_A_GYM):
            parents = sample.category_ids[1], sample.centre_ids[:2]
            athlete = payload(f"one-{number}-{member}", f"Maja Lind {member}", *parents)
            client.post(ATHLETES, json=athlete).raise_for_status()
    return time.perf_counter() - begun
