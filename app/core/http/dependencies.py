"""FastAPI dependencies of endpoints."""

from typing import Annotated

from fastapi import Depends, Request

from app.core.db.transactions import Runner
from app.core.http.security import DATABASE


async def get_database(request: Request) -> Runner:
    """Return the app's database, or the transaction that handles this request's idempotency key."""
    runner: Runner = request.scope["state"].get(DATABASE) or request.app.state.database
    return runner


DatabaseDep = Annotated[Runner, Depends(get_database)]
