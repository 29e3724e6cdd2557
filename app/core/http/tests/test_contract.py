"""The contract on every path: bodies, methods, request IDs, errors, headers, CORS."""

import asyncio
import gzip
import json
import logging
import threading
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Query, Response
from fastapi.responses import StreamingResponse
from httpx import ASGITransport, AsyncClient
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from app.application import create_app
from app.conftest import API, client_of, problem
from app.core.http.middleware import STOPPING
from app.core.http.routes import ContractRoute
from app.core.http.security import PUBLIC
from app.core.http.tests.document import Document
from app.core.resources.paging import NamedListQuery
from app.core.settings import Settings, project_version
from app.identity.tests.callers import RAW_HEADERS

URL = f"{API}/categories"
JSON = {"Content-Type": "application/json"}


class TestBody:
    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b'{"name": NaN}',
            b'{"name": Infinity}',
            b'{"name": "\xff"}',
            '{"name": "Rx"}'.encode("utf-16"),
            b'\xef\xbb\xbf{"name": "Rx"}',
            b"[" * 60_000,
        ],
    )
    async def test_a_body_that_is_not_json_is_malformed(
        self, client: AsyncClient, body: bytes
    ) -> None:
        response = await client.post(URL, content=body, headers=JSON)

        assert problem(response) == (400, "/problems/malformed-body", [])

    @pytest.mark.parametrize("headers", [{}, JSON])
    async def test_a_missing_body_is_invalid(
        self, client: AsyncClient, headers: dict[str, str]
    ) -> None:
        response = await client.post(URL, headers=headers)

        assert problem(response) == (422, "/problems/invalid", [("", "missing")])

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/x-www-form-urlencoded", "json", "", "a/b/c"]
    )
    async def test_a_body_that_is_not_declared_json_is_unsupported(
        self, client: AsyncClient, content_type: str
    ) -> None:
        response = await client.post(
            URL, content=b'{"name": "Rx"}', headers={"Content-Type": content_type}
        )

        assert problem(response) == (415, "/problems/unsupported-media-type", [])

    @pytest.mark.parametrize(
        "content_type", ["application/json; charset=utf-8", "application/vnd.gym+json"]
    )
    async def test_json_with_a_charset_or_a_json_suffix_is_read(
        self, client: AsyncClient, content_type: str
    ) -> None:
        response = await client.post(
            URL, content='{"name": "Élite"}'.encode(), headers={"Content-Type": content_type}
        )

        assert response.json()["name"] == "Élite"

    @pytest.mark.parametrize(
        ("path", "declared"), [(URL, "application/json"), (f"{API}/athletes/import", "text/csv")]
    )
    @pytest.mark.parametrize(
        ("coding", "named"),
        [
            ("gzip", "gzip"),
            ("GZip", "gzip"),
            ("br", "br"),
            ("zstd", "zstd"),
            ("identity, deflate, gzip", "deflate, gzip"),
            ("rot13", "in a coding that is unknown here"),
            ("utf-8", "in a coding that is unknown here"),
        ],
    )
    async def test_a_compressed_body_is_unsupported(
        self, client: AsyncClient, path: str, declared: str, coding: str, named: str
    ) -> None:
        headers = {"Content-Type": declared, "Content-Encoding": coding}
        response = await client.post(path, content=gzip.compress(b"name"), headers=headers)

        assert problem(response) == (415, "/problems/unsupported-media-type", [])
        assert response.headers["Accept-Encoding"] == "identity"
        assert response.json()["detail"] == (
            f"The body is encoded ({named}): send it as it is, without a Content-Encoding."
        )

    async def test_chunks_in_another_transfer_coding_are_unsupported(
        self, client: AsyncClient
    ) -> None:
        headers = {**JSON, "Transfer-Encoding": "gzip, chunked"}
        response = await client.post(URL, content=gzip.compress(b"{}"), headers=headers)

        assert problem(response) == (415, "/problems/unsupported-media-type", [])
        assert "(gzip)" in response.json()["detail"]

    @pytest.mark.parametrize("coding", ["identity", "Identity", "", "identity, identity"])
    async def test_a_body_in_the_identity_coding_is_read(
        self, client: AsyncClient, coding: str
    ) -> None:
        headers = {**JSON, "Content-Encoding": coding}
        response = await client.post(URL, content=b'{"name": "Rx"}', headers=headers)

        assert response.status_code == 201

    async def test_another_media_type_gets_no_accept_encoding(self, client: AsyncClient) -> None:
        response = await client.post(URL, content=b"x", headers={"Content-Type": "text/plain"})

        assert problem(response) == (415, "/problems/unsupported-media-type", [])
        assert "Accept-Encoding" not in response.headers

    @pytest.mark.parametrize(
        ("number", "code"),
        [
            (b"1e999", "finite_number"),
            (b"-1e999", "finite_number"),
            (b"1e300", "less_than_equal"),
            (b"9" * 5000, "finite_number"),
            (b"-0.0", "greater_than_equal"),
        ],
    )
    async def test_a_number_out_of_range_is_invalid(
        self, client: AsyncClient, number: bytes, code: str
    ) -> None:
        body = b'{"name": "Garage", "capacity": ' + number + b"}"

        response = await client.post(f"{API}/centres", content=body, headers=JSON)

        assert problem(response) == (422, "/problems/invalid", [("/capacity", code)])

    async def test_a_lone_surrogate_is_invalid(self, client: AsyncClient) -> None:
        response = await client.post(URL, content=b'{"name": "\\ud800"}', headers=JSON)

        assert problem(response) == (422, "/problems/invalid", [("/name", "unusable_character")])

    async def test_a_key_with_a_lone_surrogate_is_invalid(self, client: AsyncClient) -> None:
        response = await client.post(URL, content=b'{"name": "Rx", "\\ud800": 1}', headers=JSON)

        assert problem(response)[0] == 422

    async def test_at_most_50_errors_are_reported_and_none_repeats_the_input(
        self, client: AsyncClient
    ) -> None:
        secret = "secret" * 50
        unknown = {f"{number}~/{secret}": secret for number in range(60)}

        body = json.dumps({"name": "Rx", **unknown})
        response = await client.post(URL, content=body, headers=JSON)

        status, _, errors = problem(response)
        assert (status, len(errors)) == (422, 50)
        assert errors[0] == ("/0~0~1" + secret[:94], "extra_forbidden")
        assert secret not in response.text

    @pytest.mark.parametrize(
        ("path", "declared"), [(URL, b"application/json"), (f"{API}/athletes/import", b"text/csv")]
    )
    async def test_a_disconnect_before_the_body_is_not_logged_as_an_error(
        self,
        app: FastAPI,
        client: AsyncClient,
        caplog: pytest.LogCaptureFixture,
        path: str,
        declared: bytes,
    ) -> None:
        sent = []

        async def receive() -> dict[str, object]:
            return {"type": "http.disconnect"}

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": [(b"content-type", declared), *RAW_HEADERS],
        }
        await app(scope, receive, send)  # type: ignore[arg-type]

        assert sent[0]["status"] == 400
        assert caplog.records == []


