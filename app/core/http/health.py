"""What the service says of itself: its name, and whether it lives and is ready."""

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from app.core.db.migrations import is_current
from app.core.errors import Invalid, Unavailable
from app.core.http.dependencies import DatabaseDep
from app.core.http.middleware import is_stopping
from app.core.http.openapi import problems
from app.core.http.routes import ContractRoute

router = APIRouter(tags=["service"], route_class=ContractRoute)


class Service(BaseModel):
    """What this service is, and where things are."""

    name: str
    version: str
    description: str
    links: dict[str, str]


class Health(BaseModel):
    """A service that is well."""

    status: Literal["live", "ready"]


@router.get("/", responses=problems(Invalid))
async def get_service(request: Request) -> Service:
    """Describe the service."""
    app = request.app
    return Service(
        name=app.title,
        version=app.version,
        description=app.description,
        links={
            "docs": "/docs",
            "openapi": "/openapi.json",
            "live": "/health/live",
            "ready": "/health/ready",
        },
    )


@router.get("/health/live", responses=problems(Invalid))
async def get_liveness() -> Health:
    """Tell that the process answers, whatever its database does."""
    return Health(status="live")


@router.get("/health/ready", responses=problems(Invalid, Unavailable))
async def get_readiness(database: DatabaseDep, request: Request) -> Health:
    """Tell whether requests can be served: the database answers, and its schema is current.

    A service that is being stopped says no first, so that no more requests are sent to it.
    """
    if is_stopping(request.scope):
        raise Unavailable("The service is being stopped.")
    if not await is_current(database):
        raise Unavailable("The database does not have the newest schema.")
    return Health(status="ready")
