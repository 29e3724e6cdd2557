"""The endpoints of series."""

from fastapi import APIRouter

from app.core.http.routes import ContractRoute
from app.trainings.series.models import Series  # noqa: F401

router = APIRouter(tags=["trainings"], route_class=ContractRoute)
