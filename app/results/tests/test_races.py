"""Results that are written, ranked and read at the same time, on a database of their own."""

import asyncio
from collections import Counter
from itertools import count
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from httpx import AsyncClient

from app.commands.prove.journal import unequal_to_journal
from app.competitions.tests.throwdown import (
    LOCK_BOARD,
    LOCK_COMPETITION,
    Throwdown,
    in_order,
    kind,
    scores_on,
)
from app.conftest import API, lock_waiters, patient
from app.core.db import transactions
from app.core.db.pool import connected
from app.core.db.statements import Statement
from app.identity.tests.callers import ADMIN, MEMBER
from app.leaderboards import crud, refresh

pytestmark = pytest.mark.slow

LOCK_RANKING = "SELECT FROM rankings WHERE competition_id = $1 FOR NO KEY UPDATE"


@pytest.fixture(autouse=True)
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer a deadlock with 503: the lock order must prevent deadlocks."""
    monkeypatch.setattr(transactions, "RETRIES", 0)


@pytest.fixture
def client(pooled_client: AsyncClient) -> AsyncClient:
    return pooled_client


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often computations have ``begun``, and how often something was computed."""
    computed: Counter[str] = Counter()
    original = refresh.refresh_query

    def counted(*, breaks_ties: bool) -> Statement:
        computed["times"] += 1
        return original(breaks_ties=breaks_ties)

    refreshed = refresh.refresh

    async def begun(*of_board: Any) -> None:
        computed["begun"] += 1
        await refreshed(*of_board)

    monkeypatch.setattr(refresh, "refresh_query", counted)
    monkeypatch.setattr(refresh, "refresh", begun)
    return computed


def seconds(number: int) -> str:
    """Format a time in seconds as a score."""
    return f"{number // 60}:{number % 60:02}"


