"""Streamed CSV responses."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI

from app.core.csv.streaming import CSVResponse


async def test_a_disconnect_ends_the_response_after_the_current_statement(
    app: FastAPI,
) -> None:
    left = asyncio.Event()
    done: list[str] = []
    sent: list[Any] = []

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        left.set()
        await asyncio.sleep(0.01)  # a statement
        done.append("the statement")
        yield b"second"
        done.append("the next one")

    async def receive() -> dict[str, str]:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await CSVResponse(pieces())({"type": "http", "app": app}, receive, send)

    assert done == ["the statement"]
    assert [message.get("body") for message in sent] == [None, b"first"]
