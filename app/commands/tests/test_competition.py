import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.commands import competition as command
from app.commands.database import database_url
from app.commands.project import ROOT
from app.leaderboards.tests.official import DATA

Captured = pytest.CaptureFixture[str]
published = pytest.mark.skipif(not DATA.exists(), reason="there is no shared data")

RULES: dict[str, Any] = {
    "competition": "Throwdown",
    "starts_on": "2026-06-05",
    "points": "place",
    "overall_tie": "shared",
    "events": [
        {"event": 1, "score_type": "time", "tie_break": "time asc"},
        {"event": 2, "score_type": "load"},
    ],
    "excluded": {"3": "disqualified"},
}
ATHLETES = """\
reference,name,sex,category,centres,official_rank,official_points
1,Mara,F,Rx,North,1,2
2,Ana,F,Rx,North;South,2,4
3,Eva,F,Rx,,,6
"""
SCORES = """\
reference,event,score,tie_break,scaling,official_rank
1,1,6:21,4:10,rx,1
1,2,100 kg,,,1
2,1,CAP+12,,rx,2
2,2,90 kg,,rx,2
3,1,CAP+0,,scaled,3
3,2,,,,3
"""
WRONG = "9,1,6:00,,,1\n"


@pytest.fixture(autouse=True)
def _local(own_database: str) -> Iterator[None]:
    with database_url(own_database):
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.json").write_text(json.dumps(RULES))
    (tmp_path / "athletes.csv").write_text(ATHLETES)
    (tmp_path / "scores.csv").write_text(SCORES)
    return tmp_path


def run(folder: Path, rules: Path | None = None, **options: Any) -> int:
    given = {"name": None, "centre": None, "verifies": True, **options}
    return command.import_competition(folder, rules, **given)


def said(captured: Captured) -> list[str]:
    """Return the lines on standard output, without the time and the id."""
    text = re.sub(r" in [\d.]+ s\n|(?<=competition )[0-9a-f-]{36}", "\n", captured.readouterr().out)
    return text.splitlines()


def test_a_folder_is_imported_and_compared(folder: Path, capsys: Captured) -> None:
    assert run(folder) == 0

    assert said(capsys) == [
        f"{folder}: 5 results of 3 athletes",
        "  competition ",
        ": Throwdown",
        "  new athletes: 3, new categories: 1, new centres: 2",
        "  CAP+n without the reps of the workout: the largest n is taken as the total, which orders"
        " them alike (event 1: 12)",
        "  as published: places 5 of 5, places without a result 1 of 1, totals 3 of 3,"
        " ranks 3 of 3",
    ]


def test_a_difference_is_listed_and_fails(folder: Path, capsys: Captured) -> None:
    (folder / "scores.csv").write_text(SCORES.replace("1,2,100 kg,,,1", "1,2,80 kg,,,1"))

    assert run(folder) == 1

    assert said(capsys)[-6:] == [
        "  as published: places 3 of 5, places without a result 1 of 1, totals 1 of 3,"
        " ranks 2 of 3",
        "  places: reference 1, event 2: 2, published 1",
        "  places: reference 2, event 2: 1, published 2",
        "  totals: reference 1: 3, published 2",
        "  totals: reference 2: 3, published 4",
        "  ranks: reference 2: 1, published 2",
    ]


def test_all_wrong_rows_are_listed_and_nothing_is_stored(folder: Path, capsys: Captured) -> None:
    (folder / "athletes.csv").write_text(
        ATHLETES + "2,Ida,F,Rx,,,\n4,,F,Rx,,,\n5,Ida,F,Rx,,x,\n6,Ida,Q,Rx,,,\n7,Ida,F,Rx,,,,,1\n"
    )
    (folder / "scores.csv").write_text(
        SCORES
        + "9,1,6:00,,rx,\n1,1,6:00,,rx,\n1,3,6:00,,rx,\n,1,6:00,,rx,\n2,x,6:00,,rx,\n"
        + '2,1,"6:00\n'
    )

    assert run(folder) == 1

    assert said(capsys) == [
        f"{folder}/athletes.csv:5: reference is also on line 3",
        f"{folder}/athletes.csv:6: name is empty",
        f"{folder}/athletes.csv:7: official_rank should be a whole number",
        f"{folder}/athletes.csv:8: sex should be female, male or other; F, M and X are read too",
        f"{folder}/athletes.csv:9: the row has 9 cells, but the header has 7: is there an extra"
        " comma, or a quotation mark missing?",
        f"{folder}/scores.csv:13: the row is not valid CSV: is a quotation mark out of place?",
        f"{folder}/scores.csv:8: there is no athlete with this reference in athletes.csv",
        f"{folder}/scores.csv:9: this athlete's event 1 is also on line 2 of scores.csv",
        f"{folder}/scores.csv:10: the rules have no event 3",
        f"{folder}/scores.csv:11: reference is empty",
        f"{folder}/scores.csv:12: event should be the number of an event",
        f"{folder}: nothing was imported; rows to correct: 11",
    ]
    (folder / "athletes.csv").write_text(ATHLETES)
    (folder / "scores.csv").write_text(SCORES)
    assert run(folder) == 0


