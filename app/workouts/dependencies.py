"""Dependencies of the endpoints of workouts and programmes."""

from typing import Annotated

from fastapi import Depends

from app.core.http.dependencies import DatabaseDep, RequestCaller
from app.workouts.crud import ProgrammeCRUD, WorkoutsCRUD


async def get_workouts(database: DatabaseDep, caller: RequestCaller) -> WorkoutsCRUD:
    """Create the CRUD of workouts for a request."""
    return WorkoutsCRUD(database, caller)


WorkoutsDep = Annotated[WorkoutsCRUD, Depends(get_workouts)]


async def get_programme(database: DatabaseDep, caller: RequestCaller) -> ProgrammeCRUD:
    """Create the CRUD of programmes for a request."""
    return ProgrammeCRUD(database, caller)


ProgrammeDep = Annotated[ProgrammeCRUD, Depends(get_programme)]
