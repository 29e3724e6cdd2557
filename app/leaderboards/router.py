"""The endpoints of leaderboards."""

from fastapi import APIRouter

from app.core.http.routes import ContractRoute
from app.leaderboards import models

router = APIRouter(tags=["leaderboards"], route_class=ContractRoute)
__all__ = ["models"]
