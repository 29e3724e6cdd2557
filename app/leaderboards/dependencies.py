"""Dependencies of the endpoints of leaderboards."""

from typing import Annotated

from fastapi import Depends, Request

from app.core.http.dependencies import DatabaseDep, RequestCaller
from app.leaderboards.crud import LeaderboardsCRUD


async def get_leaderboards(
    request: Request, database: DatabaseDep, caller: RequestCaller
) -> LeaderboardsCRUD:
    """Create the CRUD of leaderboards for a request."""
    state = request.app.state
    return LeaderboardsCRUD(database, caller, state.database, state.refreshes)


LeaderboardsDep = Annotated[LeaderboardsCRUD, Depends(get_leaderboards)]
