"""Tests of the benchmark's figures, and that the compared servers give the same responses."""

import asyncio
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from app.commands.project import ROOT
from app.commands.prove.service import running_service
from app.commands.tests.launcher import COVERAGE
from bench.bookings import (
    ACTIONS,
    ALONE,
    Action,
    Ids,
    Stage,
    booked,
    connected,
    load_alone,
    undo,
)
from bench.compare import check_same, targets_of
from bench.database import Sample, filled_database
from bench.load import Measured, NotLoaded, Request, require_wrk
from bench.operations import CREATE, GET, LIST, comparable
from bench.opponents import (
    BARE,
    FASTIFY,
    PLAIN,
    SERVICE,
    NotInstalled,
    Opponent,
    install_fastify,
    opponents,
)
from bench.report import tell
from bench.results import Comparison, Round, Spread, Target


def one_round(operation: str, opponent: str, rate: float, p99: float = 4) -> Round:
    return Round(operation, opponent, Measured(int(rate * 2), 2, 0, 0, 2, p99), 100, 50)


RATES = {
    GET.name: {SERVICE: (900, 1000), PLAIN: (60, 50), BARE: (1000, 1000), FASTIFY: (900, 1000)},
    LIST.name: {SERVICE: (200, 220), PLAIN: (20, 20), BARE: (400, 400), FASTIFY: (100, 100)},
    CREATE.name: {SERVICE: (90, 100), PLAIN: (9, 10), BARE: (100, 100), FASTIFY: (100, 100)},
}


@pytest.fixture
def comparison() -> Comparison:
    return Comparison(
        [
            one_round(operation, opponent, rate)
            for operation, of_each in RATES.items()
            for opponent, rates in of_each.items()
            for rate in rates
        ]
    )


def test_ratios_are_taken_round_by_round(comparison: Comparison) -> None:
    assert comparison.ratio(GET.name, SERVICE, PLAIN) == Spread(17.5, 15, 20)
    assert str(comparison.ratio(GET.name, SERVICE, PLAIN)) == "17.50 (15.00 to 20.00)"


def test_each_target_has_a_figure_and_a_verdict(comparison: Comparison) -> None:
    found = [(target.what, target.figure, target.verdict) for target in targets_of(comparison)]

    assert found == [
        ("get: throughput ratio to plain ORM", 17.5, "must"),
        ("list 50: throughput ratio to plain ORM", 10.5, "must"),
        ("create: throughput ratio to plain ORM", 10, "aim"),
        ("get: throughput ratio to bare ASGI", 0.95, "aim"),
        ("list 50: throughput ratio to bare ASGI", pytest.approx(0.525), "missed"),
        ("create: throughput ratio to bare ASGI", 0.95, "aim"),
        ("get: throughput ratio to Fastify", 1, "must"),
        ("list 50: throughput ratio to Fastify", 2.1, "aim"),
        ("create: throughput ratio to Fastify", 0.95, "missed"),
        ("get: latency p99 / p50", 2, "aim"),
    ]


def test_without_fastify_there_are_no_targets_for_it(comparison: Comparison) -> None:
    others = Comparison([one for one in comparison.rounds if one.opponent != FASTIFY])

    assert len(targets_of(others)) == 7


@pytest.mark.parametrize(
    ("figure", "verdict"), [(0, "aim"), (1, "aim"), (1.5, "must"), (2, "must"), (3, "missed")]
)
def test_a_target_can_be_an_upper_limit(figure: float, verdict: str) -> None:
    assert Target("x", figure, "most", must=2, aim=1).verdict == verdict


def test_results_are_written_as_json_tables_and_charts(
    comparison: Comparison, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seats = Comparison([one_round("book", name, 50) for name in (SERVICE, ALONE)], "bookings")

    tell([comparison, seats], targets_of(comparison), tmp_path / "new")

    written = json.loads((tmp_path / "new/bench.json").read_text())
    assert len(written["rounds"]) == len(comparison.rounds) + 2
    assert written["targets"][0]["verdict"] == "must"
    tables = (tmp_path / "new/bench.md").read_text()
    assert "| get: throughput ratio to plain ORM | 17.50 | ≥ 10 | ≥ 18 | must |\n" in tables
    assert "| get | plain ORM | 55 | 17.50 (15.00 to 20.00) | 100 | 50 | 2.0 | 4.0 |\n" in tables
    assert (
        "| book | PostgreSQL alone | 50 | 1.00 (1.00 to 1.00) | 100 | 50 | 2.0 | 4.0 |\n" in tables
    )
    for picture in ("bench", "bookings"):
        assert "<svg" in (tmp_path / f"new/{picture}.svg").read_text()
    assert "17.50" in capsys.readouterr().out


def test_a_request_is_written_as_http() -> None:
    request = Request("POST", "/things", {"a": "ä"}, (("If-None-Match", '"1"'),))

    assert request.text("host:1", {"Authorization": "Bearer x"}) == (
        "POST /things HTTP/1.1\r\nHost: host:1\r\nAuthorization: Bearer x\r\n"
        'If-None-Match: "1"\r\n'
        'Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{"a": "\\u00e4"}'
    )


def test_a_load_with_errors_ends_the_benchmark() -> None:
    with pytest.raises(SystemExit, match="get: 1 requests got an error response, and 2 got none"):
        Measured(10, 1, 1, 2, 0, 0).require_answers("get")


def test_the_error_without_wrk_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)

    with pytest.raises(SystemExit, match="apt install wrk"):
        require_wrk()


