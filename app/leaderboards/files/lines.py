"""A row of a file of a competition: an athlete, their entry, and maybe a result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

from app.athletes.files.records import record_of
from app.competitions.models import MOST_EVENTS
from app.core.csv.reader import CSVRow
from app.core.resources.text import clean_text
from app.results.models import SCALINGS
from app.workouts.scores import ScoreError, Scoring, parse_score, parse_tie_break

ATHLETE_COLUMNS = "id", "reference", "name", "sex", "category", "centres"
ENTRY_COLUMNS = "status", "withdrawn_before"
RESULT_COLUMNS = "event", "score", "tie_break", "scaling"
COLUMNS = *ATHLETE_COLUMNS, *ENTRY_COLUMNS, *RESULT_COLUMNS
"""The columns of a file in the long format: one row for each athlete and event."""
STATUSES = "entered", "withdrawn", "disqualified"
DEFAULT_SCALING = "rx"


@dataclass(frozen=True, slots=True)
class Line:
    """A valid row; what is absent stays as it is. Without a score, it only enters the athlete."""

    row: CSVRow
    athlete: Mapping[str, Any]
    """What the row says about the athlete, as ``AthleteRecord``."""
    status: str | None = None
    withdrawn_before: int | None = None
    event: int | None = None
    """The ordinal of the event."""
    score: str | None = None
    tie_break: str | None = None
    scaling: str = DEFAULT_SCALING

    @property
    def has_result(self) -> bool:
        """Whether the row has a result."""
        return self.event is not None and self.score is not None


def line_of(row: CSVRow, cells: Mapping[str, str]) -> Line:
    """Validate the cells of a row that are not blank; raise ``ValueError`` with the reason."""
    about = {column: cells[column] for column in ATHLETE_COLUMNS if column in cells}
    if "id" not in about and "reference" not in about:
        raise ValueError("reference is empty")
    athlete = record_of(about).model_dump(exclude_unset=True)
    status, withdrawn_before = _entry(cells)
    event = ordinal_of(cells["event"]) if "event" in cells else None
    score, tie_break = (typed(cells, column) for column in ("score", "tie_break"))
    if score is not None and event is None:
        raise ValueError("event is empty, and the row has a score")
    if score is None and tie_break is not None:
        raise ValueError("score is empty, and the row has a tie_break")
    return Line(row, athlete, status, withdrawn_before, event, score, tie_break, scaling_of(cells))


def ordinal_of(cell: str) -> int:
    """Read the ordinal of an event; raise ``ValueError`` with the reason."""
    if not (cell.isascii() and cell.isdigit() and len(cell) <= 9):
        raise ValueError("event should be the number of an event")
    if not 1 <= int(cell) <= MOST_EVENTS:
        raise ValueError(f"event should be from 1 to {MOST_EVENTS}")
    return int(cell)


def scaling_of(cells: Mapping[str, str]) -> str:
    """Read the scaling, by default ``rx``; raise ``ValueError`` with the reason."""
    scaling = cells.get("scaling", DEFAULT_SCALING).lower()
    if scaling not in SCALINGS:
        raise ValueError(f"scaling should be one of {', '.join(SCALINGS)}")
    return scaling


def typed(cells: Mapping[str, str], column: str) -> str | None:
    """Return the text of a cell, as it is stored; raise ``ValueError`` with the reason."""
    try:
        text = clean_text(cells.get(column))
    except PydanticCustomError:
        raise ValueError(f"{column} has a character that cannot be shown") from None
    return str(text) if text else None


def _entry(cells: Mapping[str, str]) -> tuple[str | None, int | None]:
    status = cells.get("status", "").lower() or None
    if status is not None and status not in STATUSES:
        raise ValueError(f"status should be one of {', '.join(STATUSES)}")
    if (status == "withdrawn") != ("withdrawn_before" in cells):
        raise ValueError("withdrawn_before belongs to the status withdrawn")
    if status != "withdrawn":
        return status, None
    try:
        return status, ordinal_of(cells["withdrawn_before"])
    except ValueError as error:
        raise ValueError(str(error).replace("event", "withdrawn_before", 1)) from None


def score_columns(line: Line, scoring: Scoring) -> dict[str, Any]:
    """Return the columns of the result of a row; raise ``ValueError`` with the reason."""
    assert line.score is not None
    tie_break = None
    try:
        score = parse_score(line.score, scoring)
        if line.tie_break is not None:
            if score.outcome in {"dnf", "dns"}:
                raise ScoreError("no_tie_break", "A result that is DNF or DNS has no tie-break.")
            tie_break = parse_tie_break(line.tie_break, scoring)
    except ScoreError as error:
        raise ValueError(f"score: {error.detail}") from None
    return {
        **score._asdict(),
        "tie_break": tie_break,
        "entered": line.score,
        "tie_break_entered": line.tie_break,
        "scaling": line.scaling,
    }
