import csv
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from app.commands.tests.launcher import clean_environment, launched
from app.identity.tests.callers import ADMIN
from athletes_file import ATHLETES, ROOT, read_rows
from feed_athletes import Feed, compare, feed, report
from many_requests import walk

API = "/api/v1"
COLUMNS = ["reference", "name", "sex", "category", "centres", "height", "weight"]
ROWS = [
    [" 1", " José  Díaz", "male", "Men", "CrossFit Malmö", "68 in", "190 lb"],  # line 2
    ["2", "Jose\u0301 Di\u0301az", "male", "Men", "CROSSFIT  MALMO", "5'10\"", "90"],
    ["3", "Ana Torres", "female", "Women", "", "", ""],
    ["4", "Eva Prim", "female", "Women", "North", "510 in", "3 kg"],  # line 5: out of range
    ["5", "Ola Berg", "male", "Men", "North", "tall", "90 kg"],
    ["6", "Ida Holm", "", "Women", "North; South", "170 cm", "60 kg"],
    ["7", "李 娜", "female", "Women", "North", "1.70 m", "60.5 kg"],
    ["8", "Max Roth", "robot", "Men", "", "", ""],
]
OUT_OF_RANGE = (
    "422 The request is not valid; see the errors."
    " /height_cm: Input should be less than or equal to 300."
    " /weight_kg: Input should be greater than or equal to 20."
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "athletes.csv"
    with path.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([COLUMNS, *ROWS])
    return path


@pytest.fixture
async def fed(client: httpx.AsyncClient, file: Path) -> Feed:
    return await feed(client, read_rows(file))


async def test_fed_athletes_have_the_values_of_the_file(
    client: httpx.AsyncClient, fed: Feed
) -> None:
    athletes = await walk(client, f"{API}/athletes")
    assert [athlete["reference"] for athlete in athletes] == ["3", "1", "2", "7"]
    response = await client.post(f"{API}/athletes/lookup", json={"reference": "1"})
    jose = response.json()
    assert (jose["name"], jose["sex"], jose["category"]["name"]) == ("José Díaz", "male", "Men")
    assert (jose["height_cm"], jose["weight_kg"]) == (172.7, 86.18)
    assert await compare(client, fed) == []


async def test_refused_rows_have_a_reason(fed: Feed) -> None:
    refusals = {sent.row.line: sent.refusal for sent in fed.sent if sent.refusal}
    assert refusals == {
        5: OUT_OF_RANGE,
        6: "cannot parse 'tall': give a number and a unit: cm, m, in",
        7: "centres: 422 The request is not valid; see the errors."
        " /name: The name of a centre cannot contain a semicolon.",
        9: "422 The request is not valid; see the errors."
        " /sex: Input should be 'female', 'male' or 'other'.",
    }


async def test_two_spellings_of_one_name_are_one_centre(
    client: httpx.AsyncClient, fed: Feed
) -> None:
    centres = await walk(client, f"{API}/centres")
    assert sorted(centre["name"].casefold() for centre in centres)[1] == "north"
    assert len(centres) == 2
    first, second = (fed.centres[name] for name in ("CrossFit Malmö", "CROSSFIT  MALMO"))
    assert first.id == second.id
    assert {first.created, second.created} == {True, False}


async def test_a_centre_is_not_taken_for_one_whose_name_contains_its_own(
    client: httpx.AsyncClient, file: Path
) -> None:
    for name in ("North", "North East", "The North"):
        response = await client.post(f"{API}/centres", json={"name": name})
        assert response.status_code == 201
    fed = await feed(client, read_rows(file))
    centre = await client.get(f"{API}/centres/{fed.centres['North'].id}")
    assert centre.json()["name"] == "North"


async def test_a_second_run_changes_nothing(
    client: httpx.AsyncClient, fed: Feed, file: Path
) -> None:
    collections = ("categories", "centres", "athletes")
    before = [await walk(client, f"{API}/{name}") for name in collections]
    again = await feed(client, read_rows(file))
    assert not any(sent.created for sent in again.sent)
    assert [sent.refusal for sent in again.sent] == [sent.refusal for sent in fed.sent]
    assert [await walk(client, f"{API}/{name}") for name in collections] == before
    assert await compare(client, again) == []


async def test_the_report_counts_rows_and_groups_rejections(
    fed: Feed, capsys: pytest.CaptureFixture[str]
) -> None:
    report(fed)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "categories: 2 names, 0 rejected; 2 stored in all, 2 created"
    assert lines[1] == "centres: 4 names, 1 rejected; 2 stored in all, 2 created"
    assert lines[2].startswith("athletes: 8 rows, 4 created, 0 existed already, 4 rejected; ")
    assert lines[3:5] == [f"  1 rejected: {OUT_OF_RANGE}", "      line 5: 510 in, 3 kg"]


Change = Callable[[httpx.AsyncClient, Feed, str], Awaitable[httpx.Response]]
CHANGES: dict[str, Change] = {
    "renamed": lambda client, fed, url: client.patch(url, json={"name": "Jose Diaz"}),
    "without_sex": lambda client, fed, url: client.patch(url, json={"sex": None}),
    "lighter": lambda client, fed, url: client.patch(url, json={"weight_kg": 86.17}),
    "deleted": lambda client, fed, url: client.delete(url),
    "in_another_category": lambda client, fed, url: client.patch(
        url, json={"category_id": fed.categories["Women"].id}
    ),
    "withdrawn": lambda client, fed, url: client.patch(url, json={"centre_ids": []}),
    "at_another_centre_too": lambda client, fed, url: client.put(
        f"{url}/centres/{fed.centres['North'].id}"
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_changed_athlete_is_reported_as_a_difference(
    client: httpx.AsyncClient, fed: Feed, change: Change
) -> None:
    (jose,) = await walk(client, f"{API}/athletes", reference="1")
    response = await change(client, fed, f"{API}/athletes/{jose['id']}")
    assert response.is_success
    differences = await compare(client, fed)
    assert differences
    assert {difference.replace(",", ":").partition(":")[0] for difference in differences} == {
        "line 2"
    }


async def test_a_stored_athlete_of_a_refused_row_is_reported_as_a_difference(
    client: httpx.AsyncClient, fed: Feed
) -> None:
    payload = {"name": "Eva", "reference": "4", "category_id": fed.categories["Women"].id}
    assert (await client.post(f"{API}/athletes", json=payload)).status_code == 201
    assert [difference[:11] for difference in await compare(client, fed)] == [
        "line 5, all",
        "line 5, by ",
    ]


@pytest.mark.slow
@pytest.mark.skipif(not ATHLETES.exists(), reason=f"there is no {ATHLETES.name} beside the project")
def test_the_first_rows_of_the_real_file_are_fed_and_read_back(own_database: str) -> None:
    # All rows take a minute or two; `test_import_of_the_file.py` imports all of them.
    with launched("run", "--port", "0", DATABASE_URL=own_database) as service:
        url = service.url
        service.read_on()
        fed = run_script("--url", url, "--first", "2000", "--every", "10")
    assert fed.stderr == ""
    lines = fed.stdout.splitlines()
    assert "categories: 1 names, 0 rejected; 1 stored in all, 1 created" in lines
    assert "centres: 1170 names, 0 rejected; 1170 stored in all, 1170 created" in lines
    (athletes,) = (line for line in lines if line.startswith("athletes: 2000 rows"))
    assert ", 1991 created, 0 existed already, 9 rejected; " in athletes
    assert sum(" was rejected: 422 " in line for line in lines) == 9
    assert "read back all: 1991 athletes" in lines
    assert "read back by category: 1991 athletes" in lines
    assert "read back by centre: 1622 athletes" in lines
    assert lines[-1] == "The service and the file agree."
    assert fed.returncode == 0


def test_a_missing_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    absent = tmp_path / "none.csv"
    ended = run_script("--file", str(absent))
    assert ended.stderr == f"error: cannot read {absent}: No such file or directory\n"
    assert ended.returncode == 1


def test_an_unreachable_service_is_an_error_of_one_line(file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    ended = run_script("--file", str(file), "--url", url)
    assert ended.stderr == f"error: {url}: All connection attempts failed\n"
    assert ended.returncode == 1


def test_another_service_is_an_error_of_one_line(file: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever).start()
        url = f"http://127.0.0.1:{other.server_port}"
        ended = run_script("--file", str(file), "--url", url)
        other.shutdown()
    assert ended.stderr == f"error: {url}: {url}{API}/categories answered 501\n"
    assert ended.returncode == 1


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "scripts" / "feed_athletes.py")
    return subprocess.run(  # noqa: S603
        [sys.executable, script, *arguments],
        env=clean_environment() | {"CROSSFIT_TOKEN": ADMIN.token},
        capture_output=True,
        text=True,
        check=False,
    )
