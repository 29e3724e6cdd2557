"""What endpoints are given."""

from typing import Annotated

from fastapi import Depends, Request

from app.core.database import Database


async def get_database(request: Request) -> Database:
    """Return the database that the app opened at its start."""
    database: Database = request.app.state.database
    return database


DatabaseDep = Annotated[Database, Depends(get_database)]
