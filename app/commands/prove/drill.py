"""The durability drill: kill PostgreSQL while a service writes, then check the stored rows.

With ``--standby``, PostgreSQL has a synchronous standby. In each round, the standby is cut off from
the primary, the writers retry for some seconds, the primary is killed, and the standby is promoted
at its URL.

Every acknowledged write must be stored. A write that was retried with the same
``Idempotency-Key`` must be stored once. A training's counters must match its bookings, and no
seat may be empty while an athlete is in the waitlist. Every acknowledged result must be on the
leaderboard. Every acknowledged login must give a token that still works in the end. The journal
must have exactly one event for each version of each row.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, Any, Protocol, Self
from uuid import UUID, uuid4

import asyncpg
import httpx

from app.commands.database import database_url, migrate_to_head
from app.commands.identity import admin_token
from app.commands.postgres.embedded import temporary_postgres, temporary_standby
from app.commands.postgres.server import OwnPostgres, wait_until_ended
from app.commands.prove.journal import unequal_to_journal
from app.commands.prove.service import NotStarted, running_service
from app.commands.signals import run_until_stopped
from app.core.errors import KeyInFlight
from app.core.settings import get_settings

WRITERS = 8
BETWEEN_WRITES = 0.02
"""Seconds from a response to the writer's next write."""
BETWEEN_TRIES = 0.05
BETWEEN_LOGINS = 0.2
CALM = 0.5
"""Seconds of undisturbed writing before each kill, so that there are writes to lose."""
ANSWER = 10.0
"""Timeout of a request in seconds; then the writer retries it."""
IMPATIENT = 0.05
"""The share of requests whose response is lost, because the writer times out after 5 ms."""
NO_ANSWER = httpx.Timeout(ANSWER, read=0.005)
RECOVERY = 30.0
"""Seconds after a kill by which every writer must get a successful response again."""
CUT = 3.0
"""Seconds of writing while no standby confirms a commit."""
HURRIED = {"DB_COMMAND_TIMEOUT": "0.5"}
"""The service's settings with a standby: a writer gets several responses during the cut."""
OLD = 3.0
"""Seconds after which a leaderboard has all results."""
LOG_SHOWN = 4000
"""Characters of the service's log to print if it does not recover."""

SEATS = 50
"""Capacity of the training that all athletes of the drill book; the others are waitlisted."""
CANCELLED = 0.3
"""The share of bookings that the writers cancel."""
STORED = """
    SELECT name, id, (SELECT count(*) FROM enrolments WHERE athlete_id = athletes.id)::text AS state
    FROM athletes
    UNION ALL SELECT name, id, '' FROM categories
    UNION ALL SELECT 'booking-' || athletes.name, bookings.id,
        CASE bookings.status WHEN 'cancelled' THEN 'cancelled' ELSE 'booked' END
    FROM bookings JOIN athletes ON athletes.id = athlete_id
    UNION ALL SELECT 'entry-' || athletes.name, entries.id, ''
    FROM entries JOIN athletes ON athletes.id = athlete_id
    UNION ALL SELECT 'result-' || athletes.name, results.id, results.entered
    FROM results JOIN athletes ON athletes.id = athlete_id
    UNION ALL SELECT series.name, series.id, count(*) || ' at '
        || string_agg(DISTINCT to_char(starts_at AT TIME ZONE 'UTC', 'HH24:MI'), ' ')
    FROM series LEFT JOIN trainings ON series_id = series.id GROUP BY series.id
"""
STANDBYS = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
MISCOUNTED = """
    SELECT count(*) FROM trainings, LATERAL (
        SELECT count(*) FILTER (WHERE status IN ('reserved', 'checked_in')) AS seats,
            count(*) FILTER (WHERE status = 'waitlisted') AS places
        FROM bookings WHERE training_id = trainings.id
    ) AS found
    WHERE (taken, waiting) <> (seats, places) OR (waiting > 0 AND taken < capacity)
"""


class NotRecovered(Exception):
    """The service did not recover by itself before the timeout."""


@dataclass(frozen=True)
class Written:
    """What the service acknowledged about a row."""

    id: UUID
    state: str = ""
    """The number of an athlete's enrolments, ``booked`` or ``cancelled`` for a booking, the score
    of a result, the number of trainings of a series and their time.
    """


