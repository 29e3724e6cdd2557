"""The endpoints of series."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.centres.errors import CentreFull
from app.core.errors import AlreadyTaken, StillInUse
from app.core.http.etags import ExpectedVersions
from app.core.http.openapi import (
    ACTS,
    GETS,
    LISTS,
    TAKES_BODY,
    creates,
    deletes,
    merged,
    problems,
    updates,
)
from app.core.http.responses import (
    created_response,
    found_response,
    page_response,
    resource_response,
)
from app.core.http.routes import ContractRoute
from app.core.http.security import needs, only
from app.core.resources.fields import Id
from app.trainings.errors import AthleteBusy
from app.trainings.series import rights
from app.trainings.series.crud import SeriesCRUD
from app.trainings.series.dependencies import SeriesDep
from app.trainings.series.models import (
    SeriesCancel,
    SeriesChange,
    SeriesCreate,
    SeriesDeletion,
    SeriesPage,
    SeriesQuery,
    SeriesRead,
    SeriesUpdate,
)

READ, WRITE = needs("trainings:read"), needs("trainings:write")

router = APIRouter(prefix="/series", tags=["trainings"], route_class=ContractRoute)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=SeriesChange,
    responses=creates(SeriesCRUD, CentreFull, AlreadyTaken),
    dependencies=[WRITE, only(rights.CHANGE)],
)
async def create_series(payload: SeriesCreate, series: SeriesDep, request: Request) -> Response:
    """Create a series: trainings at a centre on some weekdays, at one local time.

    All trainings are created, or none: the error names the first that does not fit the capacity of
    the centre. A local time that does not exist on a day moves forward by the gap, and of one that
    comes twice the first counts; `clock_changes` lists both.
    """
    return created_response(request, await series.create(payload))


@router.get("", response_model=SeriesPage, responses=LISTS, dependencies=[READ])
async def list_series(
    query: Annotated[SeriesQuery, Query()], series: SeriesDep, request: Request
) -> Response:
    """List the series."""
    return page_response(request, await series.page(query))


@router.get("/{series_id}", response_model=SeriesRead, responses=GETS, dependencies=[READ])
async def get_series(series_id: Id, series: SeriesDep, request: Request) -> Response:
    """Read a series."""
    return found_response(request, await series.get(series_id))


@router.patch(
    "/{series_id}",
    response_model=SeriesChange,
    responses=updates(SeriesCRUD, CentreFull, AthleteBusy),
    dependencies=[WRITE],
)
async def update_series(
    series_id: Id, payload: SeriesUpdate, series: SeriesDep, expected: ExpectedVersions
) -> Response:
    """Change the given fields of a series, and its trainings that have not started.

    A later `ends_on` extends it. Trainings on days that it has no more are deleted, or cancelled if
    somebody has ever booked them. Trainings that were changed apart from the series are kept, and
    without `include_booked` those with bookings too; `kept` lists them. With it, all bookings move
    along, or the error names the athletes who would have two seats at one time.
    """
    return resource_response(await series.update(series_id, payload, expected))


@router.post(
    "/{series_id}/cancel",
    response_model=SeriesChange,
    responses=merged(TAKES_BODY, ACTS),
    dependencies=[WRITE],
)
async def cancel_series(series_id: Id, payload: SeriesCancel, series: SeriesDep) -> Response:
    """Cancel the trainings of a series from a local day on, and their bookings.

    Trainings that have started, or were changed apart from the series, are kept. Idempotent.
    """
    return resource_response(await series.cancel(series_id, payload.from_))


@router.delete(
    "/{series_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=merged(deletes(SeriesCRUD), problems(StillInUse)),
    dependencies=[WRITE],
)
async def delete_series(
    series_id: Id,
    query: Annotated[SeriesDeletion, Query()],
    series: SeriesDep,
    expected: ExpectedVersions,
) -> None:
    """Delete a series, and its trainings that have not started.

    If somebody has a booking of one of them, `include_booked=true` cancels those trainings.
    Trainings that have started, or were changed apart from the series, stay without it.
    """
    await series.delete(series_id, expected, include_booked=query.include_booked)
