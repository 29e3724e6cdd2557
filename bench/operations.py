"""The measured operations: their requests, and preparing and cleaning up the database."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

import httpx

from app.athletes.models import AthleteCreate
from bench.database import FIRST_NAMES, STEMS, Sample, tidy
from bench.load import Request

ATHLETES = "/api/v1/athletes"
MARK = "B-"
"""The prefix of the references of athletes that a benchmark creates."""
MOST_WRITES = 16_000
"""Prepared creates or deletes per second: more than any opponent can process."""

PATIENCE = 30.0
"""Seconds to wait for statements in flight."""
PAGES = 10
"""The number of list pages that requests ask for."""

_numbers = count()
"""Makes references and email addresses unique."""


@dataclass(frozen=True)
class Slot:
    """The parameters of one measurement of one operation of one opponent."""

    url: str
    sample: Sample
    connection: Any
    chance: random.Random
    seconds: float
    caller: Mapping[str, str]
    """The headers of the caller, which only the service needs."""

    @property
    def most_writes(self) -> int:
        """The number of requests to prepare if each can succeed only once."""
        return round(MOST_WRITES * self.seconds)

    def some_ids(self, number: int) -> list[str]:
        """Return the ids of random athletes, with repetition."""
        return [str(row_id) for row_id in self.chance.choices(self.sample.athlete_ids, k=number)]


@dataclass(frozen=True)
class Operation:
    """A kind of request that is measured."""

    name: str
    requests: Callable[[Slot], Coroutine[Any, Any, list[Request]]]
    writes: bool = False
    incomparable: frozenset[str] = frozenset()
    """Fields of the response that may differ between opponents."""


async def _get(slot: Slot) -> list[Request]:
    return [Request("GET", f"{ATHLETES}/{row_id}") for row_id in slot.some_ids(10_000)]


async def _get_known(slot: Slot) -> list[Request]:
    async with httpx.AsyncClient(base_url=slot.url, headers=slot.caller, trust_env=False) as client:
        requests = []
        for row_id in slot.some_ids(200):
            path = f"{ATHLETES}/{row_id}"
            tag = (await client.get(path)).headers.get("ETag", '"none"')
            requests.append(Request("GET", path, headers=(("If-None-Match", tag),)))
    return requests


async def _list(slot: Slot) -> list[Request]:
    """Ask for the first pages: by the ``next`` link if the opponent has one, else by offset."""
    paths = [f"{ATHLETES}?limit=50"]
    async with httpx.AsyncClient(base_url=slot.url, headers=slot.caller, trust_env=False) as client:
        while len(paths) < PAGES:
            following = (await client.get(paths[-1])).json().get("next")
            paths.append(following or f"{ATHLETES}?limit=50&offset={50 * len(paths)}")
    return [Request("GET", path) for path in paths]


async def _list_by_centre(slot: Slot) -> list[Request]:
    centres = slot.chance.choices(slot.sample.centre_ids, k=100)
    return [Request("GET", f"{ATHLETES}?limit=50&centre_id={centre_id}") for centre_id in centres]


async def _search(slot: Slot) -> list[Request]:
    stems = slot.chance.sample(STEMS, k=len(STEMS))
    return [Request("GET", f"{ATHLETES}?limit=50&name={stem.lower()}") for stem in stems]


async def _create(slot: Slot) -> list[Request]:
    return [Request("POST", ATHLETES, _payload(slot)) for _ in range(slot.most_writes)]


async def _create_in_full(slot: Slot) -> list[Request]:
    """Send the example of the OpenAPI document, so that no field is missing."""
    (example,) = AthleteCreate.model_json_schema()["examples"]
    parents = {
        "category_id": str(slot.sample.category_ids[0]),
        "centre_ids": [str(centre_id) for centre_id in slot.sample.centre_ids[:2]],
    }
    return [Request("POST", ATHLETES, {**example, **parents, "reference": f"{MARK}0"})]


async def _patch(slot: Slot) -> list[Request]:
    return [
        Request("PATCH", f"{ATHLETES}/{row_id}", {"weight_kg": slot.chance.randrange(50, 110)})
        for row_id in slot.some_ids(10_000)
    ]


async def _delete(slot: Slot) -> list[Request]:
    rows = await slot.connection.fetch(
        VICTIMS, slot.most_writes, f"{MARK}{next(_numbers)}-", slot.sample.centre_ids[0]
    )
    return [Request("DELETE", f"{ATHLETES}/{row['id']}") for row in rows]


VICTIMS = """
    WITH made AS (
        INSERT INTO athletes (id, name, name_key, reference, category_id)
        SELECT uuidv7(), 'Ana Alva', 'ana alva', $2 || number, (SELECT id FROM categories LIMIT 1)
        FROM generate_series(1, $1::int) AS number
        RETURNING id
    ), enrolled AS (
        INSERT INTO enrolments (athlete_id, centre_id) SELECT id, $3 FROM made
    )
    SELECT id FROM made
