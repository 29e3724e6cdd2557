"""The endpoints of results, whiteboards and records."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.core.errors import Erased, WrongState
from app.core.http.etags import ExpectedVersions
from app.core.http.openapi import (
    ACTS,
    COMPUTES_WITHIN,
    GETS,
    LISTS,
    LISTS_WITHIN,
    TAKES_BODY,
    creates,
    deletes,
    merged,
    problems,
    updates,
)
from app.core.http.responses import (
    computed_response,
    created_response,
    found_response,
    page_response,
    resource_response,
)
from app.core.http.routes import ContractRoute
from app.core.http.security import needs, only
from app.core.resources.fields import Id
from app.results import rights
from app.results.crud import ResultsCRUD
from app.results.dependencies import ResultsDep
from app.results.models import (
    EventResultWrite,
    ResultChanges,
    ResultCreate,
    ResultPage,
    ResultRead,
    ResultReview,
    ResultsOfQuery,
    ResultsQuery,
    ResultUpdate,
)
from app.results.records import Records
from app.results.whiteboard import Whiteboard, WhiteboardQuery

READ, WRITE = needs("results:read"), needs("results:write")

router = APIRouter(tags=["results"], route_class=ContractRoute)

PUTS = merged(ACTS, TAKES_BODY, problems(WrongState, Erased))


@router.put(
    "/competition-events/{event_id}/results/{entry_id}",
    response_model=ResultRead,
    responses=PUTS,
    dependencies=[WRITE],
)
async def put_result(
    event_id: Id, entry_id: Id, payload: EventResultWrite, results: ResultsDep
) -> Response:
    """Write the result of an entry in an event, in place of the one before. Idempotent.

    Judges are the coaches of the host. Athletes submit their own results while the competition and
    the event are open, until a judge has reviewed them.
    """
    return resource_response(await results.put(event_id, entry_id, payload))


@router.get(
    "/competition-events/{event_id}/results/{entry_id}",
    response_model=ResultRead,
    responses=GETS,
    dependencies=[READ],
)
async def get_result_of_entry(
    event_id: Id, entry_id: Id, results: ResultsDep, request: Request
) -> Response:
    """Read the result of an entry in an event."""
    return found_response(request, await results.get_of_entry(event_id, entry_id))


@router.delete(
    "/competition-events/{event_id}/results/{entry_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=merged(deletes(ResultsCRUD), problems(WrongState)),
    dependencies=[WRITE],
)
async def delete_result_of_entry(
    event_id: Id, entry_id: Id, results: ResultsDep, expected: ExpectedVersions
) -> None:
    """Delete the result of an entry in an event."""
    await results.delete_of_entry(event_id, entry_id, expected)


@router.post(
    "/results",
    status_code=HTTPStatus.CREATED,
    response_model=ResultRead,
    responses=creates(ResultsCRUD, Erased),
    dependencies=[WRITE, only(rights.CORRECT)],
)
async def create_result(payload: ResultCreate, results: ResultsDep, request: Request) -> Response:
    """Log a result at a centre, for its whiteboard.

    Coaches log results of athletes, and athletes their own where they train.
    """
    return created_response(request, await results.log(payload))


@router.get("/results", response_model=ResultPage, responses=LISTS, dependencies=[READ])
async def list_results(
    query: Annotated[ResultsQuery, Query()], results: ResultsDep, request: Request
) -> Response:
    """List the results, the newest first."""
    return page_response(request, await results.page(query))


@router.get("/results/{result_id}", response_model=ResultRead, responses=GETS, dependencies=[READ])
async def get_result(result_id: Id, results: ResultsDep, request: Request) -> Response:
    """Read a result."""
    return found_response(request, await results.get(result_id))


@router.patch(
    "/results/{result_id}",
    response_model=ResultRead,
    responses=updates(ResultsCRUD, WrongState, Erased),
    dependencies=[WRITE],
)
async def update_result(
    result_id: Id, payload: ResultUpdate, results: ResultsDep, expected: ExpectedVersions
) -> Response:
    """Correct the given fields of a result. A score replaces the whole score and tie-break."""
    return resource_response(await results.update(result_id, payload, expected))


@router.delete(
    "/results/{result_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=merged(deletes(ResultsCRUD), problems(WrongState)),
    dependencies=[WRITE],
)
async def delete_result(result_id: Id, results: ResultsDep, expected: ExpectedVersions) -> None:
    """Delete a result."""
    await results.delete(result_id, expected)


@router.post(
    "/results/{result_id}/review",
    response_model=ResultRead,
    responses=merged(ACTS, TAKES_BODY, problems(WrongState)),
    dependencies=[WRITE],
)
async def review_result(result_id: Id, payload: ResultReview, results: ResultsDep) -> Response:
    """Decide about a result: it is valid, adjusted (with a reason) or invalid. Idempotent."""
    return resource_response(await results.review(result_id, payload))


@router.get(
    "/results/{result_id}/changes",
    response_model=ResultChanges,
    responses=COMPUTES_WITHIN,
    dependencies=[READ],
)
async def get_changes_of_result(result_id: Id, results: ResultsDep, request: Request) -> Response:
    """List the corrections of a result, the oldest first: values before and after, and reasons."""
    return computed_response(request, await results.changes_of(result_id))


@router.get(
    "/workouts/{workout_id}/results",
    response_model=ResultPage,
    responses=LISTS_WITHIN,
    dependencies=[READ],
)
async def list_results_of_workout(
    workout_id: Id,
    query: Annotated[ResultsOfQuery, Query()],
    results: ResultsDep,
    request: Request,
) -> Response:
    """List the results of a workout, the newest first."""
    return page_response(request, await results.of_workout(workout_id, query))


@router.get(
    "/athletes/{athlete_id}/results",
    response_model=ResultPage,
    responses=LISTS_WITHIN,
    dependencies=[READ],
)
async def list_results_of_athlete(
    athlete_id: Id,
    query: Annotated[ResultsOfQuery, Query()],
    results: ResultsDep,
    request: Request,
) -> Response:
    """List the results of an athlete, the newest first."""
    return page_response(request, await results.of_athlete(athlete_id, query))


@router.get(
    "/athletes/{athlete_id}/records",
    response_model=Records,
    responses=COMPUTES_WITHIN,
    dependencies=[READ],
)
async def get_records(athlete_id: Id, results: ResultsDep, request: Request) -> Response:
    """Read the best results of an athlete, by workout and scaling, with percentages of loads."""
    return computed_response(request, await results.records(athlete_id))


@router.get(
    "/centres/{centre_id}/whiteboard",
    response_model=Whiteboard,
    responses=COMPUTES_WITHIN,
    dependencies=[READ],
)
async def get_whiteboard(
    centre_id: Id,
    query: Annotated[WhiteboardQuery, Query()],
    results: ResultsDep,
    request: Request,
) -> Response:
    """Read the results of a day at a centre, by workout. By default they are not ranked."""
    return computed_response(request, await results.whiteboard(centre_id, query))