@dataclass(frozen=True)
class Comparison:
    """The number of rows that were acknowledged, found, lost, and stored more than once."""

    acknowledged: int
    found: int
    lost: int
    duplicated: int
    miscounted: int
    """Trainings whose counters differ from their bookings, or with a free seat and a waitlist."""

    def __str__(self) -> str:
        return (
            f"acknowledged {self.acknowledged}, found {self.found}, lost {self.lost}, "
            f"duplicated {self.duplicated}, miscounted {self.miscounted}"
        )


async def compare(url: str, acknowledged: Mapping[str, Written]) -> Comparison:
    """Compare the acknowledged writes, by idempotency key, with the rows, whose names are keys."""
    stored: dict[str, list[Written]] = defaultdict(list)
    connection = await asyncpg.connect(url, timeout=ANSWER)
    try:
        for row in await connection.fetch(STORED, timeout=ANSWER):
            stored[row["name"]].append(Written(row["id"], row["state"]))
        miscounted = await connection.fetchval(MISCOUNTED, timeout=ANSWER)
    finally:
        await connection.close()
    found = sum(written in stored[key] for key, written in acknowledged.items())
    return Comparison(
        acknowledged=len(acknowledged),
        found=found,
        lost=len(acknowledged) - found,
        duplicated=sum(len(rows) > 1 for rows in stored.values()),
        miscounted=miscounted,
    )


def run_drill(rounds: int, *, standby: bool = False) -> int:
    """Run the drill on a temporary PostgreSQL and service; return 1 if the service failed it."""
    with temporary_postgres(durable=True) as server, database_url(server.url()):
        migrate_to_head()
        token = admin_token("admin@drill.example")
        with tempfile.TemporaryFile("a+", errors="replace") as log, ExitStack() as standbys:
            faults: Faults = Failovers(server, standbys) if standby else Kills(server)
            try:
                with running_service(log, "--workers=2", **faults.settings) as service:
                    api = service.url + get_settings().api_v1_prefix
                    drill = _drill(server.url(), faults, api, token, rounds)
                    return int(not run_until_stopped(drill))
            except (NotStarted, NotRecovered) as error:
                print(f"{_text(log)[-LOG_SHOWN:]}error: {error}", file=sys.stderr)
                return 1


def _text(log: IO[str]) -> str:
    log.seek(0)
    return log.read()


async def _drill(url: str, faults: "Faults", api: str, token: str, rounds: int) -> bool:
    """Run the rounds, print a line for each, and return whether the service passed."""
    headers = {"Authorization": f"Bearer {token}"}
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=api, headers=headers, timeout=ANSWER, trust_env=False)
            )
            for _ in range(WRITERS)
        ]
        parents = await Parents.create(clients[0])
        said = Answers()
        writers = [Writer(client, parents, said) for client in clients]
        logins = await Logins.invited(clients[0], said)
        comparison, missing = Comparison(0, 0, 0, 0, 0), 0
        print(
            f"{WRITERS} writers send requests to {api}; each round {faults.plan}",
            flush=True,
        )
        for number in range(1, rounds + 1):
            await faults.prepare()
            async with _writing([*writers, logins]):
                recovered = await faults.inflict(writers)
                await asyncio.sleep(CALM)
            comparison = await compare(url, said.acknowledged)
            async with _recovering("answer with the leaderboard"):
                missing = await missing_from_board(clients[0], parents, said.acknowledged)
            print(
                f"round {number}: recovered {recovered}; "
                f"writes so far: {comparison}; missing from the leaderboard {missing}; "
                f"responses: {said}",
                flush=True,
            )
        lost = await logins.lost()
    unequal = await _unequal(url)
    print(f"journal: {len(unequal)} rows without exactly one event for each version")
    print(f"logins: acknowledged {len(logins.tokens)}, lost {lost}")
    for refusal in said.refusals[:1]:
        print(f"{len(said.refusals)} requests were rejected, the first with: {refusal}")
    print(comparison)
    wrong = comparison.lost or comparison.duplicated or comparison.miscounted or missing
    return not (wrong or lost or unequal or said.refusals)


