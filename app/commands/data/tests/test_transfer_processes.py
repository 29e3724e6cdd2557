"""Imports and exports as processes: over HTTP, interrupted, and with a long file."""

import asyncio
import csv
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from app.athletes.files.reading import ROWS_IN_BATCH
from app.commands.data.options import import_options
from app.commands.data.sample import add_sample_data
from app.commands.data.transfer import export_file, import_file
from app.commands.postgres.server import EmbeddedPostgres
from app.commands.tests.launcher import Launcher, launched, living, output_of
from app.commands.token import Remote
from app.identity.tests.callers import ADMIN

pytestmark = pytest.mark.slow

INTERRUPTED = 20_000
MANY = 200_000
MEGABYTE = 10**6


@pytest.fixture
def service(own_database: str) -> Iterator[Launcher]:
    with launched("run", "--port=0", DATABASE_URL=own_database) as launcher:
        yield launcher


def at(service: Launcher, path: str = "") -> Remote:
    """Return where commands find the service, with an administrator's token."""
    return Remote(service.url + path, ADMIN.token)


def write_rows(path: Path, count: int, prefix: str = "M") -> Path:
    with path.open("w") as file:
        file.write("reference,name,category\n")
        file.writelines(f"{prefix}-{number},Athlete {number},Rx\n" for number in range(count))
    return path


