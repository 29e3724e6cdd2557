"""Read a competition from a folder: athletes.csv, scores.csv and its rules.

Its files also say what was published: the place of each result, and the total and rank of each
athlete. A verification compares them.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from app.athletes.files.records import record_of
from app.core.csv.reader import CSVRow
from app.core.errors import DomainError
from app.leaderboards.files.columns import Table
from app.leaderboards.files.lines import Line, ordinal_of, scaling_of, score_columns, typed
from app.leaderboards.files.rules import EventRules, Rules
from app.workouts.models import MOST_REPS
from app.workouts.scores import Scoring

ATHLETES, SCORES = "athletes.csv", "scores.csv"
_ATHLETE_COLUMNS = "reference", "name", "sex", "category", "centres"
_SCORE_COLUMNS = "reference", "event", "score", "tie_break", "scaling"
_OFFICIAL_COLUMNS = "official_rank", "official_points"
_LEFT = re.compile(r"CAP ?\+ ?(\d{1,9})", re.ASCII | re.IGNORECASE)


class Problem(NamedTuple):
    """A row that cannot be imported, and why."""

    file: str
    line: int
    reason: str


class Place(NamedTuple):
    """A published place in an event, with its points where they were published."""

    kind: str
    """``places``, or ``places without a result``, or ``places of FILE`` for added scores."""
    place: int
    points: int | None


class Standing(NamedTuple):
    """A published total and rank; None where none was published."""

    points: int | None
    rank: int | None


@dataclass(slots=True)
class Folder:
    """A competition as its files describe it; with problems, it cannot be imported."""

    rules: Rules
    lines: dict[str, list[Line]] = field(default_factory=dict)
    """The valid rows by file: first the athletes, then their results."""
    problems: list[Problem] = field(default_factory=list)
    places: dict[tuple[str, int], Place] = field(default_factory=dict)
    """What was published, by reference and event."""
    standings: dict[str, Standing] = field(default_factory=dict)
    assumed_reps: dict[int, int] = field(default_factory=dict)
    """The reps of workouts that do not say them, by event: the most that ``CAP+n`` leaves."""

    def scoring_of(self, event: EventRules) -> Scoring:
        """Return how the results of an event are scored."""
        total = event.total_reps or self.assumed_reps.get(event.event)
        return Scoring(event.score_type, event.best, event.time_cap_ms, total, event.decides)


def read_folder(folder: Path, rules: Rules) -> Folder:
    """Read a folder, with all its problems; raise ``DomainError`` or ``OSError``."""
    found = Folder(rules)
    _read_athletes(folder, found)
    entered = {str(line.athlete["reference"]): line for line in found.lines[ATHLETES]}
    rows = list(_score_rows(folder, found))
    left: defaultdict[int, int] = defaultdict(int)
    for _, _, cells in rows:
        match = _LEFT.fullmatch(cells.get("score", ""))
        if match and cells.get("event", "").isdecimal():
            left[int(cells["event"])] = max(left[int(cells["event"])], int(match[1]), 1)
    found.assumed_reps = {
        event.event: min(left[event.event], MOST_REPS)
        for event in rules.events
        if event.total_reps is None and event.event in left
    }
    scorings = {event.event: found.scoring_of(event) for event in rules.events}
    lines: dict[tuple[str, int], str] = {}
    for file, row, cells in rows:
        try:
            _read_score(file, row, cells, entered, scorings, lines, found)
        except ValueError as error:
            found.problems.append(Problem(file, row.line, str(error)))
    return found


def _read_athletes(folder: Path, found: Folder) -> None:
    lines: dict[str, int] = {}
    found.lines[ATHLETES] = []
    unknown = {**found.rules.out_before_event, **found.rules.excluded}
    columns = _columns((*_ATHLETE_COLUMNS, *_OFFICIAL_COLUMNS), found.rules.athletes)
    for row, cells in _rows(folder / ATHLETES, columns, ("reference", "name", "category"), found):
        try:
            about = {name: cells[name] for name in _ATHLETE_COLUMNS if name in cells}
            for name in ("reference", "name", "category"):
                if name not in about:
                    raise ValueError(f"{columns[name]} is empty")
            athlete = record_of(about).model_dump(exclude_unset=True)
            reference = str(athlete["reference"])
            if reference in lines:
                raise ValueError(f"reference is also on line {lines[reference]}")
            standing = Standing(
                _whole(cells, columns, "official_points"), _whole(cells, columns, "official_rank")
            )
        except ValueError as error:
            found.problems.append(Problem(ATHLETES, row.line, str(error)))
            continue
        lines[reference] = row.line
        unknown.pop(reference, None)
        status, before = found.rules.status_of(reference)
        found.lines[ATHLETES].append(Line(row, athlete, status, before))
        found.standings[reference] = standing
    for reference in unknown:
        reason = f"the rules name the athlete {reference}, who is not in the file"
        found.problems.append(Problem(ATHLETES, 1, reason))


def _score_rows(folder: Path, found: Folder) -> Iterator[tuple[str, CSVRow, dict[str, str]]]:
    """Yield the rows of all files of scores, with the name of the file."""
    files = {SCORES: found.rules.scores}
    files |= {added.file: added.columns for added in found.rules.added_scores}
    for name, titles in files.items():
        found.lines[name] = []
        columns = _columns((*_SCORE_COLUMNS, *_OFFICIAL_COLUMNS), titles)
        for row, cells in _rows(folder / name, columns, ("reference", "event", "score"), found):
            yield name, row, cells


def _read_score(
    file: str,
    row: CSVRow,
    cells: Mapping[str, str],
    entered: Mapping[str, Line],
    scorings: Mapping[int, Scoring],
    lines: dict[tuple[str, int], str],
    found: Folder,
) -> None:
    """Take in a row of scores; raise ``ValueError`` with what is wrong."""
    for name in ("reference", "event"):
        if name not in cells:
            raise ValueError(f"{name} is empty")
    entry = entered.get(str(typed(cells, "reference")))
    if entry is None:
        raise ValueError(f"there is no athlete with this reference in {ATHLETES}")
    reference, event = str(entry.athlete["reference"]), ordinal_of(cells["event"])
    if event not in scorings:
        raise ValueError(f"the rules have no event {event}")
    if earlier := lines.get((reference, event)):
        raise ValueError(f"this athlete's event {event} is also on {earlier}")
    lines[reference, event] = f"line {row.line} of {file}"
    score, tie_break = typed(cells, "score"), typed(cells, "tie_break")
    if score is None and tie_break is not None:
        raise ValueError("score is empty, and the row has a tie_break")
    if score is not None:
        before = entry.withdrawn_before
        if before is not None and event >= before:
            raise ValueError(f"this athlete has withdrawn before event {before}")
        line = Line(row, entry.athlete, None, None, event, score, tie_break, scaling_of(cells))
        score_columns(line, scorings[event])
        found.lines[file].append(line)
    place = _whole(cells, {}, "official_rank")
    if place is not None:
        kind = "places" if file == SCORES else f"places of {file}"
        kind = kind if score is not None else "places without a result"
        points = _whole(cells, {}, "official_points")
        found.places[reference, event] = Place(kind, place, points)


def _columns(names: tuple[str, ...], titles: Mapping[str, str]) -> dict[str, str]:
    return {name: titles.get(name, name) for name in names}


def _rows(
    path: Path, columns: Mapping[str, str], needed: tuple[str, ...], found: Folder
) -> Iterator[tuple[CSVRow, dict[str, str]]]:
    with path.open("rb") as opened:
        try:
            table = Table(opened, columns, needed)
            for row in table.rows():
                if row.cells:
                    try:
                        yield row, table.cells_of(row)
                    except ValueError as error:
                        found.problems.append(Problem(path.name, row.line, str(error)))
        except DomainError as error:
            raise type(error)(f"{path.name}: {error.detail}") from None


def _whole(cells: Mapping[str, str], columns: Mapping[str, Any], name: str) -> int | None:
    cell = cells.get(name)
    if cell is None:
        return None
    if not (cell.isascii() and cell.isdigit() and len(cell) <= 9):
        raise ValueError(f"{columns.get(name, name)} should be a whole number")
    return int(cell)
