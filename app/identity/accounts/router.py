"""The endpoints of accounts, of the caller's own account, and of the staff of centres."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.core.errors import Erased
from app.core.http.etags import ExpectedVersions
from app.core.http.openapi import (
    COMPUTES,
    GETS,
    LISTS,
    LISTS_WITHIN,
    READS,
    TAKES_BODY,
    merged,
    updates,
)
from app.core.http.responses import (
    computed_response,
    found_response,
    page_response,
    resource_response,
)
from app.core.http.routes import ContractRoute
from app.core.http.security import ANY_CALLER, CallerDep, needs, only
from app.core.resources.fields import Id
from app.core.resources.paging import NewestFirstQuery
from app.identity import rights
from app.identity.accounts.crud import AccountsCRUD
from app.identity.accounts.dependencies import AccountsDep, StaffDep
from app.identity.accounts.models import (
    AccountPage,
    AccountRead,
    AccountsQuery,
    AccountUpdate,
    Me,
    StaffPage,
    StaffRole,
)
from app.identity.errors import LastAdmin
from app.identity.models import SCOPES

READ, WRITE, ALL = needs("access:read"), needs("access:write"), needs(*SCOPES)

router = APIRouter(tags=["accounts"], route_class=ContractRoute)


@router.get("/me", response_model=Me, responses=COMPUTES, dependencies=[ANY_CALLER])
async def get_me(caller: CallerDep, accounts: AccountsDep, request: Request) -> Response:
    """Report the caller of this request: the account, its athlete and roles, and the token."""
    return computed_response(request, await accounts.me(caller.token_id))


@router.get(
    "/accounts",
    response_model=AccountPage,
    responses=LISTS,
    dependencies=[READ, only(rights.ACCOUNTS)],
)
async def list_accounts(
    query: Annotated[AccountsQuery, Query()], accounts: AccountsDep, request: Request
) -> Response:
    """List the accounts."""
    return page_response(request, await accounts.find(query))


@router.get(
    "/accounts/{account_id}", response_model=AccountRead, responses=GETS, dependencies=[READ]
)
async def get_account(account_id: Id, accounts: AccountsDep, request: Request) -> Response:
    """Read an account."""
    return found_response(request, await accounts.get(account_id))


@router.patch(
    "/accounts/{account_id}",
    response_model=AccountRead,
    responses=updates(AccountsCRUD, LastAdmin, Erased),
    dependencies=[ALL],
)
async def update_account(
    account_id: Id, payload: AccountUpdate, accounts: AccountsDep, expected: ExpectedVersions
) -> Response:
    """Change the given fields of an account.

    An account that is disabled loses its tokens, and the codes that reset its password. The last
    enabled administrator can be neither demoted nor disabled. The token needs all scopes, because
    an account gets all of them.
    """
    return resource_response(await accounts.update(account_id, payload, expected))


@router.get(
    "/centres/{centre_id}/staff",
    response_model=StaffPage,
    responses=LISTS_WITHIN,
    dependencies=[READ],
)
async def list_staff(
    centre_id: Id,
    query: Annotated[NewestFirstQuery, Query()],
    staff: StaffDep,
    request: Request,
) -> Response:
    """List the staff of a centre."""
    return page_response(request, await staff.at_centre(centre_id, query))


@router.put(
    "/centres/{centre_id}/staff/{account_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=merged(TAKES_BODY, READS),
    dependencies=[ALL],
)
async def put_staff(centre_id: Id, account_id: Id, payload: StaffRole, staff: StaffDep) -> None:
    """Give an account a role at a centre, in place of an earlier one."""
    await staff.put(centre_id, account_id, payload)


@router.delete(
    "/centres/{centre_id}/staff/{account_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=READS,
    dependencies=[WRITE],
)
async def remove_staff(centre_id: Id, account_id: Id, staff: StaffDep) -> None:
    """Take the role of an account at a centre away."""
    await staff.remove(centre_id, account_id)
