"""FastAPI and SQLModel's ORM in the usual style: a session and some objects per request."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import Depends, FastAPI, HTTPException
from pydantic import create_model
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import selectinload
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.athletes.models import (
    Athlete,
    AthleteCreate,
    AthletePage,
    AthleteRead,
    AthleteUpdate,
    Enrolment,
)
from app.core.db.schema import table_of
from app.core.db.statements import derived_columns
from app.core.resources.fields import new_id
from app.core.resources.text import name_key

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+asyncpg:"),
    pool_size=10,
    max_overflow=0,
)
new_session = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
NESTED = selectinload(Athlete.category), selectinload(Athlete.centres)  # type: ignore[arg-type]

app = FastAPI()


NUMBERS: dict[str, Any] = {
    name: (float | None if column.nullable else float, ...)
    for name, column in table_of(Athlete).c.items()
    if isinstance(column.type, sa.Numeric)
}
PlainRead = create_model("PlainRead", __base__=AthleteRead, **NUMBERS)
"""An athlete whose decimals are JSON numbers."""


async def get_session() -> AsyncIterator[AsyncSession]:
    """Open a session for a request."""
    async with new_session() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]


@app.post("/api/v1/athletes", status_code=HTTPStatus.CREATED, response_model=PlainRead)
async def create_athlete(payload: AthleteCreate, session: SessionDep) -> Athlete:
    """Create an athlete, and enrol them at centres."""
    fields = payload.model_dump(exclude={"centre_ids"})
    athlete = Athlete(id=new_id(), **fields | derived_columns(table_of(Athlete), fields))
    session.add(athlete)
    session.add_all(
        Enrolment(athlete_id=athlete.id, centre_id=centre_id)  # type: ignore[call-arg]
        for centre_id in payload.centre_ids
    )
    await session.commit()
    await session.refresh(athlete)
    return await get_athlete(athlete.id, session)


@app.get("/api/v1/athletes", response_model=AthletePage)
async def list_athletes(
    session: SessionDep,
    limit: int = 20,
    offset: int = 0,
    centre_id: UUID | None = None,
    name: str | None = None,
) -> dict[str, object]:
    """List the athletes."""
    query = select(Athlete).options(*NESTED)
    if centre_id is not None:
        enrolled = select(Enrolment.athlete_id).where(Enrolment.centre_id == centre_id)
        query = query.where(col(Athlete.id).in_(enrolled))
    if name is not None:
        query = query.where(col(Athlete.name_key).contains(name_key(name)))
    query = query.order_by(Athlete.name_key, col(Athlete.id)).offset(offset).limit(limit)
    return {"items": (await session.exec(query)).all(), "next": None, "total": None}


@app.get("/api/v1/athletes/{athlete_id}", response_model=PlainRead)
async def get_athlete(athlete_id: UUID, session: SessionDep) -> Athlete:
    """Read an athlete."""
    athlete = await session.get(Athlete, athlete_id, options=NESTED, populate_existing=True)
    if athlete is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return athlete


@app.patch("/api/v1/athletes/{athlete_id}", response_model=PlainRead)
async def update_athlete(athlete_id: UUID, payload: AthleteUpdate, session: SessionDep) -> Athlete:
    """Change the given fields of an athlete."""
    athlete = await get_athlete(athlete_id, session)
    athlete.sqlmodel_update(payload.model_dump(exclude_unset=True))
    athlete.version += 1
    athlete.updated_at = datetime.now(UTC)
    await session.commit()
    return athlete


@app.delete("/api/v1/athletes/{athlete_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete_athlete(athlete_id: UUID, session: SessionDep) -> None:
    """Delete an athlete and their enrolments."""
    athlete = await session.get(Athlete, athlete_id)
    if athlete is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    await session.delete(athlete)
    await session.commit()
