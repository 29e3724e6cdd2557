"""Access to routes: declarations, callers, and the errors 401 and 403."""

from statistics import median
from time import perf_counter
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from httpx import AsyncClient
from starlette.responses import PlainTextResponse

from app.api.tests.operations import Operation, operations
from app.conftest import API, client_of, problem
from app.core.http.routes import ContractRoute
from app.core.http.security import PUBLIC, needs, require_declarations
from app.core.http.tests.document import Document
from app.identity.models import SCOPES
from app.identity.tests.callers import ADMIN

PUBLIC_OPERATIONS = {
    "get_service",
    "get_liveness",
    "get_readiness",
    "get_keys",
    "get_calendar_of_athlete",
    "create_session",
    "accept_invitation",
    "accept_reset",
}


async def get_open() -> None:
    """Answer everyone."""


class TestDeclarations:
    @pytest.mark.parametrize(
        "dependencies", [[], [needs("athletes:read"), PUBLIC]], ids=["none", "scopes and PUBLIC"]
    )
    def test_a_route_declares_either_scopes_or_that_it_is_public(
        self, dependencies: list[Any]
    ) -> None:
        router = APIRouter(route_class=ContractRoute)

        with pytest.raises(TypeError, match="declare either scopes with `needs`, or PUBLIC"):
            router.get("/open", dependencies=dependencies)(get_open)

    def test_a_route_of_another_class_declares_too(self) -> None:
        app = FastAPI(openapi_url=None)
        app.get("/open")(get_open)

        with pytest.raises(TypeError, match="declare either"):
            require_declarations(app, ())

    def test_a_route_that_cannot_declare_does_not_build(self) -> None:
        app = FastAPI(openapi_url=None)
        app.add_route("/open", lambda request: PlainTextResponse("open"))

        with pytest.raises(TypeError, match="cannot declare"):
            require_declarations(app, ())

    def test_exactly_these_operations_are_public(self, document: Document) -> None:
        public = {one.id for one in operations(document.content) if one.is_public}

        assert public == PUBLIC_OPERATIONS

    def test_every_scope_of_a_route_exists(self, document: Document) -> None:
        assert scopes_of(document) <= set(SCOPES)

    def test_the_document_has_the_scheme(self, document: Document) -> None:
        (scheme,) = document.content["components"]["securitySchemes"].values()

        assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def scopes_of(document: Document) -> set[str]:
    """Return all scopes in the document."""
    return {
        scope
        for operation in operations(document.content)
        for needed in operation.described.get("security", ())
        for scopes in needed.values()
        for scope in scopes
    }


async def sent(client: AsyncClient, operation: Operation) -> Any:
    """Send a request whose query and body are wrong."""
    return await client.request(operation.method, f"{operation.nowhere}?x=1", content=b"\xff")


class TestCallers:
    async def test_a_request_without_a_token_is_refused_before_all_else(
        self, app: FastAPI, client: AsyncClient, document: Document
    ) -> None:
        async with client_of(app, document, caller=None) as stranger:
            for operation in operations(document.content):
                response = await sent(stranger, operation)
                if operation.id in PUBLIC_OPERATIONS:
                    assert response.status_code != 401
                    continue
                assert problem(response) == (401, "/problems/unauthenticated", [])
                assert response.headers["WWW-Authenticate"] == "Bearer"

    async def test_a_wrong_token_is_refused_with_its_reason(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        headers = {"Authorization": "Bearer cfs_x"}

        response = await client.get(f"{API}/me", headers=headers)

        assert problem(response) == (401, "/problems/invalid-token", [])
        assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'

    async def test_a_token_without_the_scope_is_refused_with_its_reason(
        self, client: AsyncClient, connection: Any
    ) -> None:
        await connection.execute(
            "UPDATE tokens SET scopes = '{categories:read}' WHERE id = $1", ADMIN.id
        )

        response = await client.post(f"{API}/categories", json={"name": "Rx"})

        assert problem(response) == (403, "/problems/insufficient-scope", [])
        assert response.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'
        assert response.json()["detail"] == "The token lacks the scope categories:write."

    async def test_a_public_route_ignores_a_wrong_token(self, client: AsyncClient) -> None:
        response = await client.get("/health/live", headers={"Authorization": "Bearer x"})

        assert response.status_code == 200

    async def test_the_scheme_is_case_insensitive_and_head_needs_a_token_too(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        for scheme in ("bearer", "BEARER", "Bearer "):
            headers = {"Authorization": f"{scheme} {ADMIN.token}"}
            assert (await client.get(f"{API}/me", headers=headers)).status_code == 200
        async with client_of(app, caller=None) as stranger:
            assert (await stranger.head(f"{API}/me")).status_code == 401

    async def test_an_unknown_id_takes_as_long_as_a_wrong_secret(self, client: AsyncClient) -> None:
        wrong = {
            "id": f"Bearer cfs_{'0' * 32}{ADMIN.token[-44:]}",
            "secret": f"Bearer {ADMIN.token[:-43]}{'A' * 43}",
        }
        taken: dict[str, list[float]] = {kind: [] for kind in wrong}

        for _ in range(150):
            for kind, token in wrong.items():
                begin = perf_counter()
                response = await client.get(f"{API}/me", headers={"Authorization": token})
                taken[kind].append(perf_counter() - begin)
                assert response.status_code == 401

        ratio = median(taken["id"]) / median(taken["secret"])
        assert 0.8 < ratio < 1.25
