import asyncio
import json
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Protocol

import httpx
import pytest

from app.conftest import API, Json
from app.identity.tests.callers import RAW_HEADERS

Query = Mapping[str, str | Sequence[str]]


class Import(Protocol):
    """Imports a file with the options of a query, and returns the report."""

    async def __call__(self, text: str | bytes, query: Query | None = None) -> Json: ...


@pytest.fixture
def import_csv(client: httpx.AsyncClient) -> Import:
    """Return a function that imports a file and returns the report."""

    async def import_csv(text: str | bytes, query: Query | None = None) -> Json:
        response = await post_csv(client, text, query)
        assert response.status_code == 200, response.text
        report: Json = response.json()
        done = report["created"] + report["updated"] + report["unchanged"] + report["rejected"]
        assert report["read"] == done
        return report

    return import_csv


async def post_csv(
    client: httpx.AsyncClient,
    file: str | bytes,
    query: Query | None = None,
    content_type: str = "text/csv",
) -> httpx.Response:
    content = file.encode() if isinstance(file, str) else file
    headers = {"Content-Type": content_type}
    return await client.post(
        f"{API}/athletes/import", content=content, headers=headers, params=query
    )


async def post_and_leave(
    client: httpx.AsyncClient, file: str, query: bytes = b"", checks: int = 0
) -> tuple[int, Json]:
    """Import a file and disconnect after it; the service sees that at a later check.

    Return the status and the body of the response that nobody gets.
    """
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    received = 0
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> Json:
        nonlocal received
        received += 1
        if received == 1:
            return {"type": "http.request", "body": file.encode()}
        if received <= 1 + checks:
            await asyncio.sleep(60)  # cancelled, because there is no message yet
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": f"{API}/athletes/import",
        "query_string": query,
        "headers": [(b"content-type", b"text/csv"), *RAW_HEADERS],
    }
    await transport.app(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


async def athlete_of(client: httpx.AsyncClient, reference: str) -> Json:
    """Read the athlete with a reference."""
    response = await client.post(f"{API}/athletes/lookup", json={"reference": reference})
    assert response.status_code == 200, response.text
    athlete: Json = response.json()
    return athlete


async def names(client: httpx.AsyncClient, collection: str) -> list[str]:
    """List the names of a collection."""
    response = await client.get(f"{API}/{collection}", params={"limit": 100})
    return [item["name"] for item in response.json()["items"]]


def counts(report: Json) -> dict[str, Any]:
    """Return the values of a report that are not 0 or empty, without the rejections."""
    return {name: value for name, value in report.items() if value and name != "rejections"}


def reasons(report: Json) -> dict[int, str]:
    """Return the rejection reasons of a report by line."""
    return {row["line"]: row["reason"] for row in report["rejections"]}
