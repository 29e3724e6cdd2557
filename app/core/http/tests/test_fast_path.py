"""The fast path: the same responses as FastAPI's, and FastAPI for unsupported declarations."""

import pkgutil
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import fastapi
import pytest
from fastapi import APIRouter, Body, Cookie, Depends, FastAPI, Header, Query, Request
from fastapi.routing import APIRoute
from httpx import ASGITransport, AsyncClient, Response
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse
from starlette.responses import Response as Answer

from app.application import create_app
from app.conftest import API, problem
from app.core.access import Caller
from app.core.http.fast_path import FastPath, handler_of
from app.core.http.routes import ContractRoute
from app.core.http.security import OWN, PUBLIC, CallerDep, needs
from app.core.resources.fields import new_id
from app.core.settings import Settings

calls: list[str] = []


class Paging(BaseModel):
    limit: int = Field(default=20, le=100)
    name: str | None = None


class Tagged(BaseModel):
    tags: list[str] = Field(default=[], alias="tag")
    kind: str | None = None


class Thing(BaseModel):
    name: str
    size: int = 1


async def get_store(request: Request) -> str:
    calls.append("store")
    return f"store of {request.url.path}"


Store = Annotated[str, Depends(get_store)]


async def get_things(store: Store, if_match: Annotated[str, Header()] = "any") -> str:
    calls.append("things")
    return f"things in {store}, {if_match}"


Things = Annotated[str, Depends(get_things)]


async def refuse_none(number: int) -> None:
    calls.append(f"refuse {number}")


class Callers:
    """Finds a caller for every token."""

    def recent(self, token: bytes) -> Caller:
        return Caller(new_id(), "found", frozenset({"athletes:read"}), new_id())


async def generated() -> AsyncIterator[str]:
    yield "generated"


router = APIRouter(route_class=ContractRoute, dependencies=[PUBLIC])
secured = APIRouter(route_class=ContractRoute)


@router.put("/things/{number}", dependencies=[Depends(refuse_none)])
async def put_thing(
    number: int,
    query: Annotated[Paging, Query()],
    thing: Thing,
    things: Things,
    store: Store,
    request: Request,
    plain: float = 0.5,
) -> Answer:
    values = {"number": number, "query": query.model_dump(), "thing": thing.model_dump()}
    return JSONResponse(values | {"things": things, "store": store, "plain": plain})


@router.delete("/things/{number}", status_code=204)
async def delete_thing(number: int) -> None:
    calls.append(f"delete {number}")


@router.get("/cookie")
async def get_cookie(session: Annotated[str, Cookie()]) -> Answer:
    return JSONResponse(session)


@router.get("/generated")
async def get_generated(value: Annotated[str, Depends(generated)]) -> Answer:
    return JSONResponse(value)


@router.post("/embedded")
async def post_embedded(thing: Annotated[Thing, Body(embed=True)]) -> Answer:
    return JSONResponse(thing.model_dump())


@router.get("/several")
async def get_several(tags: Annotated[list[str], Query()]) -> Answer:
    return JSONResponse(tags)


@router.get("/accepted", status_code=202)
async def get_accepted() -> None:
    calls.append("accepted")


@router.get("/model")
async def get_model() -> Thing:
    return Thing(name="a model")


@router.get("/tagged")
async def get_tagged(query: Annotated[Tagged, Query()]) -> Answer:
    return JSONResponse(query.model_dump())


@secured.get("/secured", dependencies=[needs("athletes:read"), OWN])
async def get_secured(caller: CallerDep) -> Answer:
    return JSONResponse(caller.kind)


@pytest.fixture
def asking() -> FastAPI:
    app = create_app(Settings(_env_file=None))
    app.state.callers = Callers()
    app.include_router(router)
    app.include_router(secured)
    calls.clear()
    return app


@pytest.fixture
async def client(asking: FastAPI) -> AsyncIterator[AsyncClient]:
    transport = ASGITransport(asking)
    async with AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


def route(name: str) -> APIRoute:
    return next(one for one in router.routes if isinstance(one, APIRoute) and one.name == name)


async def put(client: AsyncClient, url: str, **options: Any) -> Response:
    return await client.put(url, json={"name": "rope"}, **options)


async def test_an_endpoint_gets_every_declared_value(client: AsyncClient) -> None:
    response = await put(client, "/things/7?limit=3&plain=2", headers={"If-Match": "x"})

    assert response.json() == {
        "number": 7,
        "query": {"limit": 3, "name": None},
        "thing": {"name": "rope", "size": 1},
        "things": "things in store of /things/7, x",
        "store": "store of /things/7",
        "plain": 2,
    }


async def test_absent_parameters_have_their_defaults(client: AsyncClient) -> None:
    answer = (await put(client, "/things/7")).json()

    assert answer["query"] == {"limit": 20, "name": None}
    assert (answer["things"], answer["plain"]) == ("things in store of /things/7, any", 0.5)


async def test_each_dependency_is_called_once_including_those_of_the_route(
    client: AsyncClient,
) -> None:
    await put(client, "/things/7")

    assert sorted(calls) == ["refuse 7", "store", "things"]


async def test_a_route_with_scopes_gets_its_caller_both_ways(
    asking: FastAPI, client: AsyncClient
) -> None:
    token = {"Authorization": "Bearer any"}

    by_us = [await client.get("/secured", headers=headers) for headers in (token, {})]
    asking.dependency_overrides[print] = print
    by_fastapi = [await client.get("/secured", headers=headers) for headers in (token, {})]

    (secured_route,) = secured.routes
    assert isinstance(secured_route, APIRoute)
    assert handler_of(secured_route)
    for found, refused in (by_us, by_fastapi):
        assert found.json() == "found"
        assert problem(refused) == (401, "/problems/unauthenticated", [])


