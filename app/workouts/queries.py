"""The SQL of workouts and programmes: what decides who sees and writes them."""

import operator
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by, array

from app.centres.models import Centre
from app.core.db.schema import NOW, table_of
from app.core.resources.projection import EMPTY_LIST, json_object
from app.core.resources.queries import REACH_CENTRES, REACH_PUBLISHED, Compare, Queries
from app.workouts.models import (
    ProgrammedWorkout,
    ProgrammeRead,
    Workout,
    WorkoutContent,
    WorkoutRead,
)

_CENTRES, _WORKOUTS = table_of(Centre), table_of(Workout)
_PROGRAMME = table_of(ProgrammedWorkout)
_NO_CENTRES: sa.ColumnElement[Any] = sa.literal_column("'{}'::uuid[]")


class WorkoutQueries(Queries):
    """Builds the statements of workouts, which belong to all centres; a benchmark to none."""

    def within_reach(self) -> sa.ColumnElement[bool]:
        """Return the condition for workouts that the owners and coaches of centres write."""
        return sa.and_(~self.table.c.benchmark, sa.func.cardinality(REACH_CENTRES) > 0)

    def belongs(self, source: sa.FromClause) -> Mapping[str, sa.ColumnElement[Any]]:
        """Return the centres that a workout belongs to."""
        every = sa.select(sa.func.array_agg(_CENTRES.c.id, type_=ARRAY(sa.Uuid))).scalar_subquery()
        centres = sa.case((source.c.benchmark, _NO_CENTRES), else_=every)
        return {"centres": sa.func.coalesce(centres, _NO_CENTRES, type_=ARRAY(sa.Uuid))}


class ProgrammeQueries(Queries):
    """Builds the statements of the workouts in programmes."""

    def within_reach(self) -> sa.ColumnElement[bool]:
        """Return the condition for workouts at centres within reach, or published there."""
        published = sa.and_(
            self.table.c.centre_id == sa.func.any(REACH_PUBLISHED),
            self.table.c.published_at <= NOW,
        )
        return sa.or_(super().within_reach(), published)

    def belongs(self, source: sa.FromClause) -> Mapping[str, sa.ColumnElement[Any]]:
        """Return the centre of a workout in a programme, and whether it is published there."""
        centres = array([source.c.centre_id])
        published = sa.case((source.c.published_at <= NOW, centres), else_=_NO_CENTRES)
        return {"centres": centres, "published": published}

    def event_type(self, source: sa.CTE, verb: str) -> sa.ColumnElement[str]:
        """Return the type of events about workouts in a programme."""
        return sa.literal_column(f"'programmed_workout.{verb}'", sa.Text)


def programme_of_day(
    centre_id: sa.ColumnElement[Any], day: sa.ColumnElement[Any], correlated: sa.FromClause
) -> sa.ColumnElement[Any]:
    """Return the published programme of a centre on a local day, as JSON: ``ProgrammeOfDay``."""
    programmed, workouts = _PROGRAMME.alias("programmed"), _WORKOUTS.alias("workout")
    item = json_object(
        {
            **{name: programmed.c[name] for name in ("id", "position", "notes")},
            "workout": json_object(
                {name: workouts.c[name] for name in WorkoutContent.model_fields}
            ),
        }
    )
    items = (
        sa.select(sa.func.json_agg(aggregate_order_by(item, programmed.c.position)))
        .select_from(programmed.join(workouts, workouts.c.id == programmed.c.workout_id))
        .where(
            programmed.c.centre_id == centre_id,
            programmed.c.date == day,
            programmed.c.published_at <= NOW,
        )
        .correlate(correlated)
        .scalar_subquery()
    )
    return sa.func.coalesce(items, EMPTY_LIST)


WORKOUT_QUERIES = WorkoutQueries(
    Workout,
    WorkoutRead,
    filters={
        "benchmark": Compare(_WORKOUTS.c.benchmark),
        "score_type": Compare(_WORKOUTS.c.score_type),
    },
)
PROGRAMME_QUERIES = ProgrammeQueries(
    ProgrammedWorkout,
    ProgrammeRead,
    sorts={"date": "place"},
    filters={
        "centre_id": Compare(_PROGRAMME.c.centre_id),
        "from_": Compare(_PROGRAMME.c.place, operator.ge),
        "to": Compare(_PROGRAMME.c.place, operator.le),
    },
    centre="centre_id",
)
