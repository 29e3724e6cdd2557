"""Dependencies of the endpoints of logins and codes."""

from typing import Annotated

from fastapi import Depends, Request

from app.core.http.clients import client_address
from app.core.http.dependencies import DatabaseDep, RequestCaller
from app.identity.login.codes import CodesCRUD
from app.identity.login.crud import LoginCRUD
from app.identity.passwords import Passwords


async def get_login(database: DatabaseDep, request: Request) -> LoginCRUD:
    """Create what logs in, for a request."""
    passwords: Passwords = request.app.state.passwords
    return LoginCRUD(database, passwords, client_address(request.scope))


LoginDep = Annotated[LoginCRUD, Depends(get_login)]


async def get_codes(database: DatabaseDep, caller: RequestCaller, request: Request) -> CodesCRUD:
    """Create the CRUD of invitations and resets for a request."""
    passwords: Passwords = request.app.state.passwords
    return CodesCRUD(database, caller, passwords, client_address(request.scope))


CodesDep = Annotated[CodesCRUD, Depends(get_codes)]
