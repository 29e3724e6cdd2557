"""URLs: links behind the prefix of a proxy, the path in a problem document, and UTF-8."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from starlette.types import Receive, Scope, Send

from app.application import create_app
from app.conftest import API, Json, problem
from app.core.http.urls import asked_path, link_to, route_path
from app.core.settings import Settings
from app.identity.tests.callers import ADMIN

KEY = {"Idempotency-Key": "first-try"}
MALFORMED: tuple[int, str, list[tuple[str, str]]] = (400, "/problems/malformed-request", [])


@asynccontextmanager
async def behind(app: FastAPI, prefix: str, in_path: bool = True) -> AsyncIterator[AsyncClient]:
    """Provide a client of an app behind a proxy that strips a prefix.

    ``in_path``: the server puts the prefix back into the path, as ASGI demands.
    """

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        path, raw_path = scope["path"], scope["raw_path"]
        if not in_path:
            path, raw_path = path.removeprefix(prefix), raw_path.removeprefix(prefix.encode())
        scope = {**scope, "path": path, "raw_path": raw_path, "root_path": prefix}
        await app(scope, receive, send)

    transport = ASGITransport(served)
    async with AsyncClient(
        transport=transport, base_url="http://testserver", headers=ADMIN.headers
    ) as client:
        yield client


@pytest.fixture
async def proxied(app: FastAPI, client: AsyncClient) -> AsyncIterator[AsyncClient]:
    """Provide a client of the app behind a proxy that strips ``/gym``."""
    async with behind(app, "/gym") as proxied:
        yield proxied


class TestPrefix:
    async def make_booking(self, proxied: AsyncClient, api: str = f"/gym{API}") -> Any:
        """Create one row of each kind; return the responses."""
        rx = await proxied.post(f"{api}/categories", json={"name": "Rx"})
        box = await proxied.post(f"{api}/centres", json={"name": "Box"})
        athlete = {"name": "Mara", "category_id": rx.json()["id"]}
        mara = await proxied.post(f"{api}/athletes", json=athlete)
        times = {"starts_at": "2100-01-01T18:00:00Z", "ends_at": "2100-01-01T19:00:00Z"}
        wod = {"name": "WOD", "centre_id": box.json()["id"], "capacity": 9, **times}
        training = await proxied.post(f"{api}/trainings", json=wod)
        booking = await proxied.post(
            f"{training.headers['Location']}/bookings", json={"athlete_id": mara.json()["id"]}
        )
        return rx, box, mara, training, booking

    async def test_the_location_of_every_new_row_has_the_prefix(self, proxied: AsyncClient) -> None:
        answers = await self.make_booking(proxied)

        names = ["categories", "centres", "athletes", "trainings", "bookings"]
        for name, created in zip(names, answers, strict=True):
            location = created.headers["Location"]
            assert location == f"/gym{API}/{name}/{created.json()['id']}"
            assert (await proxied.get(location)).json()["id"] == created.json()["id"]

    async def test_the_prefix_of_a_proxy_precedes_that_of_the_api(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        moved = create_app(
            Settings(_env_file=None, api_v1_prefix="/v1", fast_path=app.state.settings.fast_path)
        )
        moved.state.database = app.state.database
        async with behind(moved, "/gym") as proxied:
            *_, booking = await self.make_booking(proxied, "/gym/v1")
            page = await proxied.get("/gym/v1/centres?limit=1")

            assert booking.headers["Location"] == f"/gym/v1/bookings/{booking.json()['id']}"
            assert (await proxied.get(booking.headers["Location"])).status_code == 200
            assert page.status_code == 200

    async def test_the_links_of_the_service_have_the_prefix(self, proxied: AsyncClient) -> None:
        links = (await proxied.get("/gym/")).json()["links"]

        assert links == {
            "docs": "/gym/docs",
            "openapi": "/gym/openapi.json",
            "live": "/gym/health/live",
            "ready": "/gym/health/ready",
            "keys": "/gym/.well-known/jwks.json",
        }
        assert [(await proxied.get(link)).status_code for link in links.values()] == [200] * 5

    async def test_the_next_page_has_the_prefix(self, proxied: AsyncClient) -> None:
        for name in ("One", "Two", "Twö", "Two é&x"):
            await proxied.post(f"/gym{API}/categories", json={"name": name})

        names, url = [], f"/gym{API}/categories?limit=1&name_prefix=tw%6F"
        while url:
            page = await proxied.get(url)
            names += [item["name"] for item in page.json()["items"]]
            url = page.json()["next"]
            if url:
                assert page.headers["Link"] == f'<{url}>; rel="next"'
                assert url.startswith(f"/gym{API}/categories?limit=1&name_prefix=two&cursor=")

        assert names == ["Two", "Two é&x"]

    async def test_a_retry_through_another_prefix_gets_links_of_its_own(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        locations = []
        for prefix in ("", "/gym", "/my/gym", ""):
            async with behind(app, prefix) as proxied:
                url = f"{prefix}{API}/categories"
                answer = await proxied.post(url, json={"name": "Rx"}, headers=KEY)
                locations.append(answer.headers["Location"].removesuffix(answer.json()["id"]))
                assert answer.status_code == 201
                assert (await proxied.get(answer.headers["Location"])).status_code == 200

        assert locations == [f"{prefix}{API}/categories/" for prefix in ("", "/gym", "/my/gym", "")]

    async def test_a_key_of_another_path_is_refused_behind_a_prefix_too(
        self, proxied: AsyncClient
    ) -> None:
        await proxied.post(f"/gym{API}/categories", json={"name": "Rx"}, headers=KEY)

        other = await proxied.post(f"/gym{API}/centres", json={"name": "Rx"}, headers=KEY)

        reused = [("Idempotency-Key", "reused")]
        assert problem(other) == (422, "/problems/idempotency-key-reused", reused)

    async def test_a_server_that_leaves_the_prefix_out_of_the_path_gets_the_same_links(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        async with behind(app, "/gym", in_path=False) as proxied:
            created = await proxied.post(f"/gym{API}/categories", json={"name": "Rx"})
            await proxied.post(f"/gym{API}/categories", json={"name": "Scaled"})
            page = await proxied.get(f"/gym{API}/categories?limit=1")

        assert created.headers["Location"].startswith(f"/gym{API}/categories/")
        assert page.json()["next"].startswith(f"/gym{API}/categories?limit=1&cursor=")

    async def test_the_instance_of_a_problem_has_the_prefix(self, proxied: AsyncClient) -> None:
        response = await proxied.get("/gym/nothing%20here")

        assert problem(response) == (404, "/problems/not-found", [])
        assert response.json()["instance"] == "/gym/nothing%20here"

    async def test_a_forwarded_prefix_of_a_client_is_ignored(self, client: AsyncClient) -> None:
        headers = {"X-Forwarded-Prefix": "//evil.example", "X-Script-Name": "/evil"}

        created = await client.post(f"{API}/categories", json={"name": "Rx"}, headers=headers)
        service = await client.get("/", headers=headers)

        assert created.headers["Location"] == f"{API}/categories/{created.json()['id']}"
        assert "evil" not in service.text


@pytest.mark.parametrize(
    ("root_path", "path", "link"),
    [
        ("", "/docs", "/docs"),
        ("/gym", "/docs", "/gym/docs"),
        ("/gym/", "/docs", "/gym/docs"),
        ("/my gym/é", "/docs", "/my%20gym/%C3%A9/docs"),
        ("", "/api v1/x", "/api%20v1/x"),
    ],
)
def test_a_link_is_percent_encoded(root_path: str, path: str, link: str) -> None:
    assert link_to({"root_path": root_path}, path) == link


@pytest.mark.parametrize("root_path", ["", "/gym"])
def test_the_path_of_a_route_has_no_prefix(root_path: str) -> None:
    assert route_path({"root_path": root_path, "path": f"{root_path}/docs"}) == "/docs"
    assert route_path({"path": "/docs"}) == "/docs"


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("/api/v1/my%20gym", "/api/v1/my%20gym"),
        ("/%C3%A9", "/%C3%A9"),
        ("/a%3Fb%23c", "/a%3Fb%23c"),
        ("/a%2Fb%2f", "/a%2Fb%2f"),
        ("/%25", "/%25"),
        ("/%", "/%25"),
        ("/%zz%4", "/%25zz%254"),
        ("/a:b@c;d=e,f!$&'()*+~._-", "/a:b@c;d=e,f!$&'()*+~._-"),
        ('/"<>\\^`{|}[]', "/%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D"),
        ("//evil.example/x", "/.//evil.example/x"),
        ("*", "*"),
    ],
)
def test_the_instance_is_the_path_that_was_asked_for_as_a_uri(asked: str, shown: str) -> None:
    assert asked_path({"raw_path": asked.encode(), "path": "is not looked at"}) == shown


def test_a_server_without_raw_paths_gets_the_encoded_path_as_instance() -> None:
    assert asked_path({"path": "/é ?"}) == asked_path({"path": "/é ?", "raw_path": None})
    assert asked_path({"path": "/é ?"}) == "/%C3%A9%20%3F"


@pytest.mark.parametrize(
    "path", [f"{API}/my%20gym", "/%C3%A9", "/a%3Fb%23c", f"{API}/athletes%2Fnobody", "/%zz"]
)
async def test_a_problem_document_has_the_path_as_a_uri_reference(
    client: AsyncClient, path: str
) -> None:
    response = await client.get(path)

    assert response.json()["instance"] == path.replace("%zz", "%25zz")


class TestUTF8:
    @pytest.fixture
    async def jose(self, client: AsyncClient) -> Json:
        rx = (await client.post(f"{API}/categories", json={"name": "Rx"})).json()
        athlete = {"name": "José", "category_id": rx["id"]}
        created: Json = (await client.post(f"{API}/athletes", json=athlete)).json()
        return created

    @pytest.mark.parametrize(
        "name",
        [
            pytest.param("Jos%E9", id="Latin-1"),
            pytest.param("%FF", id="a byte of no character"),
            pytest.param("%C3", id="half a character"),
            pytest.param("%C0%AF", id="an overlong sequence of two"),
            pytest.param("%E0%80%AF", id="an overlong sequence of three"),
            pytest.param("%ED%A0%80", id="a high surrogate"),
            pytest.param("%ED%B0%80", id="a low surrogate"),
            pytest.param("%F4%90%80%80", id="beyond Unicode"),
        ],
    )
    async def test_a_query_that_is_not_utf_8_is_refused(
        self, client: AsyncClient, jose: Json, name: str
    ) -> None:
        for url in (
            f"{API}/athletes?name={name}",
            f"{API}/athletes?{name}=1",
            f"{API}/athletes/{jose['id']}?{name}",
            f"/health/live?x={name}",
            f"/docs?x={name}",
            f"/nothing?x={name}",
        ):
            assert problem(await client.get(url)) == MALFORMED

    @pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE", "OPTIONS", "TRACE"])
    async def test_a_path_that_is_not_utf_8_is_refused(
        self, client: AsyncClient, method: str
    ) -> None:
        for path in (f"{API}/athletes/Jos%E9", "/%C0%AF", "/static-offline-docs/%ED%A0%80"):
            assert problem(await client.request(method, path)) == MALFORMED

    @pytest.mark.parametrize(
        ("name", "found"),
        [("Jos%C3%A9", 1), ("%4Aos%c3%a9", 1), ("jose", 1), ("%EF%BF%BD", 0), ("%", 0), ("%E", 0)],
    )
    async def test_any_other_query_is_searched_for(
        self, client: AsyncClient, jose: Json, name: str, found: int
    ) -> None:
        response = await client.get(f"{API}/athletes?name={name}")

        assert [item["id"] for item in response.json()["items"]] == [jose["id"]] * found

    async def test_a_replacement_character_in_a_path_is_utf_8(self, client: AsyncClient) -> None:
        response = await client.get("/%EF%BF%BD")

        assert problem(response) == (404, "/problems/not-found", [])