"""

UNDER_WAY = """
    SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()
"""

GET = Operation("get", _get)
GET_KNOWN = Operation("get known", _get_known)
"""With the athlete's ``ETag``: the service answers 304, the others with the whole body."""
LIST = Operation("list 50", _list, incomparable=frozenset({"next", "total"}))
CREATE = Operation(
    "create",
    _create,
    writes=True,
    incomparable=frozenset({"id", "created_at", "updated_at", "reference", "email"}),
)
CREATE_IN_FULL = Operation(
    "create with each field",
    _create_in_full,
    writes=True,
    incomparable=frozenset({"id", "created_at", "updated_at"}),
)
"""Not measured, only compared: the measured ``create`` does not send all fields."""
OPERATIONS = (
    GET,
    GET_KNOWN,
    LIST,
    Operation("list by centre", _list_by_centre, incomparable=LIST.incomparable),
    Operation("search", _search, incomparable=LIST.incomparable),
    CREATE,
    Operation("patch", _patch, writes=True, incomparable=frozenset({"version", "updated_at"})),
    Operation("delete", _delete, writes=True),
)


async def quiet(connection: Any) -> None:
    """Wait until no statement is in flight: the last ones may still run when a load has ended."""
    async with asyncio.timeout(PATIENCE):
        while await connection.fetchval(UNDER_WAY):  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.01)


async def clean(connection: Any) -> None:
    """Delete the created athletes and vacuum, so that each measurement starts with equal tables."""
    await quiet(connection)
    await connection.execute("DELETE FROM athletes WHERE reference LIKE $1", f"{MARK}%")
    await tidy(connection)


def _payload(slot: Slot) -> dict[str, Any]:
    chance, who = slot.chance, f"{MARK}{next(_numbers)}"
    parents = chance.choice(slot.sample.category_ids), chance.sample(slot.sample.centre_ids, 2)
    return payload(who, f"{chance.choice(FIRST_NAMES)} Lindqvist", *parents)


def payload(
    reference: str, name: str, category_id: UUID, centre_ids: Sequence[UUID]
) -> dict[str, Any]:
    """Return the request body that creates an athlete."""
    return {
        "name": name,
        "reference": reference,
        "email": f"{reference}@example.com",
        "birth_date": "1994-05-17",
        "sex": "female",
        "height_cm": 168.5,
        "weight_kg": 64.25,
        "category_id": str(category_id),
        "centre_ids": [str(centre_id) for centre_id in centre_ids],
    }


def comparable(answer: Any, incomparable: frozenset[str]) -> Any:
    """Normalise a response body, so that equal results compare equal."""
    if isinstance(answer, dict):
        return {
            name: comparable(value, frozenset())
            for name, value in answer.items()
            if name not in incomparable
        }
    if isinstance(answer, list):
        return [comparable(item, frozenset()) for item in answer]
    if isinstance(answer, str) and answer[10:11] == "T":
        return datetime.fromisoformat(answer).astimezone(UTC)
    return answer
