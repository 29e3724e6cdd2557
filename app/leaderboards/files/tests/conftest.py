import csv
import io
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import pytest

from app.conftest import API, Create, Json

Import = Callable[..., Awaitable[Json]]
DAYS = {"starts_on": "2026-06-05", "ends_on": "2026-06-07"}
PUBLISHED = "2026-06-01T00:00:00Z"


@pytest.fixture
async def competition(client: httpx.AsyncClient, create: Create) -> Json:
    """Create an open competition by table: Fran (with a tie-break), then a one-rep maximum."""
    row = {"name": "Throwdown", "points": "table", **DAYS, "time_zone": "Europe/Lisbon"}
    created = await create("competitions", row)
    fran = {"score_type": "time", "tie_break": "time", "total_reps": 90, "name": "Fran"}
    for workout in (fran, {"score_type": "load", "name": "1RM snatch"}):
        made = await create("workouts", workout)
        event = {"workout_id": made["id"], "published_at": PUBLISHED, "points_table": [100, 95]}
        await create(f"competitions/{created['id']}/events", event)
    await client.post(f"{API}/competitions/{created['id']}/open")
    return created


@pytest.fixture
def import_results(client: httpx.AsyncClient, competition: Json) -> Import:
    """Return a function that imports a file into the competition, and returns the report."""

    async def import_results(text: str, **query: str) -> Json:
        response = await post_file(client, competition["id"], text, query)
        assert response.status_code == 200, response.text
        report: Json = response.json()
        done = report["created"] + report["updated"] + report["unchanged"] + report["rejected"]
        assert report["read"] == done
        return report

    return import_results


async def post_file(
    client: httpx.AsyncClient, competition_id: str, text: str, query: Mapping[str, str]
) -> httpx.Response:
    return await client.post(
        f"{API}/competitions/{competition_id}/import",
        content=text,
        headers={"Content-Type": "text/csv"},
        params=query,
    )


async def exported(client: httpx.AsyncClient, competition_id: str) -> str:
    response = await client.get(f"{API}/competitions/{competition_id}/export")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    return response.text


def rows_of(text: str, *columns: str) -> list[dict[str, Any]]:
    """Return the rows of an export, with some of its columns."""
    return [{name: row[name] for name in columns} for row in csv.DictReader(io.StringIO(text))]


def counts(report: Json) -> dict[str, Any]:
    """Return the values of a report that are not 0 or empty, without the rejections."""
    return {name: value for name, value in report.items() if value and name != "rejections"}


def reasons(report: Json) -> dict[int, str]:
    """Return the rejection reasons of a report by line."""
    return {row["line"]: row["reason"] for row in report["rejections"]}