class TestWriters:
    async def test_50_judges_at_once_each_see_their_result_on_the_board(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        throwdown = await Throwdown.opened_by(client, 50)

        async def judge(number: int, entry_id: str) -> None:
            for score in (seconds(100 + number), seconds(60 + number)):
                response = await throwdown.put(entry_id, score)
                assert response.status_code == 200, response.text
                board = await throwdown.board()
                assert scores_on(board)[entry_id] == score

        await asyncio.gather(
            *(judge(number, entry_id) for number, entry_id in enumerate(throwdown.entry_ids))
        )

        board = await throwdown.board()
        assert board["revision"] == 50 + 100  # the entries, and two results of each
        assert [(row["rank"], row["entry_id"]) for row in board["items"]] == [
            (rank, entry_id) for rank, entry_id in enumerate(throwdown.entry_ids, start=1)
        ]
        assert await other.fetchval("SELECT count(*) FROM result_changes") == 50
        assert await unequal_to_journal(other, [ADMIN.id, MEMBER.id]) == []

    async def test_of_two_judges_of_one_result_the_second_one_counts(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        throwdown = await Throwdown.opened_by(client, 1)
        (entry_id,) = throwdown.entry_ids

        requests = [throwdown.put(entry_id, score) for score in ("6:21", "6:20")]
        answers = await in_order(other, LOCK_BOARD, throwdown.id, requests)

        assert [(kind(one), one.json()["version"]) for one in answers] == [("200", 1), ("200", 2)]
        assert await throwdown.scores() == {entry_id: "6:20"}
        assert (await throwdown.board())["revision"] == 3

    async def test_a_result_that_is_reviewed_and_deleted_at_once_has_both_or_is_gone(
        self, client: AsyncClient
    ) -> None:
        throwdown = await Throwdown.opened_by(client, 5)
        for entry_id in throwdown.entry_ids:
            result = (await throwdown.put(entry_id, "6:21")).json()
            url = f"{API}/results/{result['id']}"

            reviewed, deleted = await asyncio.gather(
                client.post(f"{url}/review", json={"review": "valid"}), client.delete(url)
            )

            assert kind(deleted) == "204"
            assert kind(reviewed) in {"200", "404 not-found"}
        assert set((await throwdown.scores()).values()) == {None}


class TestFinal:
    async def test_a_final_board_has_each_acknowledged_result_and_never_changes(
        self, client: AsyncClient
    ) -> None:
        throwdown = await Throwdown.opened_by(client, 10)
        acknowledged: dict[str, str] = {}
        answers: Counter[str] = Counter()
        under_way = asyncio.Event()

        async def judge(entry_id: str) -> None:
            for number in count():
                response = await throwdown.put(entry_id, seconds(60 + number))
                answers[kind(response)] += 1
                if response.status_code != 200:
                    return
                acknowledged[entry_id] = seconds(60 + number)
                if len(acknowledged) == 10:
                    under_way.set()

        async with asyncio.timeout(10):
            judges = asyncio.gather(*(judge(entry_id) for entry_id in throwdown.entry_ids))
            await under_way.wait()
            finalised = await throwdown.move("finalise")
            board = await throwdown.board()
            await judges

        assert kind(finalised) == "200"
        assert board["provisional"] is False
        assert scores_on(board) == acknowledged
        assert answers == {"200": answers["200"], "409 wrong-state": 10}
        assert await throwdown.board() == board

        assert kind(await throwdown.move("reopen", reason="A mistake.")) == "200"
        (entry_id, *_) = throwdown.entry_ids
        assert kind(await throwdown.put(entry_id, "0:30")) == "200"
        assert (await throwdown.scores())[entry_id] == "0:30"

    async def test_a_result_counts_only_if_it_is_acknowledged_before(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        for first in ("finalise", "result"):
            throwdown = await Throwdown.opened_by(client, 1, first)
            (entry_id,) = throwdown.entry_ids
            requests = [throwdown.move("finalise"), throwdown.put(entry_id, "6:21")]

            ordered = requests if first == "finalise" else reversed(requests)
            answers = await in_order(other, LOCK_COMPETITION, throwdown.id, ordered)

            assert [kind(answer) for answer in answers] == (
                ["200", "409 wrong-state"] if first == "finalise" else ["200", "200"]
            )
            assert await throwdown.scores() == {entry_id: None if first == "finalise" else "6:21"}


class TestComputation:
    async def test_readers_at_once_share_one_computation(
        self, client: AsyncClient, computed: Counter[str]
    ) -> None:
        throwdown = await Throwdown.opened_by(client, 3)

        boards = await asyncio.gather(*(throwdown.board() for _ in range(20)))

        assert computed["times"] == 1
        assert computed["begun"] < 5
        assert {board["revision"] for board in boards} == {3}

    async def test_two_servers_at_once_compute_a_board_once(
        self,
        client: AsyncClient,
        own_database: str,
        other: asyncpg.Connection,
        computed: Counter[str],
    ) -> None:
        throwdown = await Throwdown.opened_by(client, 3)
        await throwdown.board()
        await throwdown.put(throwdown.entry_ids[0], "6:21")
        computed.clear()
        board = UUID(throwdown.id), UUID(throwdown.category_id)

        async with connected(patient(own_database), 2) as database:
            async with other.transaction():
                await other.execute(LOCK_RANKING, throwdown.id)
                running = [
                    asyncio.ensure_future(refresh.refresh(database, *board)) for _ in range(2)
                ]
                await lock_waiters(other, 2)
            await asyncio.gather(*running)

        assert computed["times"] == 1
        assert (await throwdown.scores())[throwdown.entry_ids[0]] == "6:21"

    async def test_two_servers_at_once_compute_a_new_board(
        self, client: AsyncClient, own_database: str, computed: Counter[str]
    ) -> None:
        throwdown = await Throwdown.opened_by(client, 3)
        board = UUID(throwdown.id), UUID(throwdown.category_id)

        async with connected(patient(own_database), 4) as database:
            await asyncio.gather(*(refresh.refresh(database, *board) for _ in range(4)))

        assert computed["times"] == 1

    async def test_judges_do_not_wait_for_a_computation(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        throwdown = await Throwdown.opened_by(client, 1)
        await throwdown.board()

        async with other.transaction():
            await other.execute(LOCK_RANKING, throwdown.id)
            answer = await throwdown.put(throwdown.entry_ids[0], "6:21")

        assert kind(answer) == "200"

    async def test_an_entry_may_be_deleted_during_the_computation(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        throwdown = await Throwdown.opened_by(client, 2)
        going, staying = throwdown.entry_ids

        async with other.transaction():
            await other.execute("DELETE FROM entries WHERE id = $1", going)
            reading = asyncio.ensure_future(throwdown.board())
            await lock_waiters(other)

        assert [row["entry_id"] for row in (await reading)["items"]] == [staying]

    async def test_ties_are_broken_as_the_competition_says_in_the_end(
        self, client: AsyncClient, other: asyncpg.Connection
    ) -> None:
        throwdown = await Throwdown.opened_by(client, 3)
        second = await throwdown.add_event()
        # The places are 1 and 3, 2 and 2, 3 and 1.
        for event_id, times in ((throwdown.event_id, (1, 2, 3)), (second, (3, 2, 1))):
            for entry_id, time in zip(throwdown.entry_ids, times, strict=True):
                await throwdown.put(entry_id, seconds(time), event_id)
        assert kind(await throwdown.change(overall_tie="shared")) == "200"
        assert await ranks(throwdown) == [1, 1, 1]
        await throwdown.put(throwdown.entry_ids[1], "0:02.5")

        async with other.transaction():
            await other.execute(LOCK_RANKING, throwdown.id)
            reading = asyncio.ensure_future(throwdown.board())
            await lock_waiters(other)
            assert kind(await throwdown.change(overall_tie="best_places")) == "200"
        await reading

        assert await ranks(throwdown) == [1, 3, 1]


async def ranks(throwdown: Throwdown) -> list[int]:
    """Read the ranks of the entries."""
    found = {row["entry_id"]: row["rank"] for row in (await throwdown.board())["items"]}
    return [found[entry_id] for entry_id in throwdown.entry_ids]


class TestLargeBoard:
    """Boards whose readers do not wait."""

    @pytest.fixture
    async def throwdown(self, client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> Throwdown:
        throwdown = await Throwdown.opened_by(client, 2)
        monkeypatch.setattr(crud, "SMALL", 1)
        await throwdown.board()
        return throwdown

    async def test_a_reader_gets_the_last_ranking_while_the_next_one_is_computed(
        self, throwdown: Throwdown, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = throwdown.entry_ids
        await throwdown.put(first, "6:21")
        await let_pass(1.2, other, monkeypatch)

        async with other.transaction():
            await other.execute(LOCK_RANKING, throwdown.id)
            board = await throwdown.board()
            await lock_waiters(other)

        assert board["revision"] == 2
        assert scores_on(board) == {first: None, second: None}
        async with asyncio.timeout(2):
            while (await throwdown.board())["revision"] < 3:
                pass
        assert await throwdown.scores() == {first: "6:21", second: None}

    async def test_a_reader_waits_for_the_next_ranking_if_the_last_one_is_old(
        self, throwdown: Throwdown, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = throwdown.entry_ids
        await throwdown.put(first, "6:21")
        await let_pass(2, other, monkeypatch)

        assert await throwdown.scores() == {first: "6:21", second: None}

    async def test_it_is_not_computed_again_at_once(
        self, throwdown: Throwdown, computed: Counter[str]
    ) -> None:
        await throwdown.put(throwdown.entry_ids[0], "6:21")
        await throwdown.board()
        assert computed["times"] == 0


async def let_pass(
    seconds: float, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let time pass since each ranking was computed, and since a reader found it up to date."""
    await other.execute(
        "UPDATE rankings SET ranked_at = statement_timestamp() - $1 * interval '1 second'", seconds
    )
    monkeypatch.setattr(refresh, "monotonic", lambda: monotonic() + seconds)
