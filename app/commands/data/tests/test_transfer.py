import asyncio
import csv
import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from app.athletes.files.options import ImportOptions
from app.athletes.files.report import ImportReport
from app.commands import progress as progress_module
from app.commands.data.options import import_options
from app.commands.data.sample import add_sample_data
from app.commands.data.transfer import export_file, import_file, print_report
from app.commands.database import database_url
from app.commands.progress import progress
from app.commands.token import Remote
from app.conftest import execute

Captured = pytest.CaptureFixture[str]

GOOD = "reference,name,category,centres,height\r\nM-1,Mara,Rx,North;South,5'6\"\r\n"
BAD = 'reference,name,category,centres,height,Town\nM-1,Mara,Rx,,510 in,A\n"M-2,Ana\nM-3,Eva\n'
REJECTED = (
    "\ufeffline,reason,reference,name,category,centres,height,Town\r\n"
    '2,"height is 1295.4 cm, and should be at most 300 cm",M-1,Mara,Rx,,510 in,A\r\n'
    '3,the row is not valid CSV: is a quotation mark out of place?,"""M-2,Ana"\r\n'
    "4,category is empty,M-3,Eva\r\n"
)
HOURS = """
    SELECT string_agg(DISTINCT to_char(starts_at AT TIME ZONE time_zone, 'HH24:MI'), ' ')
    FROM trainings JOIN centres ON centres.id = centre_id
"""
PAST_STATUSES = """
    SELECT string_agg(DISTINCT status, ' ') FROM bookings WHERE ends_at < statement_timestamp()
"""
DROP_INS = """
    SELECT count(*) FROM bookings JOIN trainings ON trainings.id = training_id
    WHERE (athlete_id, centre_id) NOT IN (SELECT athlete_id, centre_id FROM enrolments)
"""
A_WEEK_LATER_IN_MADRID = """
    UPDATE trainings
    SET starts_at = starts_at - interval '7 days', ends_at = ends_at - interval '7 days'
    WHERE centre_id = (SELECT id FROM centres WHERE time_zone = 'Europe/Madrid')
"""


@pytest.fixture(autouse=True)
def _local(own_database: str) -> Iterator[None]:
    with database_url(own_database):
        yield


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "members.csv"
    path.write_text(GOOD, newline="")
    return path


def said(captured: Captured) -> list[str]:
    """Return the lines on standard output, without the duration."""
    lines = captured.readouterr().out.splitlines()
    return [line.partition(" read in ")[0] for line in lines]


