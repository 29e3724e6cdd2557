"""A primary with a synchronous standby: a response acknowledges only what the standby has.

The standby is cut off, so that each commit waits. After ``DB_COMMAND_TIMEOUT`` the service stops
waiting and answers 503, but PostgreSQL has committed. A retry finds that commit, and must wait too.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import AsyncClient, Response

from app.commands.database import database_url, migrate_to_head
from app.commands.postgres.embedded import temporary_postgres, temporary_standby
from app.commands.postgres.server import OwnPostgres
from app.commands.prove.drill import until_standbys
from app.conftest import API, patient, served

pytestmark = pytest.mark.slow  # the servers of this module take some seconds

FIRST = {
    "create with a key": 201,
    "book with a key": 201,
    "patch": 200,
    "patch with If-Match": 200,
    "patch the capacity": 200,
    "patch the centres": 200,
    "delete": 204,
    "delete with If-Match": 204,
    "delete an athlete, then withdraw": 404,
    "enrol": 204,
    "withdraw": 204,
    "import": 200,
    "cancel a booking": 200,
    "cancel a training": 200,
    "check in": 200,
    "check out": 200,
}
"""The status of each kind of write."""
RETRY = FIRST | {
    "patch with If-Match": 412,
    "delete": 404,
    "delete with If-Match": 404,
    "withdraw": 404,
}
"""The status of a retry, after the first request has succeeded."""

Requests = Mapping[str, Callable[[], Awaitable[Response]]]


class Pair:
    """A primary and its synchronous standby, and a client of a service on the primary."""

    def __init__(self, primary: OwnPostgres, standby: OwnPostgres) -> None:
        self.primary, self.standby = primary, standby

    @asynccontextmanager
    async def service(self, **settings: bool) -> AsyncIterator[AsyncClient]:
        """Provide a client of a service that waits 0.3 s for the database."""
        update = {"db_command_timeout": 0.3, **settings}
        async with served(patient(self.primary.url()).model_copy(update=update), 20) as client:
            yield client

    async def cut(self) -> None:
        """Cut the standby off from the primary; both keep running."""
        self.standby.follow(None)
        await until_standbys(self.primary.url(), 0)

    async def join(self) -> None:
        """Connect the standby again."""
        self.standby.follow(self.primary)
        await until_standbys(self.primary.url(), 1)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Provide a primary at the latest migration, and its standby."""
    with temporary_postgres(durable=True) as primary:
        with database_url(primary.url()):
            migrate_to_head()
        with temporary_standby(primary) as standby:
            yield Pair(primary, standby)


async def test_no_request_is_acknowledged_before_the_standby_has_the_write(pair: Pair) -> None:
    async with pair.service() as client:
        writes = await every_write(client, "written")
        await pair.cut()
        rounds = [statuses(await sent(writes)) for _ in range(2)]
        await pair.join()
        retried = await sent(writes)

    assert rounds == [dict.fromkeys(writes, 503)] * 2
    assert statuses(retried) == RETRY
    for name in ("create with a key", "book with a key"):
        assert retried[name].headers["Idempotency-Replayed"] == "true"


async def test_a_promoted_standby_has_all_that_was_acknowledged(pair: Pair) -> None:
    """Kill the primary; this is the last test of the module.

    Each statement is in a transaction, as behind PgBouncer. So the service cancels each commit that
    takes too long, and a retry finds its write.
    """
    async with pair.service(db_pgbouncer=True) as client:
        acknowledged = await every_write(client, "acknowledged")
        unknown = await every_write(client, "unknown")
        assert statuses(await sent(acknowledged)) == FIRST
        await pair.cut()
        for _ in range(2):
            assert statuses(await sent(unknown)) == dict.fromkeys(unknown, 503)
        await asyncio.to_thread(pair.primary.kill)
        await asyncio.to_thread(pair.standby.take_over, pair.primary)

        assert statuses(await sent(acknowledged)) == RETRY
        assert statuses(await sent(unknown)) == FIRST


