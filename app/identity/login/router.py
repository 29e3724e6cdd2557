"""The endpoints of logins, invitations and password resets."""

import json
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.core.errors import RFC_3339, AlreadyTaken, Erased, ReferenceMissing
from app.core.http.openapi import LISTS, READS, TAKES_BODY, issues, merged, problems
from app.core.http.responses import JSON, page_response, secret_response
from app.core.http.routes import ContractRoute, SecretRoute
from app.core.http.security import OWN, PUBLIC, CallerDep, needs, only
from app.core.resources.fields import Id
from app.core.resources.paging import NewestFirstQuery
from app.identity import rights
from app.identity.accounts.models import PasswordChange
from app.identity.errors import AccountDisabled, TooManyAttempts, WrongCredentials
from app.identity.login.dependencies import CodesDep, LoginDep
from app.identity.login.models import (
    Acceptance,
    InvitationCreate,
    InvitationCreated,
    InvitationPage,
    ResetCreated,
)
from app.identity.models import SCOPES
from app.identity.tokens.crud import WithSecret
from app.identity.tokens.models import Login, SessionCreated

READ, WRITE, ALL = needs("access:read"), needs("access:write"), needs(*SCOPES)
"""A code gives its account all scopes, so a token needs all of them to make one."""

router = APIRouter(tags=["login"], route_class=ContractRoute)
secrets = APIRouter(tags=["login"], route_class=SecretRoute)


def _session_response(request: Request, session: WithSecret) -> Response:
    return secret_response(request, session.resource, "sessions", "token", session.secret)


@secrets.post(
    "/sessions",
    status_code=HTTPStatus.CREATED,
    response_model=SessionCreated,
    responses=issues(WrongCredentials, TooManyAttempts),
    dependencies=[PUBLIC],
)
async def create_session(payload: Login, login: LoginDep, request: Request) -> Response:
    """Log in with an email address and a password.

    The token of the response is for the header `Authorization: Bearer`. The session ends after 30
    days, or after 7 days without a request. Many wrong attempts are delayed: 429.
    """
    return _session_response(request, await login.log_in(payload))


@router.put(
    "/me/password",
    status_code=HTTPStatus.NO_CONTENT,
    responses=merged(TAKES_BODY, problems(WrongCredentials, TooManyAttempts)),
    dependencies=[WRITE, OWN],
)
async def change_password(payload: PasswordChange, caller: CallerDep, login: LoginDep) -> None:
    """Change the own password. All other sessions of the account end; personal tokens stay."""
    await login.change_password(caller, payload)


@secrets.post(
    "/invitations",
    status_code=HTTPStatus.CREATED,
    response_model=InvitationCreated,
    responses=issues(AlreadyTaken, ReferenceMissing, Erased),
    dependencies=[ALL, only(rights.INVITE_ATHLETES)],
)
async def create_invitation(
    payload: InvitationCreate, codes: CodesDep, request: Request
) -> Response:
    """Invite a person to make an account. Hand them the code, which is valid for 7 days.

    It replaces an earlier invitation of the same address to the same centre, or of the same athlete
    if it is to none. It ends early if its maker loses the right to make it.
    """
    resource, code = await codes.invite(payload)
    return secret_response(request, resource, "invitations", "code", code)


@router.get(
    "/invitations",
    response_model=InvitationPage,
    responses=LISTS,
    dependencies=[READ, only(rights.INVITE_ATHLETES)],
)
async def list_invitations(
    query: Annotated[NewestFirstQuery, Query()], codes: CodesDep, request: Request
) -> Response:
    """List the invitations that are open."""
    return page_response(request, await codes.invitations(query))


@router.delete(
    "/invitations/{invitation_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=READS,
    dependencies=[WRITE],
)
async def delete_invitation(invitation_id: Id, codes: CodesDep) -> None:
    """Revoke an invitation that is open."""
    await codes.revoke_invitation(invitation_id)


@secrets.post(
    "/invitations/accept",
    status_code=HTTPStatus.CREATED,
    response_model=SessionCreated,
    responses=issues(AlreadyTaken),
    dependencies=[PUBLIC],
)
async def accept_invitation(payload: Acceptance, codes: CodesDep, request: Request) -> Response:
    """Make an account with the code of an invitation, and log in."""
    return _session_response(request, await codes.accept_invitation(payload))


@secrets.post(
    "/accounts/{account_id}/reset",
    response_model=ResetCreated,
    responses=merged(READS, problems(AccountDisabled)),
    dependencies=[ALL],
)
async def reset_password(account_id: Id, codes: CodesDep) -> Response:
    """Make a code to reset the password of an account. Hand it to them: it is valid for an hour.

    It replaces an earlier one. The old password is valid until then.
    """
    reset = await codes.reset(account_id)
    body = {"code": reset.code, "expires_at": reset.expires_at.strftime(RFC_3339)}
    return Response(json.dumps(body), media_type=JSON)


@secrets.post(
    "/resets/accept",
    status_code=HTTPStatus.CREATED,
    response_model=SessionCreated,
    responses=issues(),
    dependencies=[PUBLIC],
)
async def accept_reset(payload: Acceptance, codes: CodesDep, request: Request) -> Response:
    """Set a new password with the code of a reset, and log in. All other sessions end."""
    return _session_response(request, await codes.accept_reset(payload))
