"""FastAPI dependencies of endpoints."""

from typing import Annotated

from fastapi import Depends, Request

from app.core.access import NOBODY, Caller
from app.core.db.transactions import Runner
from app.core.http.security import CALLER, DATABASE


async def get_database(request: Request) -> Runner:
    """Return the app's database, or the transaction that handles this request's idempotency key."""
    runner: Runner = request.scope["state"].get(DATABASE) or request.app.state.database
    return runner


DatabaseDep = Annotated[Runner, Depends(get_database)]


async def get_request_caller(request: Request) -> Caller:
    """Return the caller of a request; nobody, if it needs none."""
    caller: Caller = request.scope["state"].get(CALLER, NOBODY)
    return caller


RequestCaller = Annotated[Caller, Depends(get_request_caller)]
