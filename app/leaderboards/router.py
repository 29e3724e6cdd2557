"""The endpoints of leaderboards."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.core.access import LEADERBOARDS
from app.core.http.openapi import COMPUTES_WITHIN, LISTS_WITHIN
from app.core.http.responses import computed_response, following_page
from app.core.http.routes import ContractRoute
from app.core.http.security import needs, open_to
from app.core.resources.fields import Id
from app.leaderboards.dependencies import LeaderboardsDep
from app.leaderboards.models import Leaderboard, LeaderboardQuery, StandingRead

READ = needs("results:read")

router = APIRouter(tags=["leaderboards"], route_class=ContractRoute)


@router.get(
    "/competitions/{competition_id}/leaderboard",
    response_model=Leaderboard,
    responses=LISTS_WITHIN,
    dependencies=[READ, open_to(LEADERBOARDS)],
)
async def get_leaderboard(
    competition_id: Id,
    query: Annotated[LeaderboardQuery, Query()],
    leaderboards: LeaderboardsDep,
    request: Request,
) -> Response:
    """Read the leaderboard of a category: ranks, points, and places in the events.

    It has all results of before, except that the leaderboard of more than 2,000 entries may be up
    to two seconds old.
    """
    page = await leaderboards.page(competition_id, query)
    following, headers = following_page(request, page.cursor)
    body = f'{{{page.state}, "items": {page.items}, "next": {following}}}'
    return computed_response(request, body, headers)


@router.get(
    "/entries/{entry_id}/standing",
    response_model=StandingRead,
    responses=COMPUTES_WITHIN,
    dependencies=[READ],
)
async def get_standing(entry_id: Id, leaderboards: LeaderboardsDep, request: Request) -> Response:
    """Read the standing of one entry on its leaderboard."""
    return computed_response(request, await leaderboards.standing(entry_id))
