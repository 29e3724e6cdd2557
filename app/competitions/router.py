"""The endpoints of competitions, their events and entries."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.competitions import rights
from app.competitions.crud import CompetitionsCRUD
from app.competitions.dependencies import CompetitionEventsDep, CompetitionsDep, EntriesDep
from app.competitions.entries import EntriesCRUD
from app.competitions.events import CompetitionEventsCRUD
from app.competitions.models import (
    CompetitionCreate,
    CompetitionEventCreate,
    CompetitionEventPage,
    CompetitionEventRead,
    CompetitionEventsQuery,
    CompetitionEventUpdate,
    CompetitionPage,
    CompetitionRead,
    CompetitionsQuery,
    CompetitionUpdate,
    EntriesQuery,
    EntryCreate,
    EntryPage,
    EntryRead,
    Reopening,
    Withdrawal,
)
from app.core.access import LEADERBOARDS
from app.core.errors import AlreadyTaken, Erased, WrongState
from app.core.http.etags import ExpectedVersions
from app.core.http.openapi import (
    ACTS,
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
    created_response,
    found_response,
    page_response,
    resource_response,
)
from app.core.http.routes import ContractRoute
from app.core.http.security import needs, only, open_to
from app.core.resources.fields import Id
from app.workouts.errors import Frozen

READ, WRITE = needs("results:read"), needs("results:write")
PUBLIC_READ = [READ, open_to(LEADERBOARDS)]

router = APIRouter(tags=["competitions"], route_class=ContractRoute)

MOVES = merged(ACTS, problems(WrongState))
MOVES_WITH_BODY = merged(MOVES, TAKES_BODY)


@router.post(
    "/competitions",
    status_code=HTTPStatus.CREATED,
    response_model=CompetitionRead,
    responses=creates(CompetitionsCRUD),
    dependencies=[WRITE, only(rights.CHANGE)],
)
async def create_competition(
    payload: CompetitionCreate, competitions: CompetitionsDep, request: Request
) -> Response:
    """Create a competition, as a draft that the staff of its host sees until it is published."""
    return created_response(request, await competitions.create(payload))


@router.get(
    "/competitions", response_model=CompetitionPage, responses=LISTS, dependencies=PUBLIC_READ
)
async def list_competitions(
    query: Annotated[CompetitionsQuery, Query()], competitions: CompetitionsDep, request: Request
) -> Response:
    """List the competitions."""
    return page_response(request, await competitions.page(query))


@router.get(
    "/competitions/{competition_id}",
    response_model=CompetitionRead,
    responses=GETS,
    dependencies=PUBLIC_READ,
)
async def get_competition(
    competition_id: Id, competitions: CompetitionsDep, request: Request
) -> Response:
    """Read a competition."""
    return found_response(request, await competitions.get(competition_id))


@router.patch(
    "/competitions/{competition_id}",
    response_model=CompetitionRead,
    responses=updates(CompetitionsCRUD, WrongState, Frozen),
    dependencies=[WRITE],
)
async def update_competition(
    competition_id: Id,
    payload: CompetitionUpdate,
    competitions: CompetitionsDep,
    expected: ExpectedVersions,
) -> Response:
    """Change the given fields of a competition, unless it is final.

    `points` cannot change once it has events.
    """
    return resource_response(await competitions.update(competition_id, payload, expected))


@router.delete(
    "/competitions/{competition_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=deletes(CompetitionsCRUD),
    dependencies=[WRITE],
)
async def delete_competition(
    competition_id: Id, competitions: CompetitionsDep, expected: ExpectedVersions
) -> None:
    """Delete a competition without events and entries."""
    await competitions.delete(competition_id, expected)


@router.post(
    "/competitions/{competition_id}/open",
    response_model=CompetitionRead,
    responses=MOVES,
    dependencies=[WRITE],
)
async def open_competition(competition_id: Id, competitions: CompetitionsDep) -> Response:
    """Open a draft: publish it, and let athletes enter and submit results. Idempotent."""
    return resource_response(await competitions.move(competition_id, "opened"))


@router.post(
    "/competitions/{competition_id}/close",
    response_model=CompetitionRead,
    responses=MOVES,
    dependencies=[WRITE],
)
async def close_competition(competition_id: Id, competitions: CompetitionsDep) -> Response:
    """Close an open competition: only its coaches enter and correct results now. Idempotent."""
    return resource_response(await competitions.move(competition_id, "closed"))


@router.post(
    "/competitions/{competition_id}/finalise",
    response_model=CompetitionRead,
    responses=MOVES,
    dependencies=[WRITE],
)
async def finalise_competition(competition_id: Id, competitions: CompetitionsDep) -> Response:
    """Make the results final: nothing changes until the competition is reopened. Idempotent."""
    return resource_response(await competitions.move(competition_id, "finalised"))


@router.post(
    "/competitions/{competition_id}/reopen",
    response_model=CompetitionRead,
    responses=MOVES_WITH_BODY,
    dependencies=[WRITE],
)
async def reopen_competition(
    competition_id: Id, payload: Reopening, competitions: CompetitionsDep
) -> Response:
    """Open a closed or final competition again, with a reason that everybody can read."""
    return resource_response(await competitions.move(competition_id, "reopened", payload.reason))


@router.post(
    "/competitions/{competition_id}/events",
    status_code=HTTPStatus.CREATED,
    response_model=CompetitionEventRead,
    responses=merged(problems(AlreadyTaken), creates(CompetitionEventsCRUD, WrongState), READS),
    dependencies=[WRITE],
)
async def create_competition_event(
    competition_id: Id,
    payload: CompetitionEventCreate,
    events: CompetitionEventsDep,
    request: Request,
) -> Response:
    """Add an event to a competition. Athletes see it once it is published."""
    created = await events.add(competition_id, payload)
    return created_response(request, created, "competition-events")


@router.get(
    "/competitions/{competition_id}/events",
    response_model=CompetitionEventPage,
    responses=LISTS_WITHIN,
    dependencies=PUBLIC_READ,
)
async def list_competition_events(
    competition_id: Id,
    query: Annotated[CompetitionEventsQuery, Query()],
    events: CompetitionEventsDep,
    request: Request,
) -> Response:
    """List the events of a competition."""
    return page_response(request, await events.of_competition(competition_id, query))


@router.get(
    "/competition-events/{event_id}",
    response_model=CompetitionEventRead,
    responses=GETS,
    dependencies=PUBLIC_READ,
)
async def get_competition_event(
    event_id: Id, events: CompetitionEventsDep, request: Request
) -> Response:
    """Read an event."""
    return found_response(request, await events.get(event_id))


@router.patch(
    "/competition-events/{event_id}",
    response_model=CompetitionEventRead,
    responses=merged(problems(AlreadyTaken), updates(CompetitionEventsCRUD, WrongState, Frozen)),
    dependencies=[WRITE],
)
async def update_competition_event(
    event_id: Id,
    payload: CompetitionEventUpdate,
    events: CompetitionEventsDep,
    expected: ExpectedVersions,
) -> Response:
    """Change the given fields of an event.

    Workout, ordinal and publication cannot change once it has a result.
    """
    return resource_response(await events.update(event_id, payload, expected))


@router.delete(
    "/competition-events/{event_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=merged(deletes(CompetitionEventsCRUD), problems(WrongState)),
    dependencies=[WRITE],
)
async def delete_competition_event(
    event_id: Id, events: CompetitionEventsDep, expected: ExpectedVersions
) -> None:
    """Delete an event without results."""
    await events.delete(event_id, expected)


@router.post(
    "/competitions/{competition_id}/entries",
    status_code=HTTPStatus.CREATED,
    response_model=EntryRead,
    responses=merged(problems(AlreadyTaken), creates(EntriesCRUD, WrongState, Erased), READS),
    dependencies=[WRITE],
)
async def create_entry(
    competition_id: Id, payload: EntryCreate, entries: EntriesDep, request: Request
) -> Response:
    """Enter an athlete in a competition.

    Its coaches enter athletes at any time before it is final, athletes themselves while it is open.
    """
    return created_response(request, await entries.enter(competition_id, payload), "entries")


@router.get(
    "/competitions/{competition_id}/entries",
    response_model=EntryPage,
    responses=LISTS_WITHIN,
    dependencies=[READ],
)
async def list_entries(
    competition_id: Id,
    query: Annotated[EntriesQuery, Query()],
    entries: EntriesDep,
    request: Request,
) -> Response:
    """List the entries of a competition."""
    return page_response(request, await entries.of_competition(competition_id, query))


@router.get("/entries/{entry_id}", response_model=EntryRead, responses=GETS, dependencies=[READ])
async def get_entry(entry_id: Id, entries: EntriesDep, request: Request) -> Response:
    """Read an entry."""
    return found_response(request, await entries.get(entry_id))


@router.delete(
    "/entries/{entry_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=merged(deletes(EntriesCRUD), problems(WrongState)),
    dependencies=[WRITE],
)
async def delete_entry(entry_id: Id, entries: EntriesDep, expected: ExpectedVersions) -> None:
    """Delete an entry without results, for example one in the wrong category."""
    await entries.delete(entry_id, expected)


@router.post(
    "/entries/{entry_id}/withdraw",
    response_model=EntryRead,
    responses=MOVES_WITH_BODY,
    dependencies=[WRITE],
)
async def withdraw_entry(entry_id: Id, payload: Withdrawal, entries: EntriesDep) -> Response:
    """Withdraw an athlete before an event. Idempotent.

    The athlete keeps points, and ranks below all who went on.
    """
    return resource_response(await entries.withdraw(entry_id, payload.before_event))


@router.post(
    "/entries/{entry_id}/disqualify",
    response_model=EntryRead,
    responses=MOVES,
    dependencies=[WRITE],
)
async def disqualify_entry(entry_id: Id, entries: EntriesDep) -> Response:
    """Disqualify an athlete. Idempotent.

    The places and points in events stay, but the athlete has no overall rank.
    """
    return resource_response(await entries.disqualify(entry_id))


@router.post(
    "/entries/{entry_id}/reinstate",
    response_model=EntryRead,
    responses=MOVES,
    dependencies=[WRITE],
)
async def reinstate_entry(entry_id: Id, entries: EntriesDep) -> Response:
    """Take back a withdrawal or a disqualification. Idempotent."""
    return resource_response(await entries.reinstate(entry_id))
