"""Responses about calendars that need a feed, or an erased athlete."""

from collections.abc import Mapping

from asyncpg import Connection
from httpx import AsyncClient

from app.calendars.tests.conftest import feed_of
from app.conftest import API


async def give_answers(client: AsyncClient, ids: Mapping[str, str], connection: Connection) -> None:
    """Read a calendar in all ways, revoke its feed, and make one for an erased athlete."""
    athlete = f"{API}/athletes/{ids['<athlete>']}"
    calendar = (await feed_of(client, ids["<athlete>"]))["url"]
    read = await client.get(calendar)
    await client.get(calendar, headers={"If-None-Match": read.headers["ETag"]})
    await client.get(f"{athlete}/calendar.ics")
    await client.delete(f"{athlete}/calendar-feed")
    made = {"name": "Gone", "category_id": ids["<category>"]}
    gone = (await client.post(f"{API}/athletes", json=made)).headers["Location"]
    await client.post(f"{gone}/erase")
    await client.post(f"{gone}/calendar-feed")
