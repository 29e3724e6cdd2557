"""The endpoints of trainings and of their bookings."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.centres.errors import CentreFull
from app.core.access import TIMETABLE
from app.core.errors import AlreadyTaken, Erased, WrongState
from app.core.http.etags import ExpectedVersions
from app.core.http.openapi import (
    ACTS,
    COMPUTES_WITHIN,
    GETS,
    LISTS,
    LISTS_WITHIN,
    READS,
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
from app.core.http.security import needs, only, open_to
from app.core.resources.fields import Id
from app.trainings import rights
from app.trainings.bookings import BookingsCRUD
from app.trainings.crud import TrainingsCRUD
from app.trainings.dependencies import BookingsDep, TrainingsDep
from app.trainings.errors import AthleteBusy, TrainingFull
from app.trainings.models import (
    BookingCreate,
    BookingPage,
    BookingRead,
    BookingsOfAthleteQuery,
    BookingsOfTrainingQuery,
    CheckIn,
    Occupancy,
    OccupancyQuery,
    TrainingCreate,
    TrainingPage,
    TrainingRead,
    TrainingsQuery,
    TrainingUpdate,
    TrainingView,
)

READ, WRITE = needs("trainings:read"), needs("trainings:write")
TIMETABLE_READ = [READ, open_to(TIMETABLE)]
CHECK_IN = needs("checkin")

router = APIRouter(tags=["trainings"], route_class=ContractRoute)

BOOKS = merged(
    problems(AlreadyTaken),
    creates(BookingsCRUD, TrainingFull, AthleteBusy, WrongState, Erased),
    READS,
)
MOVES = merged(ACTS, problems(WrongState))
CHECKS_IN = merged(TAKES_BODY, MOVES, problems(TrainingFull, AthleteBusy, Erased))


@router.post(
    "/trainings",
    status_code=HTTPStatus.CREATED,
    response_model=TrainingRead,
    responses=creates(TrainingsCRUD, CentreFull),
    dependencies=[WRITE, only(rights.CHANGE)],
)
async def create_training(
    payload: TrainingCreate, trainings: TrainingsDep, request: Request
) -> Response:
    """Schedule a training at a centre.

    Trainings at a centre may overlap, as long as their seats together do not exceed its capacity.
    """
    return created_response(request, await trainings.create(payload))


@router.get("/trainings", response_model=TrainingPage, responses=LISTS, dependencies=TIMETABLE_READ)
async def list_trainings(
    query: Annotated[TrainingsQuery, Query()], trainings: TrainingsDep, request: Request
) -> Response:
    """List the trainings."""
    return page_response(request, await trainings.page(query))


@router.get(
    "/trainings/{training_id}",
    response_model=TrainingView,
    responses=GETS,
    dependencies=TIMETABLE_READ,
)
async def get_training(training_id: Id, trainings: TrainingsDep, request: Request) -> Response:
    """Read a training."""
    return found_response(request, await trainings.get(training_id))


@router.patch(
    "/trainings/{training_id}",
    response_model=TrainingRead,
    responses=updates(TrainingsCRUD, CentreFull, AthleteBusy, WrongState),
    dependencies=[WRITE],
)
async def update_training(
    training_id: Id, payload: TrainingUpdate, trainings: TrainingsDep, expected: ExpectedVersions
) -> Response:
    """Change the given fields of a training.

    Before the start, new seats go to the waitlist. `capacity` may be less than the seats taken:
    nobody loses a seat, and nobody gets one until fewer are taken (`over` tells how many more).

    Before the start, other times or another centre move all active bookings along. If that would
    give an athlete two seats at one time, nothing changes, and the error names these athletes.
    """
    return resource_response(await trainings.update(training_id, payload, expected))


@router.delete(
    "/trainings/{training_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=deletes(TrainingsCRUD),
    dependencies=[WRITE],
)
async def delete_training(
    training_id: Id, trainings: TrainingsDep, expected: ExpectedVersions
) -> None:
    """Delete a training that nobody has ever booked."""
    await trainings.delete(training_id, expected)


@router.post(
    "/trainings/{training_id}/cancel",
    response_model=TrainingRead,
    responses=MOVES,
    dependencies=[WRITE],
)
async def cancel_training(training_id: Id, trainings: TrainingsDep) -> Response:
    """Cancel a training and its bookings, before it starts.

    Idempotent: a cancelled training stays unchanged.
    """
    return resource_response(await trainings.cancel(training_id))


@router.post(
    "/trainings/{training_id}/bookings",
    status_code=HTTPStatus.CREATED,
    response_model=BookingRead,
    responses=BOOKS,
    dependencies=[WRITE],
)
async def create_booking(
    training_id: Id, payload: BookingCreate, bookings: BookingsDep, request: Request
) -> Response:
    """Book a training for an athlete: a seat, or a place in the waitlist if it is full.

    An athlete has at most one active booking of a training, and no seats in trainings that overlap.
    Before somebody new gets a free seat, the athletes in the waitlist who are free at that time get
    theirs. Athletes book until the start, and at most `booking_window_days` of the centre ahead.

    Staff may add a walk-in from the start until 7 days after the end, while there is a seat: the
    booking is checked in. An athlete who still waits then keeps that booking.
    """
    return created_response(request, await bookings.book(training_id, payload), "bookings")


@router.post(
    "/trainings/{training_id}/check-in",
    response_model=BookingRead,
    responses=CHECKS_IN,
    dependencies=[CHECK_IN],
)
async def check_in_at_training(
    training_id: Id, payload: CheckIn, bookings: BookingsDep
) -> Response:
    """Check in the athlete with a reference, for a scanner at the door.

    An athlete without a seat gets one if there is one, and if the token has the scope
    `trainings:write`: a walk-in. The response says who it is, and for which training. Idempotent: a
    booking that is checked in stays unchanged.
    """
    return resource_response(await bookings.check_in_at_door(training_id, payload.reference))


@router.get(
    "/trainings/{training_id}/bookings",
    response_model=BookingPage,
    responses=LISTS_WITHIN,
    dependencies=[READ],
)
async def list_bookings_of_training(
    training_id: Id,
    query: Annotated[BookingsOfTrainingQuery, Query()],
    bookings: BookingsDep,
    request: Request,
) -> Response:
    """List the bookings of a training, by default in the order of the waitlist."""
    return page_response(request, await bookings.of_training(training_id, query))


@router.get(
    "/bookings/{booking_id}", response_model=BookingRead, responses=GETS, dependencies=[READ]
)
async def get_booking(booking_id: Id, bookings: BookingsDep, request: Request) -> Response:
    """Read a booking."""
    return found_response(request, await bookings.get(booking_id))


@router.post(
    "/bookings/{booking_id}/cancel",
    response_model=BookingRead,
    responses=MOVES,
    dependencies=[WRITE],
)
async def cancel_booking(booking_id: Id, bookings: BookingsDep) -> Response:
    """Cancel a booking, before the training starts.

    If an athlete cancels a seat later than `late_cancel_minutes` of the centre before the start,
    the booking reads `late`. Its seat goes to the first athlete in the waitlist who has no seat in
    a training that overlaps.
    Idempotent: a cancelled booking stays unchanged.
    """
    return resource_response(await bookings.cancel(booking_id))


@router.post(
    "/bookings/{booking_id}/check-in",
    response_model=BookingRead,
    responses=MOVES,
    dependencies=[CHECK_IN],
)
async def check_in_booking(booking_id: Id, bookings: BookingsDep) -> Response:
    """Check in an athlete with a seat, from an hour before the start until the end.

    Staff may note a check-in until 7 days after the end; it then has the time of the start.
    Idempotent: a booking that is checked in stays unchanged.
    """
    return resource_response(await bookings.check_in(booking_id))


@router.post(
    "/bookings/{booking_id}/undo-check-in",
    response_model=BookingRead,
    responses=MOVES,
    dependencies=[CHECK_IN],
)
async def undo_check_in_of_booking(booking_id: Id, bookings: BookingsDep) -> Response:
    """Undo a check-in, until 7 days after the end; the booking keeps its seat.

    Idempotent: a `reserved` booking stays unchanged.
    """
    return resource_response(await bookings.undo_check_in(booking_id))


@router.post(
    "/bookings/{booking_id}/check-out",
    response_model=BookingRead,
    responses=MOVES,
    dependencies=[CHECK_IN],
)
async def check_out_booking(booking_id: Id, bookings: BookingsDep) -> Response:
    """Check out an athlete who is checked in; the booking keeps its seat.

    Idempotent: a booking that is checked out stays unchanged.
    """
    return resource_response(await bookings.check_out(booking_id))


@router.get(
    "/athletes/{athlete_id}/bookings",
    response_model=BookingPage,
    responses=LISTS_WITHIN,
    dependencies=[READ],
)
async def list_bookings_of_athlete(
    athlete_id: Id,
    query: Annotated[BookingsOfAthleteQuery, Query()],
    bookings: BookingsDep,
    request: Request,
) -> Response:
    """List the bookings of an athlete, sorted by the start of the trainings."""
    return page_response(request, await bookings.of_athlete(athlete_id, query))


@router.get(
    "/centres/{centre_id}/occupancy",
    response_model=Occupancy,
    responses=COMPUTES_WITHIN,
    dependencies=[READ],
)
async def get_occupancy(
    centre_id: Id,
    query: Annotated[OccupancyQuery, Query()],
    trainings: TrainingsDep,
    request: Request,
) -> Response:
    """Report how full a centre is, now or at a given time, and which trainings run then."""
    return computed_response(request, await trainings.occupancy(centre_id, query.at))
