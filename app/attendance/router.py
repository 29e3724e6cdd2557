"""The endpoints of attendance."""

from fastapi import APIRouter

from app.core.http.routes import ContractRoute

router = APIRouter(tags=["trainings"], route_class=ContractRoute)
