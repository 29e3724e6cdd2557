"""The endpoints of workouts and of the programmes of centres."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.centres.dependencies import CentresDep
from app.core.errors import AlreadyTaken
from app.core.http.etags import ExpectedVersions
from app.core.http.openapi import (
    GETS,
    LISTS,
    LISTS_WITHIN,
    READS,
    creates,
    deletes,
    merged,
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
from app.workouts import rights
from app.workouts.crud import ProgrammeCRUD, WorkoutsCRUD
from app.workouts.dependencies import ProgrammeDep, WorkoutsDep
from app.workouts.errors import Frozen
from app.workouts.models import (
    ProgrammeCreate,
    ProgrammePage,
    ProgrammeQuery,
    ProgrammeRead,
    ProgrammeUpdate,
    WorkoutCreate,
    WorkoutPage,
    WorkoutRead,
    WorkoutsQuery,
    WorkoutUpdate,
)

READ, WRITE = needs("trainings:read"), needs("trainings:write")

router = APIRouter(tags=["workouts"], route_class=ContractRoute)


@router.post(
    "/workouts",
    status_code=HTTPStatus.CREATED,
    response_model=WorkoutRead,
    responses=creates(WorkoutsCRUD, AlreadyTaken),
    dependencies=[WRITE, only(rights.CREATE)],
)
async def create_workout(
    payload: WorkoutCreate, workouts: WorkoutsDep, request: Request
) -> Response:
    """Create a workout, and say how its results are scored."""
    return created_response(request, await workouts.create(payload))


@router.get("/workouts", response_model=WorkoutPage, responses=LISTS, dependencies=[READ])
async def list_workouts(
    query: Annotated[WorkoutsQuery, Query()], workouts: WorkoutsDep, request: Request
) -> Response:
    """List the workouts."""
    return page_response(request, await workouts.page(query))


@router.get(
    "/workouts/{workout_id}", response_model=WorkoutRead, responses=GETS, dependencies=[READ]
)
async def get_workout(workout_id: Id, workouts: WorkoutsDep, request: Request) -> Response:
    """Read a workout."""
    return found_response(request, await workouts.get(workout_id))


@router.patch(
    "/workouts/{workout_id}",
    response_model=WorkoutRead,
    responses=updates(WorkoutsCRUD, AlreadyTaken, Frozen),
    dependencies=[WRITE],
)
async def update_workout(
    workout_id: Id, payload: WorkoutUpdate, workouts: WorkoutsDep, expected: ExpectedVersions
) -> Response:
    """Change the given fields of a workout.

    Once it has a result, its scoring fields are frozen.
    """
    return resource_response(await workouts.update(workout_id, payload, expected))


@router.delete(
    "/workouts/{workout_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=deletes(WorkoutsCRUD),
    dependencies=[WRITE],
)
async def delete_workout(workout_id: Id, workouts: WorkoutsDep, expected: ExpectedVersions) -> None:
    """Delete a workout that is not used: it is in no programme, and has no results."""
    await workouts.delete(workout_id, expected)


@router.post(
    "/centres/{centre_id}/programme",
    status_code=HTTPStatus.CREATED,
    response_model=ProgrammeRead,
    responses=merged(creates(ProgrammeCRUD, AlreadyTaken), READS),
    dependencies=[WRITE],
)
async def create_programmed_workout(
    centre_id: Id, payload: ProgrammeCreate, programme: ProgrammeDep, request: Request
) -> Response:
    """Add a workout to the programme of a centre."""
    return created_response(request, await programme.add(centre_id, payload), "programme")


@router.get(
    "/centres/{centre_id}/programme",
    response_model=ProgrammePage,
    responses=LISTS_WITHIN,
    dependencies=[READ],
)
async def list_programme(
    centre_id: Id,
    query: Annotated[ProgrammeQuery, Query()],
    programme: ProgrammeDep,
    centres: CentresDep,
    request: Request,
) -> Response:
    """List the programme of a centre: what is done there each day.

    Members and devices see what is published.
    """
    return page_response(request, await programme.page_within(centres, centre_id, query))


@router.get(
    "/programme/{programmed_workout_id}",
    response_model=ProgrammeRead,
    responses=GETS,
    dependencies=[READ],
)
async def get_programmed_workout(
    programmed_workout_id: Id, programme: ProgrammeDep, request: Request
) -> Response:
    """Read a workout in the programme of a centre."""
    return found_response(request, await programme.get(programmed_workout_id))


@router.patch(
    "/programme/{programmed_workout_id}",
    response_model=ProgrammeRead,
    responses=updates(ProgrammeCRUD, AlreadyTaken),
    dependencies=[WRITE],
)
async def update_programmed_workout(
    programmed_workout_id: Id,
    payload: ProgrammeUpdate,
    programme: ProgrammeDep,
    expected: ExpectedVersions,
) -> Response:
    """Change the given fields of a workout in a programme; `published_at` publishes it."""
    return resource_response(await programme.update(programmed_workout_id, payload, expected))


@router.delete(
    "/programme/{programmed_workout_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=deletes(ProgrammeCRUD),
    dependencies=[WRITE],
)
async def delete_programmed_workout(
    programmed_workout_id: Id, programme: ProgrammeDep, expected: ExpectedVersions
) -> None:
    """Remove a workout from the programme of a centre."""
    await programme.delete(programmed_workout_id, expected)
