"""The endpoints of tokens: sessions, personal tokens, devices, and the keys of JWTs."""

import json
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.core.errors import RFC_3339
from app.core.http.dependencies import DatabaseDep
from app.core.http.openapi import COMPUTES, LISTS, LISTS_WITHIN, READS, issues, merged
from app.core.http.responses import JSON, computed_response, page_response, secret_response
from app.core.http.routes import ContractRoute, SecretRoute
from app.core.http.security import OWN, PUBLIC, CallerDep, needs
from app.core.resources.fields import Id
from app.core.resources.paging import NewestFirstQuery
from app.identity.models import DEVICE_SCOPES
from app.identity.tokens.dependencies import DevicesDep, IssuerDep, PersonalTokensDep, SessionsDep
from app.identity.tokens.jwt import published_keys
from app.identity.tokens.models import (
    DeviceCreate,
    DeviceCreated,
    DevicePage,
    JWTRead,
    KeySet,
    SessionPage,
    TokenCreate,
    TokenCreated,
    TokenPage,
)

READ, WRITE = needs("access:read"), needs("access:write")
MAKES_DEVICES = needs("access:write", *DEVICE_SCOPES)

router = APIRouter(tags=["tokens"], route_class=ContractRoute)
secrets = APIRouter(tags=["tokens"], route_class=SecretRoute)
keys = APIRouter(tags=["service"], route_class=ContractRoute)


@router.get("/sessions", response_model=SessionPage, responses=LISTS, dependencies=[READ, OWN])
async def list_sessions(
    query: Annotated[NewestFirstQuery, Query()],
    caller: CallerDep,
    sessions: SessionsDep,
    request: Request,
) -> Response:
    """List the sessions of the own account."""
    return page_response(request, await sessions.of_caller(caller, query))


@router.delete(
    "/sessions/current",
    status_code=HTTPStatus.NO_CONTENT,
    responses=READS,
    dependencies=[WRITE, OWN],
)
async def delete_current_session(caller: CallerDep, sessions: SessionsDep) -> None:
    """Log out: end the session of this request."""
    await sessions.revoke_own(caller, caller.token_id)


@router.delete(
    "/sessions/{session_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=READS,
    dependencies=[WRITE, OWN],
)
async def delete_session(session_id: Id, caller: CallerDep, sessions: SessionsDep) -> None:
    """End a session of the own account."""
    await sessions.revoke_own(caller, session_id)


@secrets.post(
    "/sessions/current/jwt", response_model=JWTRead, responses=READS, dependencies=[WRITE, OWN]
)
async def create_jwt(caller: CallerDep, sessions: SessionsDep, issuer: IssuerDep) -> Response:
    """Make a JSON Web Token of five minutes, which other services can verify.

    The keys are at `/.well-known/jwks.json`. This API accepts the token too, as long as the session
    lives.
    """
    issued = await sessions.jwt(caller, issuer)
    body = {"jwt": issued.text, "expires_at": issued.expires_at.strftime(RFC_3339)}
    return Response(json.dumps(body), media_type=JSON)


@secrets.post(
    "/tokens",
    status_code=HTTPStatus.CREATED,
    response_model=TokenCreated,
    responses=issues(),
    dependencies=[WRITE, OWN],
)
async def create_token(
    payload: TokenCreate, caller: CallerDep, tokens: PersonalTokensDep, request: Request
) -> Response:
    """Make a personal token of the own account, for a script or a server.

    It cannot exceed the token of this request, neither in its scopes nor, if that is a personal
    token too, in its life. It ends with the account.
    """
    resource, token = await tokens.make(caller, payload)
    return secret_response(request, resource, "tokens", "token", token)


@router.get("/tokens", response_model=TokenPage, responses=LISTS, dependencies=[READ, OWN])
async def list_tokens(
    query: Annotated[NewestFirstQuery, Query()],
    caller: CallerDep,
    tokens: PersonalTokensDep,
    request: Request,
) -> Response:
    """List the personal tokens of the own account."""
    return page_response(request, await tokens.of_caller(caller, query))


@router.delete(
    "/tokens/{token_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=READS,
    dependencies=[WRITE, OWN],
)
async def delete_token(token_id: Id, caller: CallerDep, tokens: PersonalTokensDep) -> None:
    """Revoke a personal token of the own account."""
    await tokens.revoke_own(caller, token_id)


@secrets.post(
    "/centres/{centre_id}/devices",
    status_code=HTTPStatus.CREATED,
    response_model=DeviceCreated,
    responses=merged(issues(), READS),
    dependencies=[MAKES_DEVICES],
)
async def create_device(
    centre_id: Id, payload: DeviceCreate, devices: DevicesDep, request: Request
) -> Response:
    """Make a token for a device at a centre, such as the tablet at the desk.

    It lives for 365 days. It is for check-in, and for reading. With `walk_ins`, it also books
    athletes without a seat who check in by their reference.
    """
    resource, token = await devices.make(centre_id, payload)
    return secret_response(request, resource, "devices", "token", token)


@router.get(
    "/centres/{centre_id}/devices",
    response_model=DevicePage,
    responses=LISTS_WITHIN,
    dependencies=[READ],
)
async def list_devices(
    centre_id: Id,
    query: Annotated[NewestFirstQuery, Query()],
    devices: DevicesDep,
    request: Request,
) -> Response:
    """List the devices of a centre."""
    return page_response(request, await devices.at_centre(centre_id, query))


@router.delete(
    "/devices/{device_id}", status_code=HTTPStatus.NO_CONTENT, responses=READS, dependencies=[WRITE]
)
async def delete_device(device_id: Id, devices: DevicesDep) -> None:
    """Revoke the token of a device."""
    await devices.revoke(device_id)


@keys.get(
    "/.well-known/jwks.json", response_model=KeySet, responses=COMPUTES, dependencies=[PUBLIC]
)
async def get_keys(database: DatabaseDep, request: Request) -> Response:
    """Publish the keys that verify JSON Web Tokens of this service (RFC 7517)."""
    return computed_response(request, await published_keys(database))
