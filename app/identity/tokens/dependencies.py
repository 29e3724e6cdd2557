"""Dependencies of the endpoints of tokens."""

from typing import Annotated

from fastapi import Depends, Request

from app.core.http.dependencies import DatabaseDep, RequestCaller
from app.identity.tokens.crud import DevicesCRUD, PersonalTokensCRUD, SessionsCRUD
from app.identity.tokens.jwt import Issuer


async def get_sessions(database: DatabaseDep, caller: RequestCaller) -> SessionsCRUD:
    """Create the CRUD of sessions for a request."""
    return SessionsCRUD(database, caller)


SessionsDep = Annotated[SessionsCRUD, Depends(get_sessions)]


async def get_personal_tokens(database: DatabaseDep, caller: RequestCaller) -> PersonalTokensCRUD:
    """Create the CRUD of personal tokens for a request."""
    return PersonalTokensCRUD(database, caller)


PersonalTokensDep = Annotated[PersonalTokensCRUD, Depends(get_personal_tokens)]


async def get_devices(database: DatabaseDep, caller: RequestCaller) -> DevicesCRUD:
    """Create the CRUD of devices for a request."""
    return DevicesCRUD(database, caller)


DevicesDep = Annotated[DevicesCRUD, Depends(get_devices)]


async def get_issuer(request: Request) -> Issuer:
    """Return the issuer of JWTs."""
    issuer: Issuer = request.app.state.issuer
    return issuer


IssuerDep = Annotated[Issuer, Depends(get_issuer)]
