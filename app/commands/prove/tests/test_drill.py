import asyncio
import re
import signal
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from app.commands.prove import drill
from app.commands.prove.drill import (
    Answers,
    Comparison,
    Logins,
    Parents,
    Writer,
    Written,
    compare,
    missing_from_board,
    run_drill,
)
from app.commands.tests.launcher import COVERAGE, launched, living
from app.conftest import API

LAST_LINE = re.compile(
    r"acknowledged (\d+), found (\d+), lost (\d+), duplicated (\d+), miscounted (\d+)\n\Z"
)
COPY = """
    INSERT INTO athletes (id, category_id, name, name_key)
    SELECT $2, category_id, name, name_key FROM athletes WHERE id = $1
"""

COPY_BOOKING = """
    INSERT INTO bookings
        (id, training_id, athlete_id, starts_at, ends_at, status, booked_at, cancelled_at)
    SELECT $2, training_id, athlete_id, starts_at, ends_at, 'cancelled', now(), now()
    FROM bookings WHERE id = $1
"""


@pytest.mark.slow
def test_a_round_loses_and_duplicates_no_row(temporary: Path) -> None:
    with launched("drill", "--rounds=1", TMPDIR=str(temporary), SHUTDOWN_DELAY="0") as launcher:
        assert launcher.read_until(re.compile("writers send"))
        family = launcher.family()
        status = launcher.ended()

    lines = launcher.output
    assert len(re.findall(r"^round \d: recovered \d", lines, re.MULTILINE)) == 1, lines
    assert " 500: " not in lines, lines
    closing = LAST_LINE.search(lines)
    assert closing, lines
    logins = re.search(r"^logins: acknowledged (\d+), lost 0$", lines, re.MULTILINE)
    assert logins, lines
    assert int(logins[1]) > 1
    assert "; missing from the leaderboard 0; " in lines
    assert "journal: 0 rows without exactly one event for each version" in lines
    acknowledged, *found_and_wrong = map(int, closing.groups())
    assert acknowledged > 100
    assert found_and_wrong == [acknowledged, 0, 0, 0], lines
    assert status == 0, lines
    assert family != []
    assert living(family, 0) == []
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_stops_all_processes(temporary: Path) -> None:
    with launched("drill", TMPDIR=str(temporary), SHUTDOWN_DELAY="0") as launcher:
        assert launcher.read_until(re.compile("8 writers"))
        family = launcher.family()

        status = launcher.stop(signal.SIGINT, group=True)

    assert status == 128 + signal.SIGINT
    assert "Traceback" not in launcher.output
    assert family != []
    assert living(family, 0) == []
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_the_drill_fails_if_the_service_does_not_recover(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(drill, "RECOVERY", 1.0)
    monkeypatch.setattr(drill, "kill_a_backend", lambda server: server.kill())
    monkeypatch.setenv("SHUTDOWN_DELAY", "0")
    monkeypatch.delenv(COVERAGE, raising=False)  # other tests measure the service's coverage

    assert run_drill(rounds=1) == 1

    said = capsys.readouterr().err
    assert said.endswith("error: the service did not answer every writer again within 1 s\n")


@pytest.fixture
async def acknowledged(pooled_client: httpx.AsyncClient) -> dict[str, Written]:
    """Create four athletes and bookings for three; return the acknowledged rows."""

    async def write(collection: str, body: Mapping[str, object]) -> str:
        response = await pooled_client.post(f"{API}/{collection}", json=body)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    category, centre = (
        await write("categories", {"name": "Rx"}),
        await write("centres", {"name": "N"}),
    )
    written = {"Rx": Written(UUID(category))}
    start = datetime.now(UTC) + timedelta(days=1)
    times = {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=1)).isoformat()}
    training = await write(
        "trainings", {"name": "WOD", "centre_id": centre, "capacity": 1, **times}
    )
    for name in ("one", "two", "three", "four"):
        athlete = {"name": name, "category_id": category, "centre_ids": [centre]}
        written[name] = Written(UUID(await write("athletes", athlete)), "1")
        if name == "four":
            break
        booking = await write(
            f"trainings/{training}/bookings", {"athlete_id": str(written[name].id)}
        )
        written[f"booking-{name}"] = Written(UUID(booking), "booked")
    return written