def test_files_are_imported_into_and_exported_from_a_running_service(
    service: Launcher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_rows(tmp_path / "members.csv", 2500)
    rows = file.read_text().splitlines()
    rows[1234] = "M-1,Twin,Scaled"
    rows[2345] = "M-2344,,Rx"
    file.write_text("\n".join(rows))

    import_file(file, None, at(service))
    import_file(file, None, at(service, "/api/v1"))
    service.read_on()
    add_sample_data(at(service))
    add_sample_data(at(service))
    export_file(tmp_path / "out.csv", at(service))

    said = capsys.readouterr().out
    assert "  2498 created, 0 updated, 0 unchanged\n  new categories: 1, new" in said
    assert "  0 created, 0 updated, 2498 unchanged\n  2 rejected and put into " in said
    assert [
        line.partition(" cancelled")[0] for line in said.splitlines() if "in the week" in line
    ] == [
        "56 trainings in the week from tomorrow: 56 new, 1",
        "56 trainings in the week from tomorrow: 0 new, 1",
    ]
    rejected = (tmp_path / "members.csv.rejected.csv").read_text("utf-8-sig").splitlines()
    assert rejected == [
        "line,reason,reference,name,category",
        "1235,reference is also on line 3,M-1,Twin,Scaled",
        "2346,name is empty,M-2344,,Rx",
    ]
    with (tmp_path / "out.csv").open(newline="") as exported:
        references = {row["reference"] for row in csv.DictReader(exported)}
    sample = {f"SAMPLE-{number:03}" for number in range(1, 201)}
    assert references == {f"M-{number}" for number in range(2500)} - {"M-1233", "M-2344"} | sample


GYM = (
    "Nr;Vor;Nach;Tag;Mail\n"
    "1;Zoë;Groß;6/5/1994;zoe@example.com\n"
    "2;Ida;Groß;7/5/2014;ZOE@example.com\n"
    "3;Jörg;Süß;31.12.1990;\n"
)
GYM_MAP = ["reference=Nr", "name=Vor + Nach", "birth_date=Tag", "email=Mail"]
GYM_SET = ["category=Open", "centres=Nord;Süd"]


def test_the_options_give_the_same_reports_with_and_without_a_service(
    service: Launcher, own_database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, rejected = tmp_path / "gym.csv", tmp_path / "gym.csv.rejected.csv"
    rows = "".join(f"X-{number};Max;Muster;1.1.1990;\n" for number in range(ROWS_IN_BATCH))
    file.write_bytes((GYM + rows + "4;Eva;Lind;1.1.1991;zoe@EXAMPLE.com\n").encode("cp1252"))
    read = ROWS_IN_BATCH + 4

    options = [f"--map={one}" for one in GYM_MAP] + [f"--set={one}" for one in GYM_SET]
    options += ["--dates=dmy", "--encoding", "cp1252", "--dry-run"]
    reports = [output_of("import", str(file), *options, DATABASE_URL=own_database)]
    files = [rejected.read_text("cp1252").splitlines()]
    for dry_run in (True, False):
        given = import_options(
            encoding="cp1252", mapped=GYM_MAP, given=GYM_SET, dates="dmy", dry_run=dry_run
        )
        import_file(file, None, at(service), given)
        reports.append(capsys.readouterr().out)
        files.append(rejected.read_text("cp1252").splitlines())
    export_file(tmp_path / "all.csv", at(service))

    assert [report.splitlines()[1:] for report in reports] == [
        [
            f"  {read - 2} created, 0 updated, 0 unchanged",
            "  new categories: 1, new centres: 2",
            f"  2 rejected and put into {rejected}",
        ]
    ] * 3
    why = "an email belongs to one athlete: leave it empty for the other"
    assert (
        files
        == [
            [
                "line;reason;Nr;Vor;Nach;Tag;Mail",
                f'3;"email is also on line 2; {why}";2;Ida;Groß;7/5/2014;ZOE@example.com',
                f'{read + 1};"email is also on line 2; {why}";4;Eva;Lind;1.1.1991;zoe@EXAMPLE.com',
            ]
        ]
        * 3
    )
    with (tmp_path / "all.csv").open(newline="") as exported:
        stored = {row["reference"]: row for row in csv.DictReader(exported)}
    assert len(stored) == read - 2
    assert {one: stored["1"][one] for one in ("name", "birth_date", "category", "centres")} == {
        "name": "Zoë Groß",
        "birth_date": "1994-05-06",
        "category": "Open",
        "centres": "Nord;Süd",
    }


def test_an_error_of_the_service_is_printed_with_its_status_and_detail(
    service: Launcher, tmp_path: Path
) -> None:
    file = write_rows(tmp_path / "members.csv", 10)
    for path in ("/api/v2", "/docs"):
        with pytest.raises(SystemExit) as ended:
            import_file(file, None, at(service, path))
        assert ended.value.code == (
            f"error: {service.url}{path}/athletes/import answered 404. There is nothing at this"
            " path."
        )


def test_a_response_of_another_service_is_an_error(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "members.csv", 10)
    exported = tmp_path / "exported.csv"
    exported.write_text("earlier")
    with ThreadingHTTPServer(("127.0.0.1", 0), AnotherService) as other:
        threading.Thread(target=other.serve_forever).start()
        where = Remote(f"http://127.0.0.1:{other.server_port}", ADMIN.token)
        commands: list[Callable[[], None]] = [
            lambda: import_file(file, None, where),
            lambda: export_file(exported, where),
            lambda: add_sample_data(where),
        ]
        for command in commands:
            with pytest.raises(SystemExit, match=r"answered 200\. This is not the CrossFit API\."):
                command()
        other.shutdown()
    assert exported.read_text() == "earlier"


class AnotherService(BaseHTTPRequestHandler):
    """Answers every request with an HTML page, as a proxy may do."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>hi</html>")

    do_POST = do_GET

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""


async def test_an_interrupted_import_leaves_whole_batches_and_no_file(
    own_database: str, other: asyncpg.Connection, tmp_path: Path
) -> None:
    file = write_rows(tmp_path / "members.csv", INTERRUPTED)
    stored = "SELECT count(*) FROM athletes"
    with launched("import", str(file), DATABASE_URL=own_database) as launcher:
        async with asyncio.timeout(60):
            while not await other.fetchval(stored):  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(0.01)
        status = launcher.stop(signal.SIGINT, group=True)

    assert (status, launcher.output) == (128 + signal.SIGINT, "")
    assert os.listdir(tmp_path) == ["members.csv"]
    done = await other.fetchval(stored)
    assert 0 < done < INTERRUPTED
    assert done % ROWS_IN_BATCH == 0
    report = output_of("import", str(file), DATABASE_URL=own_database)
    assert f"  {INTERRUPTED - done} created, 0 updated, {done} unchanged\n" in report


def test_an_import_that_is_killed_with_its_database_server_can_be_repeated(
    data_dir: str, tmp_path: Path
) -> None:
    file = write_rows(tmp_path / "members.csv", INTERRUPTED)
    kill_when_it_stores(file, data_dir, "M-%")

    report = output_of("import", str(file), DATA_DIR=data_dir)

    assert created(report) + unchanged(report) == INTERRUPTED
    assert 0 < unchanged(report) < INTERRUPTED
    assert unchanged(report) % ROWS_IN_BATCH == 0


def test_an_import_that_loses_the_database_server_of_a_service_ends_with_an_error(
    data_dir: str, tmp_path: Path
) -> None:
    file = write_rows(tmp_path / "members.csv", MANY, "L")
    with launched("run", "--port=0", DATA_DIR=data_dir) as service:
        assert service.url
        with launched("import", str(file), DATA_DIR=data_dir) as importing:
            until_stored(data_dir, "L-%")
            service.stop(signal.SIGTERM)
            status = importing.ended()

    assert status == 1
    assert re.search(
        r"\nerror: The database does not answer\. The first \d+000 rows are done;"
        r" import the file again for the rest\.\n$",
        importing.output,
    )
    assert os.listdir(tmp_path) == ["members.csv"]


def kill_when_it_stores(file: Path, data_dir: str, references: str) -> None:
    """Import a file, kill the command when some of its rows are stored, and see it end."""
    with launched("import", str(file), DATA_DIR=data_dir) as launcher:
        until_stored(data_dir, references)
        family = launcher.family()
        launcher.stop(signal.SIGKILL)
    assert living(family) == []


def until_stored(data_dir: str, references: str) -> None:
    """Wait until the embedded server has an athlete with such a reference."""
    server = EmbeddedPostgres(str((Path(data_dir) / "postgres").resolve() / "data"))
    stored = "SELECT count(*) FROM athletes WHERE reference LIKE $1"

    async def wait() -> None:
        async with asyncio.timeout(60):
            while True:
                with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    connection = await asyncpg.connect(server.url())
                    try:
                        while not await connection.fetchval(stored, references):  # noqa: ASYNC110
                            await asyncio.sleep(0.01)
                    finally:
                        await connection.close()
                    return
                await asyncio.sleep(0.05)

    asyncio.run(wait())


def created(report: str) -> int:
    return int(re.search(r"(\d+) created", report)[1])  # type: ignore[index]


def unchanged(report: str) -> int:
    return int(re.search(r"(\d+) unchanged", report)[1])  # type: ignore[index]


def test_a_long_file_needs_little_memory(service: Launcher, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "many.csv", MANY)
    process = psutil.Process(service.process.pid)
    warm = post(service.url, write_rows(tmp_path / "one.csv", 1))
    idle = process.memory_info().rss
    most = idle
    answers: list[httpx.Response] = []
    posting = threading.Thread(target=lambda: answers.append(post(service.url, file)))
    posting.start()
    while posting.is_alive():
        most = max(most, process.memory_info().rss)
        time.sleep(0.02)

    (answer,) = answers
    assert warm.json()["created"] == 1
    assert (answer.json()["created"], answer.json()["unchanged"]) == (MANY - 1, 1)
    assert most - idle < 150 * MEGABYTE


def post(url: str, file: Path) -> httpx.Response:
    with file.open("rb") as opened:
        return httpx.post(
            f"{url}/api/v1/athletes/import",
            content=opened,
            headers={"Content-Type": "text/csv", **ADMIN.headers},
            timeout=110,
            trust_env=False,
        )
