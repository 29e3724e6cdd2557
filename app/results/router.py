"""The endpoints of results."""

from fastapi import APIRouter

from app.core.http.routes import ContractRoute
from app.results import models

router = APIRouter(tags=["results"], route_class=ContractRoute)
__all__ = ["models"]