async def ask(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    answer: object = await connection.fetchval(query)
    await connection.close()
    return answer


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_import_prints_the_counts_of_rows(file: Path, capsys: Captured) -> None:
    import_file(file, None, None)

    assert said(capsys) == [
        f"{file}: 1",
        "  1 created, 0 updated, 0 unchanged",
        "  new categories: 1, new centres: 2",
        "  0 rejected",
    ]
    assert files(file.parent) == ["members.csv"]


def test_rejected_rows_are_written_completely_to_a_separate_file(
    file: Path, capsys: Captured
) -> None:
    file.write_text(BAD)

    import_file(file, None, None)

    rejected = file.with_name("members.csv.rejected.csv")
    assert rejected.read_bytes().decode() == REJECTED
    assert said(capsys) == [
        f"{file}: 3",
        "  0 created, 0 updated, 0 unchanged",
        "  ignored columns: Town",
        f"  3 rejected and put into {rejected}",
    ]
    assert files(file.parent) == ["members.csv", "members.csv.rejected.csv"]


def test_a_corrected_file_of_rejected_rows_can_be_imported(
    file: Path, tmp_path: Path, capsys: Captured
) -> None:
    file.write_text(BAD)
    rejected = tmp_path / "rejected.csv"
    import_file(file, rejected, None)
    head, bad, *_ = rejected.read_text("utf-8-sig").splitlines()
    rows = [head, bad.replace("510 in", "5'10"), bad.replace("M-1", "M-9")]
    rejected.write_text("\n".join(rows), "utf-8-sig")
    said(capsys)

    import_file(rejected, None, None)

    assert said(capsys)[:2] == [f"{rejected}: 2", "  1 created, 0 updated, 0 unchanged"]
    again = tmp_path / "rejected.csv.rejected.csv"
    assert again.read_text("utf-8-sig").splitlines() == [
        "line,reason,reference,name,category,centres,height,Town",
        '3,"height is 1295.4 cm, and should be at most 300 cm",M-9,Mara,Rx,,510 in,A',
    ]


def test_an_earlier_file_of_rejected_rows_is_kept_if_it_differs(
    file: Path, capsys: Captured
) -> None:
    file.write_text(BAD)
    import_file(file, None, None)
    import_file(file, None, None)
    assert files(file.parent) == ["members.csv", "members.csv.rejected.csv"]
    rejected = file.with_name("members.csv.rejected.csv")
    rejected.write_text("corrected by hand")
    said(capsys)

    import_file(file, None, None)

    kept = file.with_name("members.csv.rejected.1.csv")
    assert said(capsys)[0] == f"The earlier {rejected} is kept as {kept}."
    assert kept.read_text() == "corrected by hand"
    assert rejected.read_bytes().decode() == REJECTED
    file.write_text(GOOD)
    import_file(file, None, None)
    assert files(file.parent) == [
        "members.csv",
        "members.csv.rejected.1.csv",
        "members.csv.rejected.2.csv",
    ]


def test_an_import_reports_rows_without_a_key(file: Path, capsys: Captured) -> None:
    file.write_text("name,category\nMara,Rx\nAna,Rx\n")
    import_file(file, None, None)
    assert "  2 without id and reference: another import would create them again" in said(capsys)


def test_importing_an_export_changes_nothing(file: Path, tmp_path: Path, capsys: Captured) -> None:
    import_file(file, None, None)
    exported = tmp_path / "exported.csv"
    exported.write_text("earlier")
    export_file(exported, None)
    said(capsys)

    import_file(exported, None, None)

    header, row = exported.read_text().splitlines()
    assert header == (
        "id,reference,name,email,national_id,birth_date,sex,category,centres,height,weight"
    )
    assert row[36:] == ",M-1,Mara,,,,,Rx,North;South,167.6 cm,"
    assert said(capsys) == [
        f"{exported}: 1",
        "  0 created, 0 updated, 1 unchanged",
        "  0 rejected",
    ]


def test_sample_data_can_be_added_again_without_duplicates(
    own_database: str, tmp_path: Path, capsys: Captured
) -> None:
    add_sample_data(None)
    assert asyncio.run(ask(own_database, HOURS)) == "06:30 10:00 17:30 18:00"
    assert asyncio.run(ask(own_database, DROP_INS)) == 1
    assert asyncio.run(ask(own_database, PAST_STATUSES)) == "checked_in reserved"
    assert asyncio.run(ask(own_database, "SELECT count(*) FROM programmed_workouts")) == 7
    asyncio.run(execute(own_database, A_WEEK_LATER_IN_MADRID))
    taken = tmp_path / "taken.csv"
    taken.write_text("reference,national_id,name,category\nSAMPLE-001,,A,Rx\nSAMPLE-002,,B,Rx\n")
    import_file(taken, None, None)
    add_sample_data(None)

    there = "5 levels, 4 centres and 200 athletes"
    week = "56 trainings in the week from tomorrow"
    full = "273 seats are taken, and 10 athletes wait in the waitlist."
    printed = capsys.readouterr().out.splitlines()
    workouts = "25 benchmark workouts, and a week's programme at Anvil CrossFit."
    throwdown = "Anvil Throwdown, a competition with 3 events."
    past = r"(\d+) trainings in the 6 days before today: {} new; \d+ seats were taken\."
    assert re.fullmatch(past.format(r"\1"), printed.pop(3))
    assert re.fullmatch(past.format("0"), printed.pop(-2))
    assert printed[:4] == [
        f"{there}: 200 athletes are new, 0 were reset to their sample values.",
        workouts,
        throwdown,
        f"{week}: 56 new, 1 cancelled; {full}",
    ]
    assert printed[-4:] == [
        f"{there}: 0 athletes are new, 2 were reset to their sample values.",
        workouts,
        throwdown,
        f"{week}: 14 new, 1 cancelled; {full}",
    ]
    export_file(tmp_path / "sample.csv", None)
    assert len((tmp_path / "sample.csv").read_text().splitlines()) == 201


def test_rows_rejected_from_a_file_of_rejected_rows_keep_all_cells(
    file: Path, capsys: Captured
) -> None:
    # A spreadsheet leaves out empty cells at the end, and a pasted row has no line and reason.
    file.write_text('line,reason,reference,name\n2,why,R-1\nR-2,Ana\n5,why,"R-3,Eva\n')
    import_file(file, None, None)
    rejected = file.with_name("members.csv.rejected.csv").read_text("utf-8-sig").splitlines()
    assert rejected[1:] == [
        "2,name is empty,R-1",
        "3,name is empty,R-2,Ana",
        '4,the row is not valid CSV: is a quotation mark out of place?,"5,why,""R-3,Eva"',
    ]


def test_a_row_with_an_extra_cell_is_unchanged_after_two_rejections(
    file: Path, tmp_path: Path
) -> None:
    file.write_text("reference,name,category\nQ-1,Ann,Open,extra\n")
    import_file(file, tmp_path / "first.csv", None)
    import_file(tmp_path / "first.csv", tmp_path / "second.csv", None)
    _, row = csv.reader((tmp_path / "second.csv").read_text("utf-8-sig").splitlines())
    assert row[0] == "2"
    assert row[2:] == ["Q-1", "Ann", "Open", "extra"]


GERMAN_BAD = (
    "Nr;Name;Geburtstag;Größe\r\n"
    "1;Zoë;17.05.1994;178,5\r\n"
    '2;"Groß; Jörg";05/06/1994;178,5\r\n'
    "3;Ana;17.05.1994;1.780,5\r\n"
)
GERMAN_OPTIONS: dict[str, list[str]] = {
    "mapped": ["reference=Nr", "birth_date=Geburtstag", "height=größe"],
    "given": ["category=Offen"],
}
GERMAN_REJECTED = [
    "line;reason;Nr;Name;Geburtstag;Größe",
    "3;birth_date should say whether the day or the month is first: import it with --dates dmy or"
    ' --dates mdy (over HTTP ?dates=dmy or ?dates=mdy);2;"Groß; Jörg";05/06/1994;178,5',
    '4;"height should be like 170 cm, 1.7 m, 67 in or 5\'7""";3;Ana;17.05.1994;1.780,5',
]


@pytest.mark.parametrize(
    ("before", "encoding", "named"),
    [
        ("", "utf-8", None),
        ("\ufeff", "utf-16-le", None),
        ("", "utf-16-le", "utf-16"),
        ("sep=;\r\n", "cp1252", "Windows-1252"),
    ],
)
def test_rejected_rows_are_written_like_the_file_and_imported_with_the_same_options(
    tmp_path: Path, capsys: Captured, before: str, encoding: str, named: str | None
) -> None:
    file = tmp_path / "mitglieder.csv"
    file.write_bytes(f"{before}{GERMAN_BAD}".encode(encoding))
    options = import_options(encoding=named, dates=None, dry_run=False, **GERMAN_OPTIONS)

    import_file(file, None, None, options)

    rejected = tmp_path / "mitglieder.csv.rejected.csv"
    text = rejected.read_bytes().decode(encoding)
    mark = "\ufeff" if encoding.startswith("utf-") else ""
    separator_line = ["sep=;"] if "sep=" in before else []
    # The line of a row is that in the file.
    more = len(separator_line)
    lines = [GERMAN_REJECTED[0], *(f"{int(x[0]) + more}{x[1:]}" for x in GERMAN_REJECTED[1:])]
    assert text == mark + "\r\n".join([*separator_line, *lines, ""])
    assert "  1 created, 0 updated, 0 unchanged" in said(capsys)

    rejected.write_bytes(
        text.replace("05/06/", "05.06.").replace("1.780,5", "178,05").encode(encoding)
    )
    import_file(rejected, None, None, options)

    assert said(capsys)[1:] == [
        "  2 created, 0 updated, 0 unchanged",
        "  ignored columns: line, reason",
        "  0 rejected",
    ]


def test_a_dry_run_prints_the_report_and_stores_nothing(
    file: Path, own_database: str, capsys: Captured
) -> None:
    file.write_text(BAD + "M-9,Ola,Rx,North,,\n")

    import_file(file, None, None, ImportOptions(dry_run=True))

    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith(f"{file}: 4 read in ")
    assert printed[0].endswith(" s, nothing stored")
    assert printed[1:] == [
        "  1 created, 0 updated, 0 unchanged",
        "  new categories: 1, new centres: 1",
        "  ignored columns: Town",
        f"  3 rejected and put into {file}.rejected.csv",
    ]
    assert asyncio.run(ask(own_database, "SELECT count(*) FROM categories")) == 0
    import_file(file, None, None)
    assert said(capsys)[1:] == printed[1:]


def test_a_report_says_how_many_rejected_rows_a_service_has_named(capsys: Captured) -> None:
    print_report(ImportReport(read=1500, rejected=1500), Path("rejected.csv"), 1000)
    assert said(capsys)[-1] == "  1500 rejected, and the first 1000 put into rejected.csv"


def test_an_import_suggests_how_to_name_columns(file: Path, capsys: Captured) -> None:
    file.write_text("Member,E-Mail,Name of member\n1,a@example.com,Mara\n")
    with pytest.raises(SystemExit) as ended:
        import_file(file, None, None)
    assert str(ended.value.code).endswith(
        "or some of them. Some look like email. Columns that are called otherwise can be mapped:"
        ' --map "name=First Name" (over HTTP ?map=).'
    )

    import_file(file, None, None, ImportOptions.model_validate({"map": ["reference=member"]}))

    assert said(capsys)[1:] == [
        "  0 created, 0 updated, 0 unchanged",
        "  ignored columns: E-Mail, Name of member",
        "  a column looks like email: --map email=E-Mail",
        "  new athletes need name and category, and the file has no such column: name it, for"
        ' example --map "name=First Name + Last Name", or give all rows one value, for example'
        " --set category=Open",
        f"  1 rejected and put into {file}.rejected.csv",
    ]


@pytest.mark.parametrize(
    ("title", "printed"),
    [
        ("E Mail", "'email=E Mail'"),
        ("E-Mail$(id)", "'email=E-Mail$(id)'"),
        ("E-Mail';`id`", "'email=E-Mail'\"'\"';`id`'"),
    ],
)
def test_a_suggested_option_is_harmless_in_a_shell(
    capsys: Captured, title: str, printed: str
) -> None:
    print_report(ImportReport(suggested_map=[f"email={title}"]), Path("rejected.csv"), 0)
    assert f"  a column looks like email: --map {printed}" in said(capsys)
    assert shlex.split(printed) == [f"email={title}"]


def test_an_export_to_a_symbolic_link_keeps_the_link(tmp_path: Path) -> None:
    (tmp_path / "latest.csv").symlink_to(tmp_path / "target.csv")
    export_file(tmp_path / "latest.csv", None)
    assert files(tmp_path) == ["latest.csv", "target.csv"]
    assert (tmp_path / "latest.csv").is_symlink()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_only_their_owner_may_read_rejected_rows(file: Path) -> None:
    file.write_text(BAD)
    rejected = file.with_name("members.csv.rejected.csv")
    modes = []
    for _ in range(2):
        import_file(file, None, None)
        modes.append(mode(rejected))
        rejected.chmod(0o644)  # as an earlier version wrote it
    import_file(file, None, None)

    assert [*modes, mode(rejected)] == [0o600] * 3


def test_only_its_owner_may_read_a_new_export_and_an_old_one_keeps_its_mode(
    tmp_path: Path,
) -> None:
    export_file(path := tmp_path / "all.csv", None)
    new = mode(path)
    path.chmod(0o640)

    export_file(path, None)

    assert (new, mode(path)) == (0o600, 0o640)


def test_other_files_in_the_folder_are_not_changed(file: Path, tmp_path: Path) -> None:
    for name in ("out.csv.part", "members.csv.rejected.csv.part"):
        (tmp_path / name).write_text("precious")
    import_file(file, None, None)
    export_file(tmp_path / "out.csv", None)
    assert (tmp_path / "out.csv.part").read_text() == "precious"
    assert (tmp_path / "members.csv.rejected.csv.part").read_text() == "precious"


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with pytest.raises(SystemExit, match="cannot be read twice; give a regular file, not a pipe"):
        import_file(Path(f"/dev/fd/{reading}"), tmp_path / "rejected.csv", None)
    os.close(reading)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("none.csv", None, "No such file or directory"),
        (".", None, "Is a directory"),
        ("empty.csv", "", "The file is empty."),
        ("words.csv", "hello\n", "The first row must name the columns: id, reference, name,"),
    ],
)
def test_the_error_for_an_unusable_file_names_the_file_and_the_reason(
    tmp_path: Path, name: str, text: str | None, why: str
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit) as ended:
        import_file(path, None, None)
    assert str(ended.value.code).startswith(f"error: {path}: {why}")
    assert files(tmp_path) == ([] if text is None else [name])