async def test_a_session_that_does_not_work_afterwards_is_counted_as_lost(
    pooled_client: httpx.AsyncClient, other: asyncpg.Connection
) -> None:
    pooled_client.base_url = pooled_client.base_url.join(f"{API}/")
    logins = await Logins.invited(pooled_client, Answers())
    end = asyncio.Event()
    logging_in = asyncio.create_task(logins.write_until(end))
    async with asyncio.timeout(30):
        while len(logins.tokens) < 2:  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.01)
    end.set()
    await logging_in
    id_of_first = UUID(logins.tokens[0].split("_")[1])

    await other.execute("DELETE FROM tokens WHERE id = $1", id_of_first)

    assert await logins.lost() == 1


async def test_a_result_that_is_not_on_the_leaderboard_is_missing(
    pooled_client: httpx.AsyncClient, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill, "OLD", 0)
    pooled_client.base_url = pooled_client.base_url.join(f"{API}/")
    parents, said, end = await Parents.create(pooled_client), Answers(), asyncio.Event()
    monkeypatch.setattr(drill, "IMPATIENT", 0)
    asyncio.get_running_loop().call_soon(end.set)  # once the first sequence has begun
    await Writer(pooled_client, parents, said).write_until(end)
    assert await missing_from_board(pooled_client, parents, said.acknowledged) == 0

    await other.execute("UPDATE results SET entered = '301'")

    assert await missing_from_board(pooled_client, parents, said.acknowledged) == 1


async def test_all_acknowledged_rows_are_found(
    own_database: str, acknowledged: dict[str, Written]
) -> None:
    assert await compare(own_database, acknowledged) == Comparison(8, 8, 0, 0, 0)


async def test_a_deleted_row_is_counted_as_lost(
    own_database: str, acknowledged: dict[str, Written], other: asyncpg.Connection
) -> None:
    await other.execute("DELETE FROM athletes WHERE id = $1", acknowledged["four"].id)

    assert await compare(own_database, acknowledged) == Comparison(8, 7, 1, 0, 0)


async def test_an_athlete_without_the_enrolment_is_counted_as_lost(
    own_database: str, acknowledged: dict[str, Written], other: asyncpg.Connection
) -> None:
    await other.execute("DELETE FROM enrolments WHERE athlete_id = $1", acknowledged["four"].id)

    assert await compare(own_database, acknowledged) == Comparison(8, 7, 1, 0, 0)


async def test_a_second_row_of_one_write_is_counted_as_duplicated(
    own_database: str, acknowledged: dict[str, Written], other: asyncpg.Connection
) -> None:
    await other.execute(COPY, acknowledged["four"].id, uuid4())

    assert await compare(own_database, acknowledged) == Comparison(8, 8, 0, 1, 0)


async def test_a_row_that_is_replaced_by_a_copy_is_counted_as_lost(
    own_database: str, acknowledged: dict[str, Written], other: asyncpg.Connection
) -> None:
    await other.execute(COPY, acknowledged["four"].id, uuid4())
    await other.execute("DELETE FROM athletes WHERE id = $1", acknowledged["four"].id)

    assert await compare(own_database, acknowledged) == Comparison(8, 7, 1, 0, 0)


async def test_a_deleted_booking_is_counted_as_lost_and_miscounted(
    own_database: str, acknowledged: dict[str, Written], other: asyncpg.Connection
) -> None:
    await other.execute("DELETE FROM bookings WHERE id = $1", acknowledged["booking-two"].id)

    assert await compare(own_database, acknowledged) == Comparison(8, 7, 1, 0, 1)


async def test_a_second_booking_of_one_write_is_counted_as_duplicated(
    own_database: str, acknowledged: dict[str, Written], other: asyncpg.Connection
) -> None:
    await other.execute(COPY_BOOKING, acknowledged["booking-two"].id, uuid4())

    assert await compare(own_database, acknowledged) == Comparison(8, 8, 0, 1, 0)


async def test_a_booking_in_another_state_is_counted_as_lost(
    own_database: str, acknowledged: dict[str, Written]
) -> None:
    acknowledged["booking-two"] = replace(acknowledged["booking-two"], state="cancelled")

    assert await compare(own_database, acknowledged) == Comparison(8, 7, 1, 0, 0)


@pytest.mark.parametrize(
    "drift",
    [
        "UPDATE trainings SET taken = 0",
        "UPDATE trainings SET waiting = 1",
        "UPDATE bookings SET status = 'cancelled', cancelled_at = now() WHERE status = 'reserved'",
        "UPDATE trainings SET capacity = 2",
    ],
)
async def test_wrong_counts_or_a_free_seat_with_a_waitlist_are_miscounted(
    own_database: str, acknowledged: dict[str, Written], other: asyncpg.Connection, drift: str
) -> None:
    await other.execute(drift)

    assert (await compare(own_database, acknowledged)).miscounted == 1
