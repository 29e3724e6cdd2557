"""Dependencies of the endpoints of competitions, events and entries."""

from typing import Annotated

from fastapi import Depends

from app.competitions.crud import CompetitionsCRUD
from app.competitions.entries import EntriesCRUD
from app.competitions.events import CompetitionEventsCRUD
from app.core.http.dependencies import DatabaseDep, RequestCaller


async def get_competitions(database: DatabaseDep, caller: RequestCaller) -> CompetitionsCRUD:
    """Create the CRUD of competitions for a request."""
    return CompetitionsCRUD(database, caller)


CompetitionsDep = Annotated[CompetitionsCRUD, Depends(get_competitions)]


async def get_competition_events(
    database: DatabaseDep, caller: RequestCaller
) -> CompetitionEventsCRUD:
    """Create the CRUD of the events of competitions for a request."""
    return CompetitionEventsCRUD(database, caller)


CompetitionEventsDep = Annotated[CompetitionEventsCRUD, Depends(get_competition_events)]


async def get_entries(database: DatabaseDep, caller: RequestCaller) -> EntriesCRUD:
    """Create the CRUD of entries for a request."""
    return EntriesCRUD(database, caller)


EntriesDep = Annotated[EntriesCRUD, Depends(get_entries)]