class TestMethods:
    @pytest.mark.parametrize(
        ("path", "allow"),
        [
            (URL, "GET, HEAD, OPTIONS, POST"),
            (f"{URL}/x", "DELETE, GET, HEAD, OPTIONS, PATCH"),
            (f"{API}/athletes/x/centres/y", "DELETE, OPTIONS, PUT"),
            ("/health/live", "GET, HEAD, OPTIONS"),
            (f"{API}/athletes/export", "GET, HEAD, OPTIONS"),
            (f"{API}/athletes/lookup", "OPTIONS, POST"),
            ("/docs", "GET, HEAD, OPTIONS"),
            ("/openapi.json", "GET, HEAD, OPTIONS"),
            ("/static-offline-docs/swagger-ui.css", "GET, HEAD, OPTIONS"),
        ],
    )
    async def test_options_and_405_list_every_method_of_a_path(
        self, client: AsyncClient, path: str, allow: str
    ) -> None:
        options = await client.options(path)
        refused = await client.request("TRACE", path)

        assert (options.status_code, options.content) == (204, b"")
        assert options.headers["Allow"] == refused.headers["Allow"] == allow
        assert problem(refused) == (405, "/problems/method-not-allowed", [])

    @pytest.mark.parametrize("method", ["PATCH", "DELETE"])
    @pytest.mark.parametrize("name", ["export", "import", "lookup"])
    async def test_a_path_without_parameters_is_not_taken_for_a_row(
        self, client: AsyncClient, name: str, method: str
    ) -> None:
        response = await client.request(method, f"{API}/athletes/{name}", json={})

        assert problem(response) == (405, "/problems/method-not-allowed", [])

    @pytest.mark.parametrize("path", [URL, "/", "/health/live", "/docs", "/openapi.json"])
    async def test_head_is_get_without_the_body(self, client: AsyncClient, path: str) -> None:
        get, head = await client.get(path), await client.head(path)

        assert (head.status_code, head.content) == (200, b"")
        for header in ("Content-Length", "Content-Type"):
            assert head.headers[header] == get.headers[header]

    @pytest.mark.parametrize("path", ["/nothing", f"{API}/", f"{URL}/", "/api/v2/categories"])
    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
    async def test_an_unknown_path_is_not_found(
        self, client: AsyncClient, method: str, path: str
    ) -> None:
        response = await client.request(method, path)

        assert response.status_code == 404
        if method != "HEAD":
            assert problem(response) == (404, "/problems/not-found", [])

    @pytest.mark.parametrize("wanted", ["bytes=0-9", "bytes=abc", "lines=1-2", "bytes=999999999-"])
    async def test_a_static_file_is_served_whole_despite_a_range(
        self, client: AsyncClient, wanted: str
    ) -> None:
        response = await client.get(
            "/static-offline-docs/swagger-ui.css", headers={"Range": wanted}
        )

        assert response.status_code == 200
        assert len(response.content) == int(response.headers["Content-Length"])

    async def test_a_missing_static_file_is_a_problem_document(self, client: AsyncClient) -> None:
        response = await client.get("/static-offline-docs/nothing.js")

        assert problem(response) == (404, "/problems/not-found", [])


