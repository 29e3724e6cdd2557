"""Dependencies of the endpoints of trainings and bookings."""

from typing import Annotated

from fastapi import Depends

from app.core.http.dependencies import DatabaseDep
from app.trainings.bookings import BookingsCRUD
from app.trainings.crud import TrainingsCRUD


async def get_trainings(database: DatabaseDep) -> TrainingsCRUD:
    """Create the CRUD of trainings for a request."""
    return TrainingsCRUD(database)


TrainingsDep = Annotated[TrainingsCRUD, Depends(get_trainings)]


async def get_bookings(database: DatabaseDep) -> BookingsCRUD:
    """Create the CRUD of bookings for a request."""
    return BookingsCRUD(database)


BookingsDep = Annotated[BookingsCRUD, Depends(get_bookings)]
