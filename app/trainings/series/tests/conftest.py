"""A gym with series: fixtures, and short texts of what a series and its trainings are."""

from typing import Any

import pytest
from httpx import AsyncClient, Response

from app.conftest import API, Create, Json
from app.trainings.tests.conftest import Gym

URL = f"{API}/series"
WEEKS = {
    "name": "WOD",
    "weekdays": [1, 3],
    "start": "18:00",
    "minutes": 60,
    "capacity": 12,
    "starts_on": "2100-01-04",  # a Monday
    "ends_on": "2100-01-17",
}
"""Two weeks: four trainings, on Mondays and Wednesdays."""
FOUR = ["01-04T18:00", "01-06T18:00", "01-11T18:00", "01-13T18:00"]
REPORT = "created", "changed", "cancelled", "deleted", "kept", "clock_changes"


class Club(Gym):
    """A gym whose trainings are made by series."""

    def weeks(self, **fields: Any) -> Json:
        """Make the payload of a series, by default of two weeks."""
        return {"centre_id": self.centre_id, **WEEKS, **fields}

    async def series(self, **fields: Any) -> Json:
        """Create a series."""
        return await self.create("series", self.weeks(**fields))

    async def patch(self, series: Json, **fields: Any) -> Response:
        """Send a change of a series."""
        return await self.client.patch(f"{URL}/{series['id']}", json=fields)

    async def changed(self, series: Json, **fields: Any) -> Json:
        """Change a series; return what became of its trainings, without what is empty."""
        return report(await self.patch(series, **fields))

    async def cancelled(self, series: Json, since: str) -> Json:
        """Cancel a series from a day on; return what became of its trainings."""
        url = f"{URL}/{series['id']}/cancel"
        return report(await self.client.post(url, json={"from": since}))

    async def trainings(self) -> list[Json]:
        """List the trainings, by start."""
        return list((await self.read("trainings?limit=100"))["items"])

    async def times(self) -> list[str]:
        """Say when each training is, and whether it is cancelled or was changed alone."""
        return [said(one) for one in await self.trainings()]

    async def alter(self, training: Json, **fields: Any) -> Json:
        """Change a training by itself."""
        response = await self.client.patch(f"{API}/trainings/{training['id']}", json=fields)
        assert response.status_code == 200, response.text
        altered: Json = response.json()
        return altered

    async def cancel(self, training: Json) -> None:
        """Cancel a training by itself."""
        response = await self.client.post(f"{API}/trainings/{training['id']}/cancel")
        assert response.status_code == 200, response.text


def report(response: Response) -> Json:
    """Return what became of the trainings of a series, without what is empty."""
    assert response.status_code == 200, response.text
    body = response.json()
    found = {name: body[name] for name in REPORT if body[name]}
    if "kept" in found:
        found["kept"] = [f"{one['date'][5:]} {one['reason']}" for one in found["kept"]]
    return found


def said(training: Json) -> str:
    """Say when a training is, and whether it is cancelled or was changed alone."""
    words = [training["starts_at"][5:16]]
    if training["status"] == "cancelled":
        words.append("cancelled")
    if training["changed_alone"]:
        words.append("alone")
    return " ".join(words)


@pytest.fixture
async def club(client: AsyncClient, create: Create) -> Club:
    """Create a club whose centre, in UTC, has no capacity limit."""
    club = await Club.opened_by(client, create)
    assert isinstance(club, Club)
    return club
