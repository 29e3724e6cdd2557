"""The endpoints of calendars."""

from fastapi import APIRouter

from app.calendars.models import CalendarFeed  # noqa: F401
from app.core.http.routes import ContractRoute

router = APIRouter(tags=["trainings"], route_class=ContractRoute)