def test_rejected_rows_cannot_be_written_to_the_imported_file(file: Path) -> None:
    with pytest.raises(SystemExit, match="error: the file for rejected rows is the file"):
        import_file(file, file, None)
    assert file.read_bytes().decode() == GOOD


def test_an_unwritable_path_is_an_error_before_anything_is_stored(
    file: Path, tmp_path: Path, capsys: Captured
) -> None:
    for place, why in (
        (
            tmp_path / "none" / "rejected.csv",
            "error: cannot write .*/none/rejected.csv: No such file or directory",
        ),
        (tmp_path, f"{tmp_path} is not a regular file"),
    ):
        with pytest.raises(SystemExit, match=why):
            import_file(file, place, None)
        with pytest.raises(SystemExit, match=why):
            export_file(place, None)
    import_file(file, None, None)
    assert "  1 created, 0 updated, 0 unchanged" in said(capsys)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:1", r"http://127.0.0.1:1/api/v1/ does not answer: All connection"),
        ("http://127.0.0.1:port", "http://127.0.0.1:port is not the URL of a service"),
        ("http://127.0.0.1:99999", "http://127.0.0.1:99999 is not the URL of a service"),
        ("http://[::1", "is not the URL of a service"),
        ("127.0.0.1:8000", "127.0.0.1:8000 is not the URL of a service"),
        ("", " is not the URL of a service"),
    ],
)
def test_an_unreachable_service_is_an_error_and_changes_no_file(
    file: Path, tmp_path: Path, url: str, why: str
) -> None:
    exported = tmp_path / "exported.csv"
    exported.write_text("earlier")
    where = Remote(url, "a token")
    commands: list[Callable[[], None]] = [
        lambda: import_file(file, None, where),
        lambda: export_file(exported, where),
        lambda: add_sample_data(where),
    ]
    for command in commands:
        with pytest.raises(SystemExit, match=f"error: .*{why}"):
            command()
    assert files(tmp_path) == ["exported.csv", "members.csv"]
    assert exported.read_text() == "earlier"


def test_progress_without_a_terminal_is_a_line_at_intervals(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    with progress("import") as show:
        show(0.1, "100 rows")  # too early
        monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_LINES", 0)
        show(0.25, "250 rows")
        show(None, "1.0 MB")
    assert capsys.readouterr().err == "import: 25%, 250 rows\nimport: 1.0 MB\n"


def test_progress_is_a_bar_on_a_terminal(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with progress("import") as show:
        show(None, "0 rows")
        show(0.5, "500 rows")
    drawn = capsys.readouterr().err
    assert "import" in drawn
    assert "━" in drawn
    assert "500 rows" in drawn
