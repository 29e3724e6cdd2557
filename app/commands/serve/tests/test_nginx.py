"""The service behind nginx, with the configuration of docs/operations.md and with others."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi.responses import StreamingResponse

from app.application import create_app
from app.commands.project import ROOT
from app.commands.serve.tests.connections import serving
from app.commands.serve.tests.nginx import PROGRAM, nginx
from app.conftest import API, Json, patient, problem
from app.core.db.pool import connected
from app.identity.tests.callers import ADMIN

if PROGRAM is None:
    pytest.skip("nginx is not installed", allow_module_level=True)

URL = f"/gym{API}"
RX = {"name": "Rx", "description": "As prescribed, " * 10}
PLAIN = """
    server {
        listen 80;
        gzip on;
        gzip_types application/json;
        location /gym/ { proxy_pass http://127.0.0.1:8000/; }
    }
"""
"""What many have: JSON is compressed, and nothing else is set."""


def documented() -> str:
    """Return the configuration in the documentation."""
    page = (ROOT / "docs/operations.md").read_text("utf-8")
    (block,) = re.findall("^```nginx\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return str(block)


@asynccontextmanager
async def behind(configuration: str, database: str) -> AsyncIterator[httpx.AsyncClient]:
    """Provide a client of nginx in front of the service, which has the prefix ``/gym``."""
    settings = patient(database).model_copy(update={"root_path": "/gym"})
    app = create_app(settings)

    @app.get("/midway")
    async def midway() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half" * 10_000
            await asyncio.sleep(0.05)
            raise RuntimeError("the other half")

        return StreamingResponse(pieces())

    async with (
        connected(settings, 2) as app.state.database,
        serving(app, settings) as (url, _),
    ):
        with nginx(configuration.replace("http://127.0.0.1:8000", url)) as socket:
            async with httpx.AsyncClient(
                transport=httpx.AsyncHTTPTransport(uds=str(socket)),
                base_url="http://gym.example",
                headers=ADMIN.headers,
            ) as client:
                yield client


async def new_category(client: httpx.AsyncClient) -> tuple[str, str]:
    """Create a category; return its URL, and the weak ETag of its compressed representation."""
    created = await client.post(f"{URL}/categories", json=RX)
    url = created.headers["Location"]
    found = await client.get(url)
    assert found.headers["Content-Encoding"] == "gzip"
    assert found.headers["ETag"].startswith('W/"1-')
    assert found.json() == created.json()
    return url, found.headers["ETag"]


class TestDocumented:
    @pytest.fixture
    async def client(self, own_database: str) -> AsyncIterator[httpx.AsyncClient]:
        async with behind(documented(), own_database) as client:
            yield client

    async def test_the_etag_of_a_compressed_response_locks(self, client: httpx.AsyncClient) -> None:
        url, tag = await new_category(client)
        known = await client.get(url, headers={"If-None-Match": tag})

        first, second = [
            await client.patch(url, json={"name": name}, headers={"If-Match": tag})
            for name in ("One", "Two")
        ]
        deleted = await client.delete(url, headers={"If-Match": tag})

        assert known.status_code == 304
        assert (first.status_code, first.json()["name"]) == (200, "One")
        assert problem(second)[0] == problem(deleted)[0] == 412
        assert second.json()["detail"].endswith("read it again.")
        assert (await client.get(url)).json() == first.json()

    @pytest.mark.parametrize("expected", ["*", '"1-x"', '"9-x", "1-x"'])
    async def test_any_other_if_match_passes_unchanged(
        self, client: httpx.AsyncClient, expected: str
    ) -> None:
        url, _ = await new_category(client)

        changed = await client.patch(url, json={"name": "One"}, headers={"If-Match": expected})

        assert changed.status_code == 200

    async def test_every_link_leads_through_the_proxy(self, client: httpx.AsyncClient) -> None:
        made: list[Json] = []
        for collection in ("categories", "centres"):
            for name in ("One", "Two"):
                created = await client.post(f"{URL}/{collection}", json={"name": name})
                assert (await client.get(created.headers["Location"])).status_code == 200
                made.append(created.json())
        athlete = {"name": "Mara", "category_id": made[0]["id"]}
        mara = await client.post(f"{URL}/athletes", json=athlete)
        times = {"starts_at": "2100-01-01T18:00:00Z", "ends_at": "2100-01-01T19:00:00Z"}
        plan = {"name": "WOD", "centre_id": made[2]["id"], "capacity": 1, **times}
        wod = await client.post(f"{URL}/trainings", json=plan)
        answers: list[Any] = [
            await client.post(
                f"{wod.headers['Location']}/bookings",
                json={"athlete_id": mara.json()["id"]},
                headers={"Idempotency-Key": "the-one"},
            )
            for _ in range(2)
        ]
        page = await client.get(f"{URL}/categories?limit=1")
        links = (await client.get("/gym/")).json()["links"]
        document = (await client.get(links["openapi"])).json()

        assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true"]
        for link in (
            *(answer.headers["Location"] for answer in (mara, wod, *answers)),
            page.json()["next"],
            page.links["next"]["url"],
            *links.values(),
        ):
            assert link.startswith("/gym/")
            assert (await client.get(link)).status_code == 200
        assert document["servers"] == [{"url": "/gym"}]

    async def test_a_file_of_more_than_1_mb_is_imported(self, client: httpx.AsyncClient) -> None:
        file = b"name,category\n" + b"Mara,Rx\n" + b"\n" * 1_200_000

        imported = await client.post(
            f"{URL}/athletes/import", content=file, headers={"Content-Type": "text/csv"}
        )
        exported = await client.get(f"{URL}/athletes/export")

        assert (imported.status_code, imported.json()["created"]) == (200, 1)
        assert exported.headers["Content-Encoding"] == "gzip"
        assert exported.text.count("\r\n") == 2

    async def test_a_compressed_upload_is_not_unpacked_by_nginx(
        self, client: httpx.AsyncClient
    ) -> None:
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}

        response = await client.post(
            f"{URL}/categories", content=gzip.compress(b'{"name": "Rx"}'), headers=headers
        )

        assert problem(response) == (415, "/problems/unsupported-media-type", [])
        assert response.headers["Accept-Encoding"] == "identity"


async def test_without_that_configuration_the_error_says_what_helps(own_database: str) -> None:
    async with behind(PLAIN, own_database) as client:
        url, tag = await new_category(client)

        refused = await client.patch(url, json={"name": "One"}, headers={"If-Match": tag})

        assert problem(refused) == (412, "/problems/precondition-failed", [])
        assert refused.json()["detail"].startswith("If-Match has a weak ETag")
        strong = await client.get(url, headers={"Accept-Encoding": "identity"})
        headers = {"If-Match": strong.headers["ETag"]}
        changed = await client.patch(url, json={"name": "One"}, headers=headers)
        assert (changed.status_code, changed.json()["name"]) == (200, "One")


async def test_an_export_over_http_1_0_arrives_whole(own_database: str) -> None:
    """HTTP/1.0 is nginx's default towards the service."""
    async with behind(PLAIN, own_database) as client:
        exported = await client.get(f"{URL}/athletes/export")

    assert exported.text.startswith("id,reference,name,")
    assert exported.text.count("\r\n") == 1


@pytest.mark.parametrize("configuration", [PLAIN, documented()], ids=["HTTP/1.0", "HTTP/1.1"])
async def test_a_stream_that_breaks_off_does_not_look_complete(
    own_database: str, configuration: str
) -> None:
    async with behind(configuration, own_database) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/gym/midway")