async def missing_from_board(
    client: httpx.AsyncClient, parents: "Parents", acknowledged: Mapping[str, Written]
) -> int:
    """Return how many acknowledged results are not on the leaderboard.

    A large leaderboard may be two seconds old, so look again for so long.
    """
    results = {
        written.id: written.state for key, written in acknowledged.items() if _is_result(key)
    }
    end = time.monotonic() + OLD
    while True:
        shown = await _results_on_board(client, parents)
        missing = sum(shown.get(one) != score for one, score in results.items())
        if not missing or time.monotonic() > end:
            return missing
        await asyncio.sleep(BETWEEN_TRIES)


def _is_result(key: str) -> bool:
    return key.startswith("result-")


async def _results_on_board(client: httpx.AsyncClient, parents: "Parents") -> dict[UUID, str]:
    """Read all pages of the leaderboard; return the scores by the id of the result."""
    scores = {}
    board = f"competitions/{parents.competition_id}/leaderboard"
    page: str | None = f"{board}?category_id={parents.category_id}&limit=100"
    while page is not None:
        body = (await client.get(page)).raise_for_status().json()
        for item in body["items"]:
            for event in item["events"]:
                if event["result_id"] is not None:
                    scores[UUID(event["result_id"])] = event["score"]
        page = body["next"] and f"{board}?{body['next'].partition('?')[2]}"
    return scores


async def _unequal(url: str) -> list[str]:
    connection = await asyncpg.connect(url, timeout=ANSWER)
    try:
        return await unequal_to_journal(connection)
    finally:
        await connection.close()


