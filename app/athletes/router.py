"""The endpoints of athletes, and of their enrolments at centres."""

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.athletes import rights
from app.athletes.crud import AthletesCRUD
from app.athletes.dependencies import AthletesDep
from app.athletes.errors import TooManyCentres
from app.athletes.files.dry_run import checks_of_client, with_storage
from app.athletes.files.exporting import exported_athletes
from app.athletes.files.importing import import_file
from app.athletes.files.options import ImportOptions
from app.athletes.files.reading import AthletesFile
from app.athletes.files.records import EXAMPLE
from app.athletes.files.report import ImportReport
from app.athletes.models import (
    AthleteCreate,
    AthleteLookup,
    AthletePage,
    AthleteRead,
    AthletesAtCentreQuery,
    AthletesOfCategoryQuery,
    AthletesQuery,
    AthleteUpdate,
    AthleteView,
)
from app.centres.models import CentrePage
from app.core.csv.streaming import (
    CSVResponse,
    ExportReaderDep,
    csv_response,
    received_csv,
    takes_csv,
)
from app.core.errors import Erased
from app.core.http.dependencies import DatabaseDep
from app.core.http.etags import ExpectedVersions
from app.core.http.openapi import (
    EXPORTS,
    GETS,
    IMPORTS,
    LISTS,
    LISTS_WITHIN,
    LOOKS_UP,
    READS,
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
from app.core.resources.paging import NamedListQuery

READ, WRITE = needs("athletes:read"), needs("athletes:write")
IMPORT = needs("athletes:write", "categories:write", "centres:write")
"""An import also creates the categories and centres that it names."""

router = APIRouter(tags=["athletes"], route_class=ContractRoute)


@router.post(
    "/athletes",
    status_code=HTTPStatus.CREATED,
    response_model=AthleteRead,
    responses=creates(AthletesCRUD, Erased),
    dependencies=[WRITE, only(rights.CREATE)],
)
async def create_athlete(
    payload: AthleteCreate, athletes: AthletesDep, request: Request
) -> Response:
    """Create an athlete, and enrol them at centres."""
    return created_response(request, await athletes.create(payload))


@router.get("/athletes", response_model=AthletePage, responses=LISTS, dependencies=[READ])
async def list_athletes(
    query: Annotated[AthletesQuery, Query()], athletes: AthletesDep, request: Request
) -> Response:
    """List the athletes."""
    return page_response(request, await athletes.page(query))


@router.post(
    "/athletes/lookup",
    response_model=AthleteRead,
    responses=LOOKS_UP,
    dependencies=[READ, only(rights.LOOK_UP)],
)
async def lookup_athlete(whom: AthleteLookup, athletes: AthletesDep) -> Response:
    """Find an athlete by reference, email address or national id.

    The value is part of the body, to keep personal data out of URLs and logs.
    """
    return resource_response(await athletes.lookup(whom))


@router.post(
    "/athletes/import",
    responses=IMPORTS,
    openapi_extra=takes_csv(EXAMPLE),
    dependencies=[IMPORT, only(rights.TRANSFER)],
)
async def import_athletes(
    options: Annotated[ImportOptions, Query()], database: DatabaseDep, request: Request
) -> ImportReport:
    """Create and update athletes from a CSV file.

    The file is separated by commas, semicolons or tabs. It is UTF-8, or UTF-16 with a byte order
    mark, or has the `encoding` that the query names.

    Each row is one athlete, found by `id`, else by `reference`. Athletes, categories and centres
    that do not exist are created. A row that cannot be stored is rejected, and the other rows are
    still stored. If a column is absent, its field stays unchanged. An empty cell clears an optional
    field. `centres` replaces all centres of the athlete.
    """
    longest = request.app.state.settings.max_import_size
    async with received_csv(request, longest) as body:
        file = await asyncio.to_thread(AthletesFile, body, options)
        work = partial(import_file, file)
        return await with_storage(
            database, options, work, checks_of_client(request.is_disconnected)
        )


@router.get(
    "/athletes/export",
    response_class=CSVResponse,
    responses=EXPORTS,
    dependencies=[READ, only(rights.TRANSFER)],
)
async def export_athletes(reader: ExportReaderDep) -> CSVResponse:
    """Export all athletes as a CSV file in UTF-8, which can be imported again unchanged."""
    return await csv_response(exported_athletes(reader), "athletes.csv")


@router.get(
    "/athletes/{athlete_id}",
    response_model=AthleteView,
    responses=GETS,
    dependencies=[READ],
)
async def get_athlete(athlete_id: Id, athletes: AthletesDep, request: Request) -> Response:
    """Read an athlete."""
    return found_response(request, await athletes.get(athlete_id))


@router.patch(
    "/athletes/{athlete_id}",
    response_model=AthleteView,
    responses=updates(AthletesCRUD, Erased),
    dependencies=[WRITE],
)
async def update_athlete(
    athlete_id: Id, payload: AthleteUpdate, athletes: AthletesDep, expected: ExpectedVersions
) -> Response:
    """Change the given fields of an athlete; `centre_ids` replaces all their centres."""
    return resource_response(await athletes.update(athlete_id, payload, expected))


@router.delete(
    "/athletes/{athlete_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=deletes(AthletesCRUD),
    dependencies=[WRITE],
)
async def delete_athlete(athlete_id: Id, athletes: AthletesDep, expected: ExpectedVersions) -> None:
    """Delete an athlete who has never booked a training, and their enrolments."""
    await athletes.delete(athlete_id, expected)


@router.get(
    "/athletes/{athlete_id}/centres",
    response_model=CentrePage,
    responses=LISTS_WITHIN,
    dependencies=[READ],
)
async def list_centres_of_athlete(
    athlete_id: Id,
    query: Annotated[NamedListQuery, Query()],
    athletes: AthletesDep,
    request: Request,
) -> Response:
    """List the centres that an athlete trains at."""
    return page_response(request, await athletes.centres_of(athlete_id, query))


@router.put(
    "/athletes/{athlete_id}/centres/{centre_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=merged(READS, problems(TooManyCentres, Erased)),
    dependencies=[WRITE],
)
async def enrol_athlete(athlete_id: Id, centre_id: Id, athletes: AthletesDep) -> None:
    """Enrol an athlete at a centre; nothing changes if they are already enrolled there.

    An athlete can be enrolled at 50 centres.
    """
    await athletes.enrol(athlete_id, centre_id)


@router.delete(
    "/athletes/{athlete_id}/centres/{centre_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=READS,
    dependencies=[WRITE],
)
async def withdraw_athlete(athlete_id: Id, centre_id: Id, athletes: AthletesDep) -> None:
    """Withdraw an athlete from a centre."""
    await athletes.withdraw(athlete_id, centre_id)


@router.get(
    "/categories/{category_id}/athletes",
    response_model=AthletePage,
    responses=LISTS_WITHIN,
    dependencies=[READ],
)
async def list_athletes_of_category(
    category_id: Id,
    query: Annotated[AthletesOfCategoryQuery, Query()],
    athletes: AthletesDep,
    request: Request,
) -> Response:
    """List the athletes of a category."""
    return page_response(request, await athletes.of_category(category_id, query))


@router.get(
    "/centres/{centre_id}/athletes",
    response_model=AthletePage,
    responses=LISTS_WITHIN,
    dependencies=[READ],
)
async def list_athletes_at_centre(
    centre_id: Id,
    query: Annotated[AthletesAtCentreQuery, Query()],
    athletes: AthletesDep,
    request: Request,
) -> Response:
    """List the athletes who train at a centre."""
    return page_response(request, await athletes.at_centre(centre_id, query))