def test_a_result_after_a_withdrawal_is_refused(folder: Path, capsys: Captured) -> None:
    rules = RULES | {"out_before_event": {"2": 2}}
    (folder / "rules.json").write_text(json.dumps(rules))

    assert run(folder) == 1

    assert said(capsys) == [
        f"{folder}/scores.csv:5: this athlete has withdrawn before event 2",
        f"{folder}: nothing was imported; rows to correct: 1",
    ]


def test_a_second_import_of_the_same_name_is_refused(folder: Path, capsys: Captured) -> None:
    assert run(folder, verifies=False) == 0

    with pytest.raises(SystemExit) as stopped:
        run(folder)

    assert stopped.value.code == (
        "error: There is a competition Throwdown already, and nothing was imported. Give this one"
        " another name: --name."
    )
    capsys.readouterr()
    assert run(folder, name="Throwdown again") == 0
    assert said(capsys)[3] == "  new athletes: 0, new categories: 0, new centres: 0"


def test_the_host_must_exist(folder: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(folder, centre="Nowhere")

    assert stopped.value.code == "error: There is no centre Nowhere."


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"points": "table"}, "event 1 needs a points table if points are table"),
        ({"missing": {"points": 5}}, "missing.points: Input should be 0"),
        ({"excluded": {"9": "banned"}}, "excluded.9: Input should be 'disqualified'"),
    ],
    ids=["no points table", "other points", "other status"],
)
def test_rules_that_cannot_be_followed_are_refused(
    folder: Path, change: dict[str, Any], reason: str
) -> None:
    (folder / "rules.json").write_text(json.dumps(RULES | change))

    with pytest.raises(SystemExit) as stopped:
        run(folder)

    assert str(stopped.value.code).endswith(reason)


def test_all_folders_are_compared_in_a_temporary_database(tmp_path: Path, capsys: Captured) -> None:
    for name, scores in (("a", SCORES), ("b", SCORES), ("c", SCORES + WRONG)):
        copy = tmp_path / "data" / name
        copy.mkdir(parents=True)
        (copy / "rules.json").write_text(json.dumps(RULES | {"competition": name}))
        (copy / "athletes.csv").write_text(ATHLETES)
        (copy / "scores.csv").write_text(scores)

    assert command.verify_competitions(tmp_path / "data") == 1

    counts = "places 5 of 5, places without a result 1 of 1, totals 3 of 3, ranks 3 of 3"
    assert said(capsys) == [
        f"a: {counts}",
        f"b: {counts}",
        f"{tmp_path}/data/c/scores.csv:8: there is no athlete with this reference in athletes.csv",
        f"{tmp_path}/data/c: nothing was imported; rows to correct: 1",
        "all: places 10 of 10, places without a result 2 of 2, totals 6 of 6, ranks 6 of 6",
    ]


def test_a_folder_without_competitions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.verify_competitions(tmp_path)

    assert stopped.value.code == (
        f"error: {tmp_path} has no folder with athletes.csv and scores.csv"
    )


@published
def test_a_semifinal_is_ranked_as_published(capsys: Captured) -> None:
    assert run(DATA / "semifinals/2022-204") == 0

    assert said(capsys)[-1] == (
        "  as published: places 339 of 339, points 342 of 342, places without a result 3 of 3,"
        " totals 57 of 57, ranks 57 of 57"
    )


@published
@pytest.mark.slow
def test_a_division_of_a_quarterfinal_is_ranked_as_published(
    tmp_path: Path, capsys: Captured
) -> None:
    """Import the women of 2023: half of the time for the same statements."""
    source = DATA / "quarterfinals-2023"
    with (source / "athletes.csv").open(encoding="utf-8-sig", newline="") as file:
        women = {row["reference"] for row in csv.DictReader(file) if row["category"] == "Women"}
    for name in ("athletes.csv", "scores.csv", "zeros.csv"):
        header, *rows = (source / name).read_text(encoding="utf-8-sig").splitlines()
        kept = (row for row in rows if row.partition(",")[0] in women)
        (tmp_path / name).write_text("\n".join([header, *kept]))

    assert run(tmp_path, ROOT / "scripts/quarterfinals-2023.json") == 0

    assert said(capsys)[-1] == (
        "  as published: places 26480 of 26480, places of zeros.csv 9 of 9, totals 5710 of 5710,"
        " ranks 5710 of 5710"
    )