class Answers:
    """The responses of the service to all writers."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, Written] = {}
        self.refusals: list[str] = []
        """Bodies of errors that a retry does not fix; a drill that passes has none."""
        self.count: Counter[str] = Counter()

    def __str__(self) -> str:
        return ", ".join(f"{kind}: {number}" for kind, number in sorted(self.count.items()))


@dataclass(frozen=True)
class Parents:
    """The category and centres of every athlete of the drill, and what all book and enter."""

    category_id: str
    centre_ids: list[str]
    training_id: str
    competition_id: str
    event_id: str

    @classmethod
    async def create(cls, client: httpx.AsyncClient) -> Self:
        """Create them through the service before the first kill."""

        async def id_of(collection: str, name: str | None, **fields: Any) -> str:
            named = {"name": name} if name else {}
            response = await client.post(collection, json={**named, **fields})
            response.raise_for_status()
            return str(response.json()["id"])

        centre_ids = [await id_of("centres", name) for name in ("North", "South")]
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        training_id = await id_of(
            "trainings",
            "Drill",
            centre_id=centre_ids[0],
            starts_at=tomorrow.isoformat(),
            ends_at=(tomorrow + timedelta(hours=1)).isoformat(),
            capacity=SEATS,
        )
        today = tomorrow.date().isoformat()
        competition_id = await id_of("competitions", "Drill", starts_on=today, ends_on=today)
        event_id = await id_of(
            f"competitions/{competition_id}/events",
            None,
            workout_id=await id_of("workouts", "Drill", score_type="reps"),
            published_at=datetime.now(UTC).isoformat(),
        )
        (await client.post(f"competitions/{competition_id}/open")).raise_for_status()
        category_id = await id_of("categories", "Drill")
        return cls(category_id, centre_ids, training_id, competition_id, event_id)


class Writer:
    """Creates one row after the other, and retries each with its idempotency key."""

    def __init__(self, client: httpx.AsyncClient, parents: Parents, said: Answers) -> None:
        self._client, self._parents, self._said = client, parents, said
        self.served = 0.0
        """When the latest acknowledged request was sent."""

    async def write_until(self, end: asyncio.Event) -> None:
        """Write until the event is set, and finish the sequence of writes that has begun."""
        rows = {
            "category_id": self._parents.category_id,
            "centre_ids": self._parents.centre_ids,
        }
        bookings = f"trainings/{self._parents.training_id}/bookings"
        entries = f"competitions/{self._parents.competition_id}/entries"
        results = f"competition-events/{self._parents.event_id}/results"
        while not end.is_set():
            # Names of athletes are not unique, so only the key prevents a second row.
            name, category = str(uuid4()), str(uuid4())
            athlete = await self._write(
                "athletes", name, {"name": name, **rows}, str(len(self._parents.centre_ids))
            )
            await self._write("categories", category, {"name": category})
            booking = await self._write(
                bookings, f"booking-{name}", {"athlete_id": str(athlete)}, "booked"
            )
            if random.random() < CANCELLED:  # noqa: S311 - no secret
                await self._write(f"bookings/{booking}/cancel", f"booking-{name}", {}, "cancelled")
            entry = await self._write(entries, f"entry-{name}", {"athlete_id": str(athlete)})
            await self._write_series(str(uuid4()))
            # One result for each entry: a second one could be replaced by a late first request.
            reps = str(random.randrange(300))  # noqa: S311 - no secret
            result = {"score": reps}
            await self._write(f"{results}/{entry}", f"result-{name}", result, reps, method="PUT")

    async def _write_series(self, name: str) -> None:
        """Create a series, and then move all its trainings."""
        today = datetime.now(UTC).date()
        series = {
            "name": name,
            "centre_id": self._parents.centre_ids[0],
            "weekdays": [1, 2, 3, 4, 5, 6, 7],
            "start": "18:00",
            "minutes": 60,
            "capacity": SEATS,
            "starts_on": (today + timedelta(days=1)).isoformat(),
            "ends_on": (today + timedelta(days=3)).isoformat(),
        }
        series_id = await self._write("series", name, series, "3 at 18:00")
        move = {"start": "19:00"}
        await self._write(f"series/{series_id}", name, move, "3 at 19:00", method="PATCH")

    async def _write(
        self, path: str, key: str, body: dict[str, Any], state: str = "", *, method: str = "POST"
    ) -> UUID:
        """Send the same request until it is acknowledged or fails permanently; return the id."""
        row_id = UUID(int=0)
        while True:
            sent = time.monotonic()
            try:
                response = await self._client.request(
                    method,
                    path,
                    json=body,
                    headers={"Idempotency-Key": key},
                    timeout=NO_ANSWER if random.random() < IMPATIENT else ANSWER,  # noqa: S311
                )
            except httpx.TransportError as error:
                self._said.count[type(error).__name__] += 1
            else:
                replayed = "Idempotency-Replayed" in response.headers
                self._said.count[f"{response.status_code}{' replayed' * replayed}"] += 1
                if response.is_success:
                    row_id = UUID(response.json()["id"])
                    self._said.acknowledged[key] = Written(row_id, state)
                    self.served = sent
                    break
                if _is_refusal(response):
                    self._said.refusals.append(response.text)
                    break
            await asyncio.sleep(BETWEEN_TRIES * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        await asyncio.sleep(BETWEEN_WRITES)
        return row_id


class Logins:
    """A person who logs in again and again. A login is not retried."""

    def __init__(self, client: httpx.AsyncClient, login: dict[str, str], said: Answers) -> None:
        self._client, self._login, self._said = client, login, said
        self.tokens: list[str] = []
        """The tokens of the acknowledged logins."""

    @classmethod
    async def invited(cls, client: httpx.AsyncClient, said: Answers) -> Self:
        """Make the account before the first kill."""
        login = {"email": "member@drill.example", "password": str(uuid4())}
        invited = await client.post("invitations", json={"email": login["email"]})
        acceptance = {
            "code": invited.raise_for_status().json()["code"],
            "password": login["password"],
        }
        (await client.post("invitations/accept", json=acceptance)).raise_for_status()
        return cls(client, login, said)

    async def write_until(self, end: asyncio.Event) -> None:
        """Log in until the event is set."""
        while not end.is_set():
            try:
                response = await self._client.post("sessions", json=self._login)
            except httpx.TransportError as error:
                self._said.count[type(error).__name__] += 1
            else:
                self._said.count[f"login {response.status_code}"] += 1
                if response.is_success:
                    self.tokens.append(response.json()["token"])
                # Attempts that a kill cuts short count as failed, so some are delayed.
                elif _is_refusal(response) and response.status_code != 429:
                    self._said.refusals.append(response.text)
            await asyncio.sleep(BETWEEN_LOGINS)

    async def lost(self) -> int:
        """Return how many of the tokens do not work."""
        lost = 0
        for token in self.tokens:
            me = await self._client.get("me", headers={"Authorization": f"Bearer {token}"})
            lost += not me.is_success
        return lost


def _is_refusal(response: httpx.Response) -> bool:
    """Return whether a retry would be rejected too."""
    if response.status_code == httpx.codes.CONFLICT:
        return bool(response.json()["type"] != KeyInFlight.type.uri)
    return response.is_client_error


@asynccontextmanager
async def _writing(writers: Sequence[Writer | Logins]) -> AsyncIterator[None]:
    """Run the writers during the context, then let them finish the writes that have begun."""
    end = asyncio.Event()
    tasks = [asyncio.create_task(writer.write_until(end)) for writer in writers]
    try:
        yield
        end.set()
        async with _recovering("finish the writes that had begun"):
            await asyncio.gather(*tasks)
    except NotRecovered:
        for task in tasks:
            if task.done():  # its own error explains more
                task.result()
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _back_after(kill: Callable[[], None], writers: list[Writer]) -> float:
    """Kill, then return the seconds until each writer had a new request acknowledged."""
    begun = time.monotonic()
    await asyncio.to_thread(kill)
    killed = time.monotonic()
    async with _recovering("answer every writer again"):
        while not all(writer.served > killed for writer in writers):  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.01)
    return time.monotonic() - begun


@asynccontextmanager
async def _recovering(what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(RECOVERY):
            yield
    except TimeoutError:
        raise NotRecovered(f"the service did not {what} within {RECOVERY:.0f} s") from None


class Faults(Protocol):
    """What happens to the database in each round."""

    plan: str
    settings: Mapping[str, str]
    """Settings of the service."""

    async def prepare(self) -> None:
        """Prepare a round, before the writers write."""

    async def inflict(self, writers: list[Writer]) -> str:
        """Disturb the database while the writers write; say when the service recovered."""


class Kills:
    """Kills of the server, which starts again on the same data."""

    plan = "kills one PostgreSQL backend, then the whole server"
    settings: Mapping[str, str] = {}

    def __init__(self, server: OwnPostgres) -> None:
        self._server = server

    async def prepare(self) -> None:
        """Need nothing."""

    async def inflict(self, writers: list[Writer]) -> str:
        """Kill a backend, then the whole server."""
        await asyncio.sleep(CALM)
        backend = await _back_after(lambda: kill_a_backend(self._server), writers)
        await asyncio.sleep(CALM)
        whole = await _back_after(lambda: kill_and_start(self._server), writers)
        return (
            f"{backend:.2f} s after a backend was killed and "
            f"{whole:.2f} s after the server was killed"
        )


class Failovers:
    """Promotions of a synchronous standby; the next round makes a standby of the new primary."""

    plan = "cuts off the standby, kills the primary, and promotes the standby"
    settings: Mapping[str, str] = HURRIED

    def __init__(self, primary: OwnPostgres, standbys: ExitStack) -> None:
        self._primary = self._standby = primary
        self._standbys = standbys
        """Stops the servers in the end."""

    async def prepare(self) -> None:
        """Make a standby of the primary."""
        start = self._standbys.enter_context
        self._standby = await asyncio.to_thread(start, temporary_standby(self._primary))
        await until_standbys(self._primary.administration_url(), 1)

    async def inflict(self, writers: list[Writer]) -> str:
        """Cut off the standby while the writers write, then promote it."""
        await asyncio.sleep(CALM)
        self._standby.follow(None)
        await until_standbys(self._primary.administration_url(), 0)
        await asyncio.sleep(CUT)
        seconds = await _back_after(self._fail_over, writers)
        return f"{seconds:.2f} s after the primary was killed"

    def _fail_over(self) -> None:
        self._primary.kill()
        self._standby.take_over(self._primary)
        self._primary = self._standby


async def until_standbys(url: str, number: int) -> None:
    """Wait until a primary has this number of connected synchronous standbys."""
    connection = await asyncpg.connect(url, timeout=ANSWER)
    try:
        async with _recovering("have the right standbys"):
            while await connection.fetchval(STANDBYS) != number:  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(0.01)
    finally:
        await connection.close()


def kill_a_backend(server: OwnPostgres) -> None:
    """Kill one backend process; PostgreSQL then ends all other backends and recovers."""
    backends = server.backends()
    random.choice(backends).kill()  # noqa: S311 - no secret
    wait_until_ended(backends)


def kill_and_start(server: OwnPostgres) -> None:
    """Kill the whole server and start it again on the same data directory."""
    server.kill()
    server.start()
