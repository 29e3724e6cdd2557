"""Faults: a database that is killed, restarts or hangs, and connections that are cut."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import AsyncMock

import asyncpg
import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response

from app.athletes.files.exporting import ROWS_AT_ONCE, _page_query
from app.commands.postgres.server import OwnPostgres
from app.conftest import API, lock_waiters, patient, served, unavailable
from app.core.errors import Unavailable

URL = f"{API}/categories"
DOES_NOT_ANSWER = "The database does not answer."


@pytest.fixture
async def service(own_server: OwnPostgres) -> AsyncIterator[AsyncClient]:
    """Provide a client of an app with its own server, which a test may kill or suspend."""
    async with served(patient(own_server.url()), 3) as client:
        yield client


@pytest.fixture
async def hurried_service(own_server: OwnPostgres) -> AsyncIterator[AsyncClient]:
    """Provide a client of an app with short timeouts and its own server."""
    limits = {"db_pool_wait": 0.5, "db_command_timeout": 0.5}
    settings = patient(own_server.url()).model_copy(update=limits)
    async with served(settings, 3) as client:
        yield client


async def every_kind(client: AsyncClient, key: str) -> list[Response]:
    """Read, list, write, write with a key, export and check readiness, all concurrently."""
    sent = (
        client.get(f"{URL}/019aa8a5-3f0c-7c4e-9d0f-6f2d1c7a5b10"),
        client.get(f"{API}/athletes"),
        client.post(URL, json={"name": f"{key} written"}),
        client.post(URL, json={"name": f"{key} once"}, headers={"Idempotency-Key": key}),
        client.get(f"{API}/athletes/export"),
        client.get("/health/ready"),
    )
    return list(await asyncio.gather(*sent))


WELL = [404, 200, 201, 201, 200, 200]


async def recovered(client: AsyncClient) -> None:
    """Poll readiness until the service has recovered by itself."""
    async with asyncio.timeout(30):
        while (await client.get("/health/ready")).status_code != 200:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_requests_get_503_until_a_killed_database_is_restarted(
    service: AsyncClient, own_server: OwnPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    assert [answer.status_code for answer in await every_kind(service, "before")] == WELL
    for number in range(2):
        await asyncio.to_thread(own_server.kill)
        for answer in await every_kind(service, f"down-{number}"):
            assert unavailable(answer) == DOES_NOT_ANSWER
        assert (await service.get("/health/live")).status_code == 200

        await asyncio.to_thread(own_server.start)
        await recovered(service)
        after = await every_kind(service, f"after-{number}")
        assert [answer.status_code for answer in after] == WELL

    assert {record.exc_info for record in caplog.records} == {None}
    names = [item["name"] for item in (await service.get(URL)).json()["items"]]
    assert sorted(names) == sorted(
        f"{when} {how}" for when in ("before", "after-0", "after-1") for how in ("once", "written")
    )


@pytest.mark.slow
async def test_requests_get_503_while_the_database_hangs(
    hurried_service: AsyncClient, own_server: OwnPostgres
) -> None:
    await asyncio.to_thread(own_server.suspend)
    async with asyncio.timeout(30):
        for key in ("a", "b"):  # first on open connections, then on new ones
            for answer in await every_kind(hurried_service, key):
                unavailable(answer)
        assert (await hurried_service.get("/health/live")).status_code == 200

    await asyncio.to_thread(own_server.resume)
    await recovered(hurried_service)
    after = await every_kind(hurried_service, "after")
    assert [answer.status_code for answer in after] == WELL


@pytest.mark.slow
async def test_a_keyed_write_that_is_retried_after_a_kill_is_done_once(
    service: AsyncClient, own_server: OwnPostgres
) -> None:
    rx = (await service.post(URL, json={"name": "Rx"})).json()
    request: dict[str, Any] = {
        "url": f"{API}/athletes",
        "json": {"name": "Mara", "category_id": rx["id"]},
        "headers": {"Idempotency-Key": "mara"},
    }
    for _ in range(3):
        sent = [asyncio.ensure_future(service.post(**request)) for _ in range(3)]
        await asyncio.to_thread(own_server.kill)
        answers = await asyncio.gather(*sent)
        assert {answer.status_code for answer in answers} <= {201, 503}
        await asyncio.to_thread(own_server.start)
        await recovered(service)

    assert (await service.post(**request)).status_code == 201
    assert (await service.get(f"{API}/athletes?total=true")).json()["total"] == 1


class TestCut:
    @pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "once"}])
    async def test_a_write_whose_connection_is_cut_gets_503_and_can_be_retried(
        self, pooled_client: AsyncClient, other: asyncpg.Connection, key: dict[str, str]
    ) -> None:
        async with other.transaction():
            await other.execute(
                "INSERT INTO categories (id, name, name_key) VALUES (gen_random_uuid(), 'Rx', 'rx')"
            )
            sent = asyncio.ensure_future(pooled_client.post(URL, json={"name": "Rx"}, headers=key))
            await lock_waiters(other)
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock'"
            )
            cut = await sent
            await other.execute("DELETE FROM categories")

        assert unavailable(cut) == DOES_NOT_ANSWER
        again = await pooled_client.post(URL, json={"name": "Rx"}, headers=key)
        assert again.status_code == 201
        assert "Idempotency-Replayed" not in again.headers

    async def test_connections_that_are_cut_while_idle_cause_no_error(
        self, own_database: str, other: asyncpg.Connection
    ) -> None:
        async with served(patient(own_database), 2) as client:
            for _ in range(3):
                await other.execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                    " WHERE application_name = 'crossfit-api' AND datname = current_database()"
                )
                await asyncio.sleep(0.05)
                answers = await asyncio.gather(*(client.get(URL) for _ in range(20)))
                assert {answer.status_code for answer in answers} == {200}

    async def test_an_export_is_cut_off_if_the_database_fails_midway(
        self,
        app: FastAPI,
        client: AsyncClient,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        members = "reference,name,category\n" + "".join(
            f"M-{number},Mara,Rx\n" for number in range(ROWS_AT_ONCE + 1)
        )
        file: dict[str, Any] = {"content": members, "headers": {"Content-Type": "text/csv"}}
        await client.post(f"{API}/athletes/import", **file)
        first_page = await app.state.database.rows(_page_query(after=False), {})
        pages = AsyncMock(side_effect=[first_page, Unavailable(DOES_NOT_ANSWER)])
        monkeypatch.setattr(app.state.database, "rows", pages)

        with pytest.raises(AssertionError):  # from httpx, because the response is incomplete
            await client.get(f"{API}/athletes/export")

        (record,) = caplog.records
        assert record.getMessage() == f"response cut off: {DOES_NOT_ANSWER}"
        assert (record.levelno, record.exc_info) == (logging.WARNING, None)
