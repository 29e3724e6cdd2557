"""The rules of trainings under random requests: against a model, and with many clients at once."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from httpx import AsyncClient, Response
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.conftest import API, Create, Json
from app.core.db import transactions
from app.trainings.tests.conftest import Gym, Pass, at
from app.trainings.tests.model import Centre, Model
from app.trainings.tests.rules import broken_rules

pytestmark = pytest.mark.slow

Step = tuple[str, tuple[Any, ...]]
"""An action and its arguments. A number chooses a training or booking, modulo how many exist."""

MINUTES = [30, 90, 150, 210]
"""When trainings start. Time passes in steps of 20 minutes, so it never equals a start."""
BEGUN = -30
"""A start in the past."""
PASSING = [20, 20, 100, 7 * 24 * 60]
"""Times that pass: from one training to the next, and until attendance is settled."""

centres = st.integers(0, 1)
athletes = st.integers(0, 4)
some = st.integers(0, 30)
minutes = st.sampled_from(MINUTES)
sizes = st.integers(1, 4)

STEPS: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "schedule": st.tuples(centres, minutes, st.sampled_from([60, 120]), sizes),
    "book": st.tuples(some, athletes, st.sampled_from([True, True, False])),
    "cancel": st.tuples(some),
    "check_in": st.tuples(some),
    "undo_check_in": st.tuples(some),
    "check_out": st.tuples(some),
    "come": st.tuples(some, athletes),
    "resize": st.tuples(some, sizes),
    "move": st.tuples(
        some,
        st.sampled_from([BEGUN, *MINUTES]),
        st.sampled_from([None, 60, 120]),
        st.none() | centres,
    ),
    "limit": st.tuples(centres, st.none() | st.integers(3, 12)),
    "cancel_training": st.tuples(some),
    "wait": st.tuples(st.sampled_from(PASSING)),
}
BEGIN: list[Step] = [("schedule", (number % 2, 30 + number * 30, 60, 2)) for number in range(4)]


def steps(names: list[str], **size: int) -> st.SearchStrategy[list[Step]]:
    """Generate a series of steps."""
    one = st.sampled_from(names).flatmap(lambda name: st.tuples(st.just(name), STEPS[name]))
    return st.lists(one, **size)  # type: ignore[arg-type]


def chosen(things: list[Any], number: int) -> Any:
    """Return the thing that a number chooses, modulo how many exist."""
    return things[number % len(things)]


class World:
    """Two centres and their athletes; sends each step as a request."""

    def __init__(self, gym: Gym, name: str, centre_ids: list[str], athlete_ids: list[str]) -> None:
        self.gym, self.name = gym, name
        self.centre_ids, self.athlete_ids = centre_ids, athlete_ids
        self.trainings: list[Json] = []
        self.bookings: list[Json] = []

    @classmethod
    async def create(cls, client: AsyncClient, create: Create, name: str) -> "World":
        """Create the centres and athletes, with a name that no other world has."""
        gym = await Gym.opened_by(client, create, name)
        second = await create("centres", {"name": f"{name}, second"})
        athlete_ids = [await gym.athlete(reference=f"{name}, {number}") for number in range(5)]
        return cls(gym, name, [gym.centre_id, second["id"]], athlete_ids)

    async def take(self, step: Step) -> Response | None:
        """Send the request of a step; return None if no training or booking exists for it yet."""
        name, (*what,) = step
        client = self.gym.client
        match name, what:
            case "schedule", (centre, start, length, capacity):
                plan = self.gym.plan(timedelta(minutes=start), timedelta(minutes=length))
                there = {"capacity": capacity, "centre_id": self.centre_ids[centre]}
                response = await client.post(f"{API}/trainings", json=plan | there)
                self._keep(self.trainings, response)
            case "limit", (centre, capacity):
                url = f"{API}/centres/{self.centre_ids[centre]}"
                response = await client.patch(url, json={"capacity": capacity})
            case (("book" | "come" | "resize" | "move" | "cancel_training"), (number, *_)):
                if not self.trainings:
                    return None
                response = await self._change(name, chosen(self.trainings, number), *what[1:])
            case _, (number,):
                if not self.bookings:
                    return None
                action = name.replace("_", "-")
                response = await self.gym.act(chosen(self.bookings, number), action)
        return response

    async def _change(self, name: str, training: Json, *what: Any) -> Response:
        url = f"{API}/trainings/{training['id']}"
        if name == "book":
            athlete, waitlist = what
            athlete_id = self.athlete_ids[athlete]
            response = await self.gym.ask(training, athlete_id, waitlist=waitlist)
            self._keep(self.bookings, response)
            return response
        if name == "come":
            reference = {"reference": f"{self.name}, {what[0]}"}
            response = await self.gym.client.post(f"{url}/check-in", json=reference)
            self._keep(self.bookings, response)
            return response
        if name == "cancel_training":
            return await self.gym.client.post(f"{url}/cancel")
        if name == "resize":
            return await self.gym.client.patch(url, json={"capacity": what[0]})
        begin, length, centre = what
        start = self.gym.opened + timedelta(minutes=begin)
        place = {"starts_at": at(start)}
        if length is not None:
            place["ends_at"] = at(start + timedelta(minutes=length))
        if centre is not None:
            place["centre_id"] = self.centre_ids[centre]
        return await self.gym.client.patch(url, json=place)

    @staticmethod
    def _keep(things: list[Json], response: Response) -> None:
        if response.status_code < 300:
            found = response.json()
            if all(one["id"] != found["id"] for one in things):
                things.append(found)


def expected(model: Model, step: Step) -> str | None:
    """Take a step in the model; return the expected response, None as ``World.take`` does."""
    name, (*what,) = step
    match name, what:
        case "schedule", (centre, start, length, capacity):
            start += model.now
            return model.schedule(model.centres[centre], start, start + length, capacity)
        case "limit", (centre, capacity):
            return model.limit(model.centres[centre], capacity)
        case "book", (number, athlete, waitlist) if model.trainings:
            return model.book(chosen(model.trainings, number), athlete, waitlist=waitlist)
        case "resize", (number, capacity) if model.trainings:
            return model.resize(chosen(model.trainings, number), capacity)
        case "come", (number, athlete) if model.trainings:
            return model.come(chosen(model.trainings, number), athlete)
        case "move", (number, start, length, centre) if model.trainings:
            start += model.now
            end = None if length is None else start + length
            there = None if centre is None else model.centres[centre]
            return model.move(chosen(model.trainings, number), start, end, there)
        case "cancel_training", (number,) if model.trainings:
            return model.cancel_training(chosen(model.trainings, number))
        case (
            ("cancel" | "check_in" | "undo_check_in" | "check_out"),
            (number,),
        ) if model.bookings:
            change: Callable[..., str] = getattr(model, name)
            return change(chosen(model.bookings, number))
    return None


def kind(response: Response | None) -> str | None:
    """Return the status code of a response, and the problem type of an error."""
    if response is None:
        return None
    status = str(response.status_code)
    return f"{status} {response.json()['type'].rpartition('/')[2]}" if status >= "4" else status


count_worlds = iter(range(10**6))


@settings(
    max_examples=50,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(taken=steps([*STEPS, *["book"] * 8, *["cancel"] * 3, "resize"], min_size=10, max_size=40))
async def test_each_response_matches_the_model(
    client: AsyncClient, create: Create, connection: Any, let_pass: Pass, taken: list[Step]
) -> None:
    world = await World.create(client, create, f"World {next(count_worlds)}")
    model = Model([Centre(None), Centre(None)])

    for step in [*BEGIN, *taken]:
        if step[0] == "wait":
            (passing,) = step[1]
            model.now += passing
            await let_pass(timedelta(minutes=passing))
        else:
            assert kind(await world.take(step)) == expected(model, step), step

    for training, told in zip(world.trainings, model.trainings, strict=True):
        found = await world.gym.read(f"trainings/{training['id']}")
        seats = found["seats"]
        assert found["centre"]["id"] == world.centre_ids[model.centres.index(told.centre)]
        assert found["status"] == told.status
        assert [seats[name] for name in ("capacity", "taken", "waiting", "over")] == [
            told.capacity,
            told.taken,
            told.waiting,
            told.over,
        ]
        page = await world.gym.read(f"trainings/{training['id']}/bookings?limit=100")
        assert [
            (
                one["athlete"]["id"],
                one["status"],
                bool(one["checked_in_at"]),
                bool(one["checked_out_at"]),
            )
            for one in page["items"]
        ] == [
            (
                world.athlete_ids[one.athlete],
                one.status,
                one.in_at is not None,
                one.out_at is not None,
            )
            for one in told.bookings
        ]


class TestStorm:
    CLIENTS = 50
    STEPS = 8

    @pytest.fixture
    def client(self, pooled_client: AsyncClient) -> AsyncClient:
        return pooled_client

    @pytest.fixture(autouse=True)
    def no_retries(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Answer a deadlock with 503: the lock order must prevent deadlocks."""
        monkeypatch.setattr(transactions, "RETRIES", 0)

    @settings(
        max_examples=4,
        phases=[Phase.generate],  # a replay would not repeat the same timing
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(chance=st.randoms(use_true_random=True))
    async def test_every_rule_holds_during_concurrent_requests(
        self,
        client: AsyncClient,
        create: Create,
        other: asyncpg.Connection,
        chance: random.Random,
    ) -> None:
        world = await World.create(client, create, f"World {next(count_worlds)}")
        for step in BEGIN:
            await world.take(step)
        answers: Counter[str | None] = Counter()

        async def client_does(todo: list[Step]) -> None:
            for step in todo:
                answers[kind(await world.take(step))] += 1

        storm = asyncio.gather(
            *(
                client_does([any_step(chance) for _ in range(self.STEPS)])
                for _ in range(self.CLIENTS)
            )
        )
        samples = 0
        while not storm.done():
            assert await broken_rules(other) == []
            samples += 1
        await storm

        assert await broken_rules(other) == []
        assert samples > 2
        assert {answer[0] for answer in answers if answer} == {"2", "4"}
        assert answers["200"] > 20
        assert answers["201"] > 20


def any_step(chance: random.Random) -> Step:
    """Choose a random step."""
    what: dict[str, Callable[[], tuple[Any, ...]]] = {
        "schedule": lambda: (chance.randrange(2), chance.choice(MINUTES), 60, chance.randint(1, 4)),
        "book": lambda: (chance.randrange(30), chance.randrange(5), chance.random() < 0.8),
        "cancel": lambda: (chance.randrange(30),),
        "check_in": lambda: (chance.randrange(30),),
        "undo_check_in": lambda: (chance.randrange(30),),
        "check_out": lambda: (chance.randrange(30),),
        "come": lambda: (chance.randrange(30), chance.randrange(5)),
        "resize": lambda: (chance.randrange(30), chance.randint(1, 4)),
        "move": lambda: (
            chance.randrange(30),
            chance.choice([BEGUN, *MINUTES]),
            chance.choice([None, 60]),
            chance.choice([None, 0, 1]),
        ),
        "limit": lambda: (chance.randrange(2), chance.choice([None, 4, 8, 12])),
        "cancel_training": lambda: (chance.randrange(30),),
    }
    often = {"book": 10, "cancel": 5, "check_in": 3, "resize": 3, "move": 3, "come": 2}
    (name,) = chance.choices(list(what), [often.get(one, 1) for one in what])
    return name, what[name]()
