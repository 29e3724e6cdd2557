"""The endpoints of centres."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.centres import rights
from app.centres.crud import CentresCRUD
from app.centres.dependencies import CentresDep
from app.centres.errors import CentreFull
from app.centres.models import (
    CentreCreate,
    CentrePage,
    CentreRead,
    CentreUpdate,
    CentreView,
)
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

READ = [needs("centres:read"), open_to(TIMETABLE)]
WRITE = needs("centres:write")

router = APIRouter(prefix="/centres", tags=["centres"], route_class=ContractRoute)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=CentreRead,
    responses=creates(CentresCRUD),
    dependencies=[WRITE, only(rights.CREATE)],
)
async def create_centre(payload: CentreCreate, centres: CentresDep, request: Request) -> Response:
    """Create a centre."""
    return created_response(request, await centres.create(payload))


@router.get("", response_model=CentrePage, responses=LISTS, dependencies=READ)
async def list_centres(
    query: Annotated[NamedListQuery, Query()], centres: CentresDep, request: Request
) -> Response:
    """List the centres."""
    return page_response(request, await centres.page(query))


@router.get("/{centre_id}", response_model=CentreView, responses=GETS, dependencies=READ)
async def get_centre(centre_id: Id, centres: CentresDep, request: Request) -> Response:
    """Read a centre."""
    return found_response(request, await centres.get(centre_id))


@router.patch(
    "/{centre_id}",
    response_model=CentreRead,
    responses=updates(CentresCRUD, CentreFull),
    dependencies=[WRITE],
)
async def update_centre(
    centre_id: Id, payload: CentreUpdate, centres: CentresDep, expected: ExpectedVersions
) -> Response:
    """Change the given fields of a centre.

    Its `capacity` cannot become smaller than the seats of overlapping trainings that have not
    ended.
    """
    return resource_response(await centres.update(centre_id, payload, expected))


@router.delete(
    "/{centre_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=deletes(CentresCRUD),
    dependencies=[WRITE],
)
async def delete_centre(centre_id: Id, centres: CentresDep, expected: ExpectedVersions) -> None:
    """Delete a centre without athletes, trainings and programme."""
    await centres.delete(centre_id, expected)