async def sent(requests: Requests) -> dict[str, Response]:
    """Send all requests concurrently."""
    answers = await asyncio.gather(*(send() for send in requests.values()))
    return dict(zip(requests, answers, strict=True))


def statuses(answers: Mapping[str, Response]) -> dict[str, int]:
    return {name: answer.status_code for name, answer in answers.items()}


async def every_write(client: AsyncClient, unique: str) -> Requests:
    """Return requests of each kind that a client may retry, each to rows of its own."""

    async def id_of(path: str, **fields: Any) -> str:
        created = await client.post(f"{API}/{path}", json={"name": unique, **fields})
        assert created.status_code == 201, created.text
        return str(created.json()["id"])

    async def category(name: str) -> str:
        return f"{API}/categories/{await id_of('categories', name=f'{unique} {name}')}"

    async def athlete(**fields: Any) -> str:
        return await id_of("athletes", category_id=rx, **fields)

    async def training() -> str:
        # Check-in is already open, and it is not too late to book.
        start = datetime.now(UTC) + timedelta(minutes=30)
        end = start + timedelta(hours=1)
        times = {"starts_at": start.isoformat(), "ends_at": end.isoformat()}
        return await id_of("trainings", centre_id=centre, capacity=1, **times)

    async def booking() -> str:
        path = f"{API}/trainings/{await training()}/bookings"
        booked = await client.post(path, json={"athlete_id": await athlete()})
        return f"{API}/bookings/{booked.json()['id']}"

    async def enrolment(*centres: str) -> str:
        return f"{API}/athletes/{await athlete(centre_ids=centres)}/centres/{centre}"

    def request(method: str, url: str, **options: Any) -> Callable[[], Awaitable[Response]]:
        return lambda: client.request(method, url, **options)

    rx, centre = await id_of("categories"), await id_of("centres")
    checked_in = await booking()
    await client.post(f"{checked_in}/check-in")
    enrolled = await enrolment(centre)
    key = {"Idempotency-Key": unique.replace(" ", "-")}
    file = {"content": f"reference,name,category\n{unique},Mara,{unique}\n"}

    async def delete_then_withdraw() -> Response:
        await client.delete(enrolled.partition("/centres/")[0])
        return await client.delete(enrolled)

    return {
        "create with a key": request(
            "POST", f"{API}/categories", json={"name": f"{unique} new"}, headers=key
        ),
        "book with a key": request(
            "POST",
            f"{API}/trainings/{await training()}/bookings",
            json={"athlete_id": await athlete()},
            headers={"Idempotency-Key": f"{key['Idempotency-Key']}-book"},
        ),
        "patch": request("PATCH", await category("changed"), json={"description": "new"}),
        "patch with If-Match": request(
            "PATCH",
            await category("once"),
            json={"description": "new"},
            headers={"If-Match": '"1-0"'},
        ),
        "patch the capacity": request(
            "PATCH", f"{API}/trainings/{await training()}", json={"capacity": 2}
        ),
        "patch the centres": request(
            "PATCH", f"{API}/athletes/{await athlete()}", json={"centre_ids": [centre]}
        ),
        "delete": request("DELETE", await category("deleted")),
        "delete with If-Match": request(
            "DELETE", f"{API}/trainings/{await training()}", headers={"If-Match": '"1-0"'}
        ),
        "delete an athlete, then withdraw": delete_then_withdraw,
        "enrol": request("PUT", await enrolment()),
        "withdraw": request("DELETE", await enrolment(centre)),
        "import": request(
            "POST", f"{API}/athletes/import", **file, headers={"Content-Type": "text/csv"}
        ),
        "cancel a booking": request("POST", f"{await booking()}/cancel"),
        "cancel a training": request("POST", f"{API}/trainings/{await training()}/cancel"),
        "check in": request("POST", f"{await booking()}/check-in"),
        "check out": request("POST", f"{checked_in}/check-out"),
    }
