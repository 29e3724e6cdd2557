"""The endpoints about the service itself: description, liveness and readiness."""

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from app.core.db.migrations import is_current
from app.core.errors import Invalid, MalformedRequest, Unavailable
from app.core.http.dependencies import DatabaseDep
from app.core.http.middleware import is_stopping
from app.core.http.openapi import problems
from app.core.http.routes import ContractRoute
from app.core.http.security import PUBLIC
from app.core.http.urls import link_to

LINKS = {
    "docs": "/docs",
    "openapi": "/openapi.json",
    "live": "/health/live",
    "ready": "/health/ready",
    "keys": "/.well-known/jwks.json",
}
"""The paths that `/` links to."""

router = APIRouter(tags=["service"], route_class=ContractRoute)


class Service(BaseModel):
    """The name, version and description of the service, and its links."""

    name: str
    version: str
    description: str
    links: dict[str, str]


class Health(BaseModel):
    """The health of the service, if the check succeeds."""

    status: Literal["live", "ready"]


@router.get("/", responses=problems(MalformedRequest, Invalid), dependencies=[PUBLIC])
async def get_service(request: Request) -> Service:
    """Describe the service."""
    app = request.app
    return Service(
        name=app.title,
        version=app.version,
        description=app.description,
        links={name: link_to(request.scope, path) for name, path in LINKS.items()},
    )


@router.get("/health/live", responses=problems(MalformedRequest, Invalid), dependencies=[PUBLIC])
async def get_liveness() -> Health:
    """Report that the process responds; does not use the database."""
    return Health(status="live")


@router.get(
    "/health/ready",
    responses=problems(MalformedRequest, Invalid, Unavailable),
    dependencies=[PUBLIC],
)
async def get_readiness(database: DatabaseDep, request: Request) -> Health:
    """Report whether the database answers and has the schema of the latest migration.

    During a graceful shutdown this answers 503, so that no more requests are sent to the service.
    """
    if is_stopping(request.scope):
        raise Unavailable("The service is shutting down.")
    if not await is_current(database):
        raise Unavailable("The database schema is not that of the latest migration.")
    return Health(status="ready")
