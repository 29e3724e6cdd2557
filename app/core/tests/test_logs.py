"""The log: one line for each request, in one format, without data from requests."""

import json
import os
import pty
import subprocess
import sys
from typing import Any

import asyncpg
import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from app.commands.project import ROOT
from app.conftest import API, Create, Json
from app.core import logs
from app.identity.tests.callers import ADMIN

PERSONAL = "X1234567"
NO_CATEGORY = "01920000-0000-7000-8000-000000000000"
"""Constant, because test IDs contain it and must be equal in every process."""


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the parsed log lines."""
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


class TestRequests:
    @pytest.mark.parametrize(
        ("method", "path", "route", "status"),
        [
            ("GET", f"{API}/categories/{NO_CATEGORY}", f"{API}/categories/{{category_id}}", 404),
            ("HEAD", f"{API}/athletes?name=mara", f"{API}/athletes", 200),
            ("POST", f"{API}/athletes", f"{API}/athletes", 422),
            ("OPTIONS", f"{API}/athletes", f"{API}/athletes", 204),
            ("PUT", "/health/live", "/health/live", 405),
            ("GET", "/docs", "/docs", 200),
            ("GET", "/static-offline-docs/favicon.png", None, 200),
            ("GET", "/nothing", None, 404),
        ],
    )
    async def test_each_request_is_one_line(
        self,
        client: AsyncClient,
        capfd: pytest.CaptureFixture[str],
        method: str,
        path: str,
        route: str | None,
        status: int,
    ) -> None:
        await client.request(method, path, headers={"X-Request-ID": "the-one"})

        (line,) = lines(capfd)
        assert line.pop("ms") > 0
        assert line.pop("timestamp").endswith("Z")
        of_caller = {"account": str(ADMIN.id), "token": str(ADMIN.id)}
        assert line == {
            "event": "request",
            "level": "info",
            "method": method,
            "route": route,
            "status": status,
            "request_id": "the-one",
            **(of_caller if status in {200, 404, 422} and API in path else {}),
        }

    async def test_no_personal_data_are_logged(
        self, client: AsyncClient, create: Create, capfd: pytest.CaptureFixture[str]
    ) -> None:
        rx = await create("categories", {"name": PERSONAL})
        mara: Json = {"name": PERSONAL, "national_id": PERSONAL, "category_id": rx["id"]}
        await client.post(f"{API}/athletes", json=mara, headers={"Idempotency-Key": PERSONAL})
        await client.post(f"{API}/athletes", json=mara)
        await client.post(f"{API}/athletes", json=mara | {PERSONAL: PERSONAL})
        await client.post(f"{API}/athletes/lookup", json={"national_id": PERSONAL})
        await client.get(f"{API}/athletes?name={PERSONAL}&reference={PERSONAL}&{PERSONAL}=1")
        await client.get(f"{API}/athletes/{PERSONAL}/{PERSONAL}")
        await client.post(
            f"{API}/athletes/import",
            content=f"name,national_id,category\n{PERSONAL},{PERSONAL},{PERSONAL}\n",
            headers={"Content-Type": "text/csv"},
        )

        logged = capfd.readouterr().err
        assert logged.count("\n") == 8
        assert PERSONAL not in logged


class TestErrors:
    async def test_an_unhandled_error_is_logged_with_traceback_and_request_id(
        self, app: FastAPI, client: AsyncClient, capfd: pytest.CaptureFixture[str]
    ) -> None:
        del app.state.database
        client.event_hooks = {}  # 500 is not documented

        await client.get(f"{API}/categories", headers={"X-Request-ID": "the-one"})

        logged = [line for line in lines(capfd) if line["event"] == "unhandled error"]
        (error,) = logged
        assert (error["level"], error["request_id"]) == ("error", "the-one")
        assert error["exception"].startswith("Traceback (most recent call last):")
        assert "admit" in error["exception"]

    async def test_a_database_error_is_logged_without_values(
        self,
        client: AsyncClient,
        capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(
            "app.core.db.constraints._fields", dict
        )  # so that no constraint is known
        client.event_hooks = {}
        for status in (201, 500):
            response = await client.post(f"{API}/categories", json={"name": PERSONAL})
            assert response.status_code == status

        (error,) = [line for line in lines(capfd) if line["event"] == "unhandled error"]
        assert asyncpg.UniqueViolationError.__name__ in error["exception"]
        assert PERSONAL.lower() not in error["exception"].lower()


class TestFormat:
    PROGRAM = """
import logging, sys
from app.core.logs import configure_logs
configure_logs(on_terminal=sys.stderr.isatty())
import structlog
structlog.get_logger().info("request", status=200)
secret = "X1234567"
try:
    raise RuntimeError("gone")
except RuntimeError:
    logging.getLogger("some.library").exception("failed")
logging.getLogger("uvicorn.error").info("Started")
logging.getLogger("uvicorn.access").info("GET /secret/path")
"""

    def run(self, stderr: int) -> None:
        subprocess.run([sys.executable, "-c", self.PROGRAM], cwd=ROOT, stderr=stderr, check=True)  # noqa: S603

    def test_without_a_terminal_every_line_is_json(self) -> None:
        read, write = os.pipe()
        self.run(write)
        os.close(write)
        with os.fdopen(read) as output:
            request, failed, started = map(json.loads, output)

        assert (request["event"], request["status"]) == ("request", 200)
        assert (failed["event"], failed["logger"]) == ("failed", "some.library")
        assert failed["exception"].endswith("RuntimeError: gone")
        assert (started["event"], started["level"]) == ("Started", "info")

    def test_on_a_terminal_lines_are_readable_and_show_no_variables(self) -> None:
        read, write = pty.openpty()
        self.run(write)
        output = os.read(read, 100_000).decode()
        os.close(write)
        os.close(read)

        assert "Traceback (most recent call last):" in output
        for words in ("request", "failed", "Started"):
            assert words in output
        for unwanted in ('{"', "X1234567", "/secret/path"):
            assert unwanted not in output

    async def test_a_request_succeeds_if_its_log_line_cannot_be_written(
        self, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise BrokenPipeError

        monkeypatch.setattr(logs.os, "write", broken)  # type: ignore[attr-defined]

        assert (await client.get("/health/live")).status_code == 200
