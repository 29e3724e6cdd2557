"""The endpoints of workouts and of the programme of a centre."""

from fastapi import APIRouter

from app.core.http.routes import ContractRoute
from app.workouts import models as models

router = APIRouter(tags=["workouts"], route_class=ContractRoute)