async def test_the_errors_are_those_of_fastapi(asking: FastAPI, client: AsyncClient) -> None:
    wrong = "/things/x?limit=101&plain=y"

    by_us = await client.put(wrong, json={"size": "big"})
    asking.dependency_overrides[print] = print
    by_fastapi = await client.put(wrong, json={"size": "big"})

    assert problem(by_us) == (
        422,
        "/problems/invalid",
        [
            ("{number}", "int_parsing"),
            ("{number}", "int_parsing"),
            ("?limit", "less_than_equal"),
            ("?plain", "float_parsing"),
            ("/name", "missing"),
            ("/size", "int_parsing"),
        ],
    )
    assert sorted(problem(by_us)[2]) == sorted(problem(by_fastapi)[2])
    assert "refuse" not in "".join(calls)


async def test_a_missing_body_is_invalid(client: AsyncClient) -> None:
    response = await client.put("/things/7")

    assert problem(response) == (422, "/problems/invalid", [("", "missing")])


async def test_an_endpoint_that_returns_none_answers_204(client: AsyncClient) -> None:
    response = await client.delete("/things/7")

    assert (response.status_code, response.content, calls) == (204, b"", ["delete 7"])
    assert "content-type" not in response.headers


async def test_a_dependency_override_is_used(asking: FastAPI, client: AsyncClient) -> None:
    async def get_other() -> str:
        return "another"

    asking.dependency_overrides[get_store] = get_other

    assert (await put(client, "/things/7")).json()["store"] == "another"


@pytest.mark.parametrize(
    ("name", "method", "path", "options", "answer"),
    [
        ("get_cookie", "GET", "/cookie", {"headers": {"Cookie": "session=s"}}, "s"),
        ("get_generated", "GET", "/generated", {}, "generated"),
        (
            "post_embedded",
            "POST",
            "/embedded",
            {"json": {"thing": {"name": "rope"}}},
            {"name": "rope", "size": 1},
        ),
        ("get_accepted", "GET", "/accepted", {}, None),
        ("get_model", "GET", "/model", {}, {"name": "a model", "size": 1}),
    ],
)
async def test_unsupported_declarations_are_left_to_fastapi(
    client: AsyncClient, name: str, method: str, path: str, options: dict[str, Any], answer: object
) -> None:
    response = await client.request(method, path, **options)

    assert handler_of(route(name)) is None
    assert response.json() == answer


def test_a_list_of_values_is_left_to_fastapi() -> None:
    assert handler_of(route("get_several")) is None


async def test_a_model_with_a_list_of_values_is_left_to_fastapi(client: AsyncClient) -> None:
    response = await client.get("/tagged?tag=a&kind=x&tag=b")

    assert handler_of(route("get_tagged")) is None
    assert response.json() == {"tags": ["a", "b"], "kind": "x"}
    repeated = await client.get("/tagged?tag=a&kind=x&kind=y")
    assert problem(repeated) == (422, "/problems/invalid", [("?kind", "repeated")])


def test_supported_declarations_take_the_fast_path() -> None:
    assert handler_of(route("put_thing"))
    assert handler_of(route("delete_thing"))


PRIVATE = {
    "fastapi.dependencies.models.Dependant": {
        *("path_params", "query_params", "header_params", "body_params", "dependencies"),
        *("name", "call", "request_param_name", "use_cache"),
    },
    "fastapi._compat.ModelField": {
        *("name", "alias", "validation_alias", "field_info", "validate", "get_default"),
    },
    "fastapi._compat": {"field_annotation_is_sequence", "get_missing_field_error"},
    "fastapi.routing.RouteContext": {"original_route"},
}
"""The private parts of FastAPI that the fast path uses; release notes do not mention them."""


@pytest.mark.parametrize(
    ("owner", "name"), [(owner, name) for owner in PRIVATE for name in sorted(PRIVATE[owner])]
)
def test_the_private_parts_of_fastapi_that_the_fast_path_uses_exist(owner: str, name: str) -> None:
    found = pkgutil.resolve_name(owner)
    declared = {field.name for field in fields(found)} if is_dataclass(found) else set()

    assert name in declared or hasattr(found, name), (
        f"FastAPI {fastapi.__version__} has no {owner}.{name} any more: fix"
        " app/core/http/fast_path.py, and set FAST_PATH=false until then"
    )


def test_only_the_fast_path_uses_private_parts_of_fastapi() -> None:
    private = re.compile(r"(?:from|import) fastapi\.(?:_|\w+\._|dependencies)|import fastapi\._")

    users = [path.name for path in Path("app").rglob("*.py") if private.search(path.read_text())]

    assert users == ["fast_path.py"]


def test_the_service_starts_without_the_fast_path_if_fastapi_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "app.core.http.fast_path", None)  # importing it fails

    create_app(Settings(_env_file=None, fast_path=False))

    with pytest.raises(ImportError):
        create_app(Settings(_env_file=None, fast_path=True))


async def test_every_endpoint_with_json_takes_the_fast_path(asking: FastAPI) -> None:
    left = [
        f"{method} {target.template}"
        for target in FastPath(asking).targets
        for method, route in target.routes.items()
        if target.template.startswith(API) and not handler_of(route)
    ]

    # They receive or send a file, or answer with a model.
    assert left == [
        "GET /api/v1/athletes/export",
        "POST /api/v1/athletes/import",
        "GET /api/v1/centres/{centre_id}/attendance/export",
        "GET /api/v1/competitions/{competition_id}/export",
        "POST /api/v1/competitions/{competition_id}/import",
    ]
