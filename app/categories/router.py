"""The endpoints of categories."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.categories import rights
from app.categories.crud import CategoriesCRUD
from app.categories.dependencies import CategoriesDep
from app.categories.models import CategoryCreate, CategoryPage, CategoryRead, CategoryUpdate
from app.core.access import TIMETABLE
from app.core.http.etags import ExpectedVersions
from app.core.http.openapi import GETS, LISTS, creates, deletes, updates
from app.core.http.responses import (
    created_response,
    found_response,
    page_response,
    resource_response,
)
from app.core.http.routes import ContractRoute
from app.core.http.security import needs, only, open_to
from app.core.resources.fields import Id
from app.core.resources.paging import NamedListQuery

READ = [needs("categories:read"), open_to(TIMETABLE)]
WRITE = needs("categories:write")

router = APIRouter(prefix="/categories", tags=["categories"], route_class=ContractRoute)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=CategoryRead,
    responses=creates(CategoriesCRUD),
    dependencies=[WRITE, only(rights.CREATE)],
)
async def create_category(
    payload: CategoryCreate, categories: CategoriesDep, request: Request
) -> Response:
    """Create a category."""
    return created_response(request, await categories.create(payload))


@router.get("", response_model=CategoryPage, responses=LISTS, dependencies=READ)
async def list_categories(
    query: Annotated[NamedListQuery, Query()], categories: CategoriesDep, request: Request
) -> Response:
    """List the categories."""
    return page_response(request, await categories.page(query))


@router.get("/{category_id}", response_model=CategoryRead, responses=GETS, dependencies=READ)
async def get_category(category_id: Id, categories: CategoriesDep, request: Request) -> Response:
    """Read a category."""
    return found_response(request, await categories.get(category_id))


@router.patch(
    "/{category_id}",
    response_model=CategoryRead,
    responses=updates(CategoriesCRUD),
    dependencies=[WRITE],
)
async def update_category(
    category_id: Id, payload: CategoryUpdate, categories: CategoriesDep, expected: ExpectedVersions
) -> Response:
    """Change the given fields of a category."""
    return resource_response(await categories.update(category_id, payload, expected))


@router.delete(
    "/{category_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=deletes(CategoriesCRUD),
    dependencies=[WRITE],
)
async def delete_category(
    category_id: Id, categories: CategoriesDep, expected: ExpectedVersions
) -> None:
    """Delete a category that no athlete belongs to."""
    await categories.delete(category_id, expected)
