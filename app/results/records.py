"""The records of an athlete: the best result in each workout and scaling."""

from functools import cache
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import SQLModel

from app.core.db.statements import Statement
from app.core.resources.fields import CalendarDate, ExampleId
from app.core.resources.projection import EMPTY_LIST
from app.results.locks import RESULTS, WORKOUTS
from app.results.models import LoadG, Scaling, WorkoutOfResult
from app.results.queries import RESULT_QUERIES

PERCENTAGES = range(50, 100, 5)
"""The percentages of a lift that athletes train with."""


class Percentage(SQLModel):
    """A part of a load."""

    percent: Annotated[int, Field(ge=50, le=95, examples=[50])]
    load_g: LoadG


class Record(SQLModel):
    """The best result of an athlete in a workout and scaling, the earliest of equal ones."""

    workout: WorkoutOfResult
    scaling: Scaling
    result_id: ExampleId
    score: str | None
    performed_on: CalendarDate
    percentages: Annotated[
        list[Percentage] | None, Field(description="Of a load: 50 to 95 % of it; else null.")
    ]


class Records(SQLModel):
    """The records of an athlete, by the name of the workout."""

    items: list[Record]


@cache
def records_query(*, within_reach: bool) -> Statement:
    """Read the records of the athlete ``id``, of all results or those that the caller sees."""
    conditions = [
        RESULTS.c.athlete_id == sa.bindparam("id", type_=sa.Uuid),
        RESULTS.c.place_key.is_not(None),
    ]
    if within_reach:
        conditions.append(RESULT_QUERIES.within_reach())
    kind = RESULTS.c.workout_id, RESULTS.c.scaling
    best = (
        sa.select(RESULTS)
        .where(*conditions)
        .ext(distinct_on(*kind))
        .order_by(*kind, RESULTS.c.place_key, RESULTS.c.performed_at, RESULTS.c.id)
        .subquery("best")
    )
    columns = [WORKOUTS.c[name] for name in WorkoutOfResult.model_fields]
    workout = sa.select(*columns).correlate(WORKOUTS).lateral("workout")
    item = (
        sa.select(
            workout.table_valued().label("workout"),
            best.c.scaling,
            best.c.id.label("result_id"),
            best.c.entered.label("score"),
            best.c.performed_on,
            sa.case((best.c.load_g.is_not(None), _percentages(best))).label("percentages"),
        )
        .select_from(
            best.join(WORKOUTS, WORKOUTS.c.id == best.c.workout_id).join(workout, sa.true())
        )
        .order_by(WORKOUTS.c.name_key, WORKOUTS.c.id, best.c.scaling)
        .subquery("item")
    )
    items = sa.select(
        sa.func.coalesce(sa.func.json_agg(item.table_valued()), EMPTY_LIST).label("items")
    ).subquery("records")
    return Statement(sa.select(sa.func.row_to_json(items.table_valued()).label("body")))


def _percentages(best: sa.Subquery) -> sa.ColumnElement[Any]:
    first, after = PERCENTAGES[0], PERCENTAGES[-1]
    numbers = sa.func.generate_series(
        sa.literal_column(str(first)),
        sa.literal_column(str(after)),
        sa.literal_column(str(PERCENTAGES.step)),
    )
    percent = numbers.table_valued("percent").render_derived(name="percents")
    load = sa.func.round(best.c.load_g * percent.c.percent / sa.literal_column("100.0"))
    part = (
        sa.select(percent.c.percent, sa.cast(load, sa.Integer).label("load_g"))
        .correlate(best)
        .subquery("part")
    )
    return sa.select(sa.func.json_agg(part.table_valued())).scalar_subquery()