def test_equal_times_in_different_forms_compare_equal() -> None:
    answers: list[Any] = [
        {"id": 1, "at": [{"when": "2026-01-01T00:00:00Z"}]},
        {"id": 2, "at": [{"when": "2026-01-01T01:00:00+01:00"}]},
    ]

    one, other = (comparable(answer, frozenset({"id"})) for answer in answers)

    assert one == other != comparable(answers[0], frozenset())


def require_same_json(*others: str) -> None:
    async def check(sample: Sample, all_opponents: list[Opponent]) -> None:
        chance = random.Random(1)  # noqa: S311 - the same each time
        connection = await asyncpg.connect(sample.url)
        try:
            await check_same(sample, connection, chance, all_opponents)
        finally:
            await connection.close()

    with (
        filled_database(1000) as (server, sample),
        opponents(server.url(), others) as all_opponents,
    ):
        asyncio.run(check(sample, all_opponents))


@pytest.mark.slow
def test_the_service_and_the_others_in_python_give_the_same_json(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(COVERAGE, raising=False)  # other tests measure the service's coverage

    require_same_json(PLAIN, BARE)


@pytest.mark.slow
def test_the_service_and_fastify_give_the_same_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(COVERAGE, raising=False)  # other tests measure the service's coverage
    try:
        install_fastify()
    except NotInstalled as error:
        pytest.skip(f"Fastify is not compared: {error}")

    require_same_json(FASTIFY)


def test_fastify_is_not_installed_without_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)

    with pytest.raises(NotInstalled, match=r"Node\.js or npm is not installed"):
        install_fastify()


def test_without_targets_only_the_comparison_is_written(
    comparison: Comparison, tmp_path: Path
) -> None:
    tell([comparison], [], tmp_path)

    assert (tmp_path / "bench.md").read_text().startswith("| operation |")


STATE = """
    SELECT trainings.name, taken, waiting, bookings.status, bookings.version,
        checked_in_at IS NOT NULL, cancelled_at IS NOT NULL, count(*)
    FROM trainings LEFT JOIN bookings ON bookings.training_id = trainings.id
    GROUP BY 1, 2, 3, 4, 5, 6, 7
    ORDER BY 1, 2, 3, 4, 5, 6, 7
"""


@pytest.mark.slow
def test_the_service_and_the_statements_alone_make_the_same_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(COVERAGE, raising=False)  # other tests measure the service's coverage

    async def by_service(url: str, action: Action, ids: Ids) -> None:
        request = action.request(ids)
        async with httpx.AsyncClient(
            base_url=url, headers=sample.headers, trust_env=False
        ) as client:
            response = await client.request(request.method, request.path, json=request.body)
            response.raise_for_status()

    async def check(stage: Stage, url: str, action: Action, connection: Any) -> None:
        before = await stage.connection.fetch(STATE)
        first, *_ = await action.things(stage)
        await by_service(url, action, first)
        after = await stage.connection.fetch(STATE)
        await undo(stage)
        assert await stage.connection.fetch(STATE) == before != after
        await action.statements(connection, first)
        assert await stage.connection.fetch(STATE) == after
        await undo(stage)

    async def check_all(sample: Sample, url: str) -> None:
        stage = await booked(sample)
        connection, *others = await connected(sample.url)
        for action in ACTIONS:
            await check(stage, url, action, connection)
        measured = await load_alone(others, ACTIONS[0], await ACTIONS[0].things(stage), 0.1)
        assert measured.requests > len(others)
        assert 0 < measured.p50 <= measured.p99
        with pytest.raises(NotLoaded, match="1 items are not enough"):
            await load_alone(others, ACTIONS[1], (await ACTIONS[1].things(stage))[:1], 1)
        for one in (stage.connection, connection, *others):
            await one.close()

    with (
        filled_database(1000) as (_, sample),
        tempfile.TemporaryFile("a+") as log,
        running_service(log) as service,
    ):
        asyncio.run(check_all(sample, service.url))


def test_the_command_line_passes_its_arguments_to_the_benchmark() -> None:
    command = [sys.executable, "-m", "app.commands", "bench", "growths"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # noqa: S603

    assert done.returncode == 2
    assert "Usage: manage.py bench" in done.stderr
    assert "'growths' is not one of 'comparison'" in done.stderr
