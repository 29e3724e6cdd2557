"""Dependencies of the endpoints of trainings and bookings."""

from typing import Annotated

from fastapi import Depends

from app.core.http.dependencies import DatabaseDep, RequestCaller
from app.trainings.bookings import BookingsCRUD
from app.trainings.crud import TrainingsCRUD


async def get_trainings(database: DatabaseDep, caller: RequestCaller) -> TrainingsCRUD:
    """Create the CRUD of trainings for a request."""
    return TrainingsCRUD(database, caller)


TrainingsDep = Annotated[TrainingsCRUD, Depends(get_trainings)]


async def get_bookings(database: DatabaseDep, caller: RequestCaller) -> BookingsCRUD:
    """Create the CRUD of bookings for a request."""
    return BookingsCRUD(database, caller)


BookingsDep = Annotated[BookingsCRUD, Depends(get_bookings)]
