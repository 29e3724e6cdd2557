"""The whiteboard of a centre: the results of a day, by workout."""

from functools import cache
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from sqlmodel import SQLModel

from app.athletes.models import AthleteReference
from app.centres.models import CentreReference
from app.core.db.schema import NOW, table_of
from app.core.db.statements import Statement
from app.core.resources.fields import CalendarDate, ExampleId
from app.core.resources.projection import EMPTY_LIST, as_json, reference
from app.results.locks import ATHLETES, CENTRES, RESULTS, WORKOUTS
from app.results.models import Occasion, Outcome, Scaling, WorkoutOfResult
from app.workouts.models import ProgrammedWorkout

PROGRAMME = table_of(ProgrammedWorkout)
Order = Literal["logged", "place"]


class WhiteboardResult(SQLModel):
    """A result on the whiteboard."""

    id: ExampleId
    athlete: AthleteReference
    scaling: Scaling
    outcome: Outcome
    score: str | None
    tie_break: str | None
    place: Annotated[
        int | None,
        Field(description="Only with `order=place`; null for DNF and DNS.", examples=[None]),
    ]
    logged_at: Occasion


class WhiteboardWorkout(SQLModel):
    """A workout of the day, with its results."""

    workout: WorkoutOfResult
    position: Annotated[
        int | None, Field(description="In the programme; null if it is not in it.", examples=[1])
    ]
    notes: str | None
    results: list[WhiteboardResult]


class Whiteboard(SQLModel):
    """The results of a day at a centre, by workout."""

    centre: CentreReference
    date: CalendarDate
    workouts: list[WhiteboardWorkout]


class WhiteboardQuery(SQLModel):
    """Query parameters of the whiteboard."""

    date: CalendarDate | SkipJsonSchema[None] = Field(
        default=None, description="The day; by default today at the centre."
    )
    order: Order = Field(
        default="logged",
        description="`logged`: as they were logged, without places. `place`: ranked.",
    )


@cache
def whiteboard_query(order: Order) -> Statement:
    """Read the whiteboard of the centre ``id`` on a ``date``: ``Whiteboard``.

    With ``all_programmed``, it has workouts that are not published yet.
    """
    given = sa.bindparam("date", type_=sa.Date)
    today = sa.cast(sa.func.timezone(CENTRES.c.time_zone, NOW), sa.Date)
    centre = (
        sa.select(CENTRES.c.id, CENTRES.c.name, sa.func.coalesce(given, today).label("date"))
        .where(CENTRES.c.id == sa.bindparam("id", type_=sa.Uuid))
        .cte("centre")
    )
    is_published = sa.or_(
        sa.bindparam("all_programmed", type_=sa.Boolean), PROGRAMME.c.published_at <= NOW
    )
    programmed = (
        sa.select(PROGRAMME.c.workout_id, PROGRAMME.c.position, PROGRAMME.c.notes)
        .join(centre, PROGRAMME.c.centre_id == centre.c.id)
        .where(PROGRAMME.c.date == centre.c.date, is_published)
    )
    of_day = (
        sa.select(RESULTS)
        .join(centre, RESULTS.c.centre_id == centre.c.id)
        .where(RESULTS.c.performed_on == centre.c.date)
        .cte("of_day")
    )
    here = programmed.cte("programmed")
    others = (
        sa.select(
            of_day.c.workout_id,
            sa.literal_column("NULL::integer").label("position"),
            sa.literal_column("NULL::text").label("notes"),
        )
        .where(of_day.c.workout_id.not_in(sa.select(here.c.workout_id)))
        .distinct()
    )
    both = sa.union_all(sa.select(here), others).cte("both")
    item = (
        sa.select(_workout(), both.c.position, both.c.notes, _results(of_day, both, order))
        .join(WORKOUTS, WORKOUTS.c.id == both.c.workout_id)
        .order_by(both.c.position.nulls_last(), WORKOUTS.c.name_key, WORKOUTS.c.id)
        .subquery("item")
    )
    items = sa.select(sa.func.coalesce(sa.func.json_agg(item.table_valued()), EMPTY_LIST))
    named = sa.select(centre.c.id, centre.c.name).lateral("named")
    board = (
        sa.select(
            named.table_valued().label("centre"),
            centre.c.date,
            items.scalar_subquery().label("workouts"),
        )
        .select_from(centre.join(named, sa.true()))
        .subquery("board")
    )
    return Statement(sa.select(sa.func.row_to_json(board.table_valued()).label("body")))


def _workout() -> sa.Label[object]:
    columns = [WORKOUTS.c[name] for name in WorkoutOfResult.model_fields]
    workout = sa.select(*columns).correlate(WORKOUTS).subquery("workout")
    return sa.select(sa.func.row_to_json(workout.table_valued())).scalar_subquery().label("workout")


def _results(of_day: sa.CTE, both: sa.CTE, order: Order) -> sa.Label[object]:
    """Select the results of a workout, as a JSON array."""
    rank = sa.func.rank().over(order_by=of_day.c.place_key)
    place = (
        sa.case((of_day.c.place_key.is_not(None), rank))
        if order == "place"
        else sa.literal_column("NULL::integer")
    )
    sorts: list[sa.ColumnElement[Any]] = [of_day.c.created_at, of_day.c.id]
    if order == "place":
        sorts.insert(0, of_day.c.place_key.asc().nulls_last())
    result = (
        sa.select(
            of_day.c.id,
            reference(ATHLETES).label("athlete"),
            of_day.c.scaling,
            of_day.c.outcome,
            of_day.c.entered.label("score"),
            of_day.c.tie_break_entered.label("tie_break"),
            place.label("place"),
            as_json(of_day.c.created_at).label("logged_at"),
        )
        .join(ATHLETES, ATHLETES.c.id == of_day.c.athlete_id)
        .where(of_day.c.workout_id == both.c.workout_id)
        .correlate(both)
        .order_by(*sorts)
        .subquery("result")
    )
    rows = sa.select(sa.func.coalesce(sa.func.json_agg(result.table_valued()), EMPTY_LIST))
    return rows.scalar_subquery().label("results")