class TestRequestId:
    @pytest.mark.parametrize("valid", ["a", "01a2-b.c:d/e+f=g@h_i", "x" * 128])
    async def test_a_valid_id_from_the_client_is_kept(
        self, client: AsyncClient, valid: str
    ) -> None:
        response = await client.get("/nothing", headers={"X-Request-ID": valid})

        assert response.headers["X-Request-ID"] == response.json()["request_id"] == valid

    @pytest.mark.parametrize("invalid", [None, "", "x" * 129, "a b", "a\tb", "<script>"])
    async def test_a_missing_or_invalid_id_is_replaced(
        self, client: AsyncClient, invalid: str | None
    ) -> None:
        headers = {} if invalid is None else {"X-Request-ID": invalid}

        ids = {(await client.get("/", headers=headers)).headers["X-Request-ID"] for _ in range(2)}

        assert len(ids) == 2
        assert all(len(request_id) == 32 for request_id in ids)


class TestUnhandled:
    async def test_an_unhandled_error_is_logged_and_answered_without_details(
        self, app: FastAPI, client: AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        del app.state.database

        client.event_hooks = {}  # 500 is not documented
        response = await client.get(URL, headers={"X-Request-ID": "the-one"})

        assert problem(response) == (500, "/problems/internal-error", [])
        assert "database" not in response.text
        (record,) = caplog.records
        assert (record.levelno, record.getMessage()) == (
            logging.ERROR,
            "unhandled error",
        )
        assert record.exc_info is not None

    @pytest.fixture
    async def failing(self, app: FastAPI) -> AsyncIterator[AsyncClient]:
        """Provide a client of an app with routes that fail, as a bug would."""
        failing = create_app(Settings(_env_file=None))

        @failing.get("/teapot")
        async def teapot() -> None:
            raise HTTPException(418)

        @failing.get("/midway")
        async def midway() -> Response:
            async def parts() -> AsyncIterator[bytes]:
                yield b"half"
                raise RuntimeError("the other half")

            return StreamingResponse(parts())

        transport = ASGITransport(failing)
        async with AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield client

    async def test_a_status_without_a_problem_type_is_an_internal_error(
        self, failing: AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        response = await failing.get("/teapot")

        assert problem(response) == (500, "/problems/internal-error", [])
        assert len(caplog.records) == 1

    async def test_a_response_that_fails_midway_is_cut_off(
        self, failing: AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(AssertionError):  # from httpx, because the response is incomplete
            await failing.get("/midway")

        (record,) = caplog.records
        assert record.getMessage() == "unhandled error"


class TestParameters:
    @pytest.mark.parametrize("query", ["", "?limit=3", "?plain=a", "?plain=a&limit=3"])
    async def test_plain_parameters_and_those_of_models_are_accepted(self, query: str) -> None:
        assert (await self.ask(query)).status_code == 200

    @pytest.mark.parametrize("query", ["?other=a", "?plain=a&plain=b", "?limit=3&limit=4"])
    async def test_unknown_and_repeated_parameters_are_refused(self, query: str) -> None:
        assert problem(await self.ask(query))[:2] == (422, "/problems/invalid")

    @pytest.mark.parametrize("query", ["?tag=a&tag=b", "?tag=a&limit=3&tag=b"])
    async def test_only_a_list_can_be_repeated(self, query: str) -> None:
        assert (await self.ask(query)).json() == f"{3 if 'limit' in query else 20}  ['a', 'b']"
        repeated = await self.ask(f"{query}&plain=a&plain=b")
        assert problem(repeated) == (422, "/problems/invalid", [("?plain", "repeated")])

    async def test_only_the_first_50_unknown_parameters_are_reported(self) -> None:
        query = "&".join(f"{'x' * 200}{number}=" for number in range(300))

        response = await self.ask(f"?{query}")

        assert problem(response) == (
            422,
            "/problems/invalid",
            [(f"?{'x' * 99}", "extra_forbidden")] * 50,
        )

    async def ask(self, query: str) -> httpx.Response:
        app = create_app(Settings(_env_file=None))
        router = APIRouter(route_class=ContractRoute, dependencies=[PUBLIC])

        async def paging(query: Annotated[NamedListQuery, Query()]) -> int:
            return query.limit

        @router.get("/asked")
        async def asked(
            limit: Annotated[int, Depends(paging)],
            tag: Annotated[list[str] | None, Query()] = None,
            plain: str = "",
        ) -> str:
            return f"{limit} {plain} {tag or ''}"

        app.include_router(router)
        transport = ASGITransport(app)
        async with AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.get(f"/asked{query}")


class TestCORS:
    @pytest.fixture
    async def browser(self, app: FastAPI, client: AsyncClient) -> AsyncIterator[AsyncClient]:
        """Provide a client of an app that allows one origin."""
        allowing = create_app(Settings(_env_file=None, cors_origins=("https://gym.example",)))
        allowing.state.database = app.state.database
        async with client_of(allowing) as browser:
            yield browser

    async def test_an_allowed_origin_may_read_responses_and_their_headers(
        self, browser: AsyncClient
    ) -> None:
        for path, status in ((URL, 200), ("/nothing", 404)):
            response = await browser.get(path, headers={"Origin": "https://gym.example"})

            assert response.status_code == status
            assert response.headers["Access-Control-Allow-Origin"] == "https://gym.example"
            assert response.headers["Access-Control-Expose-Headers"] == (
                "ETag, Location, Link, Retry-After, X-Request-ID, Idempotency-Replayed"
            )

    async def test_an_allowed_origin_may_read_an_internal_error(self, browser: AsyncClient) -> None:
        browser.event_hooks = {}  # 500 is not documented
        del browser._transport.app.state.database  # type: ignore[attr-defined]

        response = await browser.get(URL, headers={"Origin": "https://gym.example"})

        assert response.status_code == 500
        assert response.headers["Access-Control-Allow-Origin"] == "https://gym.example"

    async def test_a_preflight_lists_allowed_methods_and_headers(
        self, browser: AsyncClient
    ) -> None:
        response = await browser.options(
            URL,
            headers={
                "Origin": "https://gym.example",
                "Access-Control-Request-Method": "PATCH",
                "Access-Control-Request-Headers": "If-Match, Content-Type",
            },
        )

        assert (response.status_code, response.content) == (204, b"")
        assert response.headers["Access-Control-Allow-Origin"] == "https://gym.example"
        assert "PATCH" in response.headers["Access-Control-Allow-Methods"]
        assert response.headers["Access-Control-Allow-Headers"] == "If-Match, Content-Type"
        assert "X-Request-ID" in response.headers

    async def test_another_origin_is_not_allowed(self, browser: AsyncClient) -> None:
        headers = {"Origin": "https://else.example", "Access-Control-Request-Method": "GET"}

        preflight = await browser.options(URL, headers=headers)
        response = await browser.get(URL, headers=headers)

        assert preflight.status_code == 204
        assert "Access-Control-Allow-Origin" not in preflight.headers
        assert "Access-Control-Allow-Origin" not in response.headers

    async def test_no_origin_is_allowed_by_default(self, client: AsyncClient) -> None:
        response = await client.get(URL, headers={"Origin": "https://gym.example"})

        assert "Access-Control-Allow-Origin" not in response.headers


class TestService:
    async def test_the_service_describes_itself(self, client: AsyncClient) -> None:
        response = await client.get("/")

        assert response.json() == {
            "name": "CrossFit API",
            "version": project_version(),
            "description": "Athletes, their categories, the centres they train at,"
            " and the trainings they book there.",
            "links": {
                "docs": "/docs",
                "openapi": "/openapi.json",
                "live": "/health/live",
                "ready": "/health/ready",
                "keys": "/.well-known/jwks.json",
            },
        }

    async def test_the_docs_load_nothing_from_other_hosts(self, client: AsyncClient) -> None:
        page = (await client.get("/docs")).text

        assert "://" not in page
        for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
            assert f'"/static-offline-docs/{asset}"' in page
            assert (await client.get(f"/static-offline-docs/{asset}")).status_code == 200


class TestHeaders:
    async def test_responses_with_an_etag_are_revalidated_and_others_not_stored(
        self, client: AsyncClient
    ) -> None:
        created = await client.post(URL, json={"name": "Rx"})
        assert created.headers["Cache-Control"] == "no-cache"
        for url, kept in (
            (created.headers["Location"], "no-cache"),
            ("/static-offline-docs/favicon.png", "no-cache"),
            (URL, "no-cache"),
            ("/nothing", "no-store"),
            ("/health/ready", "no-store"),
            (f"{API}/athletes/export", "no-store"),
        ):
            assert (await client.get(url)).headers["Cache-Control"] == kept

    async def test_every_response_forbids_content_sniffing(self, client: AsyncClient) -> None:
        for method, url in (("GET", URL), ("GET", "/nothing"), ("OPTIONS", URL), ("HEAD", "/docs")):
            response = await client.request(method, url)
            assert response.headers["X-Content-Type-Options"] == "nosniff"


class TestTrustedHosts:
    @pytest.fixture
    async def trusting(self, app: FastAPI, client: AsyncClient) -> AsyncIterator[AsyncClient]:
        """Provide a client of an app that serves only some hosts."""
        hosts = ("gym.example", "*.boxes.example", "[::1]")
        trusting = create_app(Settings(_env_file=None, trusted_hosts=hosts))
        trusting.state.database = app.state.database
        async with client_of(trusting) as client:
            client.event_hooks = {}  # the document is that of an app without TRUSTED_HOSTS
            yield client

    @pytest.mark.parametrize(
        "host",
        ["gym.example", "GYM.example:8000", "a.boxes.example", "a.b.boxes.example", "[::1]:8"],
    )
    async def test_a_trusted_host_is_answered(self, trusting: AsyncClient, host: str) -> None:
        assert (await trusting.get(URL, headers={"Host": host})).status_code == 200

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "boxes.example",
            "gym.example.evil",
            "evilgym.example",
            "",
            "a@gym.example",
        ],
    )
    async def test_any_other_host_gets_421(self, trusting: AsyncClient, host: str) -> None:
        for url in (URL, "/nothing", "/docs"):
            response = await trusting.get(url, headers={"Host": host})

            assert problem(response) == (421, "/problems/untrusted-host", [])
            assert host not in response.text or not host

    @pytest.mark.parametrize(
        ("hosts", "status"),
        [
            (("gym.example", "evil.example"), 421),
            (("evil.example", "gym.example"), 421),
            (("gym.example", "gym.example:80"), 200),
        ],
    )
    async def test_each_of_several_hosts_must_be_trusted(
        self, trusting: AsyncClient, hosts: tuple[str, str], status: int
    ) -> None:
        response = await trusting.get(URL, headers=[("Host", host) for host in hosts])

        assert response.status_code == status

    async def test_without_the_setting_no_response_contains_the_host(
        self, client: AsyncClient
    ) -> None:
        headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
        for url in (URL, f"{URL}?limit=1", "/", "/nothing", f"{URL}/", "/docs"):
            response = await client.get(url, headers=headers)
            assert "evil.example" not in response.text + str(response.headers)


async def test_a_stopping_service_is_not_ready_and_closes_connections(
    app: FastAPI, client: AsyncClient, document: Document
) -> None:
    told_to_stop = threading.Event()

    async def stopping(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {STOPPING: told_to_stop}
        await app(scope, receive, send)

    async with client_of(stopping) as client:  # type: ignore[arg-type]
        assert (await client.get("/health/ready")).status_code == 200
        told_to_stop.set()
        ready, live, page = [
            await client.get(url) for url in ("/health/ready", "/health/live", URL)
        ]

    assert problem(ready) == (503, "/problems/unavailable", [])
    assert (live.status_code, page.status_code) == (200, 200)
    assert {answer.headers["Connection"] for answer in (ready, live, page)} == {"close"}


@pytest.mark.parametrize(
    ("path", "status"), [("/slow", 503), ("/midway", 200)], ids=["before", "during"]
)
async def test_a_request_cancelled_by_the_shutdown_raises_no_error(
    app: FastAPI, path: str, status: int
) -> None:
    """The server cancels requests that are in flight after the grace period."""
    stopping = create_app(Settings(_env_file=None))

    @stopping.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(60)

    @stopping.get("/midway")
    async def midway() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"half"
            await asyncio.sleep(60)

        return StreamingResponse(parts())

    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    told_to_stop = threading.Event()
    state = {STOPPING: told_to_stop}
    task = asyncio.ensure_future(stopping(scope | {"state": state}, receive, send))
    await asyncio.sleep(0.05)
    told_to_stop.set()
    task.cancel()
    await asyncio.wait([task])

    assert sent[0]["status"] == status
    assert task.result() is None
