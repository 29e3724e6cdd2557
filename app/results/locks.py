"""The statements that lock what a result depends on; ``app.competitions.locks`` has the order."""

from functools import cache
from typing import Any

import sqlalchemy as sa

from app.athletes.models import Athlete
from app.centres.models import Centre
from app.competitions.locks import COMPETITIONS, ENTRIES, EVENTS, of_row, published, turn_cte
from app.core.db.schema import NOW, table_of
from app.core.db.statements import Statement
from app.results.models import Result
from app.trainings.models import Training
from app.workouts.models import Workout

ATHLETES, CENTRES, WORKOUTS = table_of(Athlete), table_of(Centre), table_of(Workout)
RESULTS, TRAININGS = table_of(Result), table_of(Training)

_EVENT_ID = sa.bindparam("event_id", type_=sa.Uuid)
_ENTRY_ID = sa.bindparam("entry_id", type_=sa.Uuid)


def _scoring() -> list[sa.ColumnElement[Any]]:
    """Return the columns that ``scoring_of`` reads, and the id of the workout."""
    return [
        WORKOUTS.c.id.label("workout_id"),
        WORKOUTS.c.score_type,
        WORKOUTS.c.best,
        WORKOUTS.c.time_cap_ms,
        WORKOUTS.c.total_reps,
        WORKOUTS.c.tie_break.label("tie_break_by"),
    ]


@cache
def lock_event_query() -> Statement:
    """Lock an event, its competition and its workout for a result of an entry; read them."""
    columns = (
        COMPETITIONS.c.id.label("competition_id"),
        COMPETITIONS.c.centre_id,
        COMPETITIONS.c.status,
        COMPETITIONS.c.time_zone,
        published(COMPETITIONS).label("published"),
        EVENTS.c.id.label("event_id"),
        EVENTS.c.ordinal,
        EVENTS.c.opens_at,
        EVENTS.c.closes_at,
        published(EVENTS).label("event_published"),
        *_scoring(),
        ENTRIES.c.id.label("entry_id"),
        ENTRIES.c.athlete_id,
        ENTRIES.c.category_id,
        NOW.label("now"),
    )
    source = (
        COMPETITIONS.join(EVENTS, EVENTS.c.competition_id == COMPETITIONS.c.id)
        .join(WORKOUTS, WORKOUTS.c.id == EVENTS.c.workout_id)
        .join(ENTRIES, ENTRIES.c.competition_id == COMPETITIONS.c.id)
    )
    wanted = EVENTS.c.id == _EVENT_ID, ENTRIES.c.id == _ENTRY_ID
    return Statement(
        sa.select(*columns)
        .select_from(source, turn_cte(of_row(EVENTS, _EVENT_ID)))
        .where(*wanted)
        .with_for_update(read=True, of=[COMPETITIONS, EVENTS, WORKOUTS])
    )


@cache
def entry_query() -> Statement:
    """Read an entry of a locked board and its result in an event, if any."""
    of_event = sa.and_(RESULTS.c.entry_id == ENTRIES.c.id, RESULTS.c.event_id == _EVENT_ID)
    columns = (
        ENTRIES.c.status,
        ENTRIES.c.withdrawn_before,
        RESULTS.c.id.label("result_id"),
        RESULTS.c.review,
    )
    source = ENTRIES.outerjoin(RESULTS, of_event)
    return Statement(sa.select(*columns).select_from(source).where(ENTRIES.c.id == _ENTRY_ID))


@cache
def lock_workout_query() -> Statement:
    """Lock a workout for a result at a centre, and read it, the centre and a training there."""
    centre = CENTRES.c.id == sa.bindparam("centre_id", type_=sa.Uuid)
    training = sa.and_(
        TRAININGS.c.id == sa.bindparam("training_id", type_=sa.Uuid),
        TRAININGS.c.centre_id == CENTRES.c.id,
    )
    source = WORKOUTS.outerjoin(CENTRES, centre).outerjoin(TRAININGS, training)
    columns = (
        *_scoring(),
        TRAININGS.c.id.label("training_id"),
        CENTRES.c.id.label("centre_id"),
        CENTRES.c.time_zone,
        NOW.label("now"),
    )
    return Statement(
        sa.select(*columns)
        .select_from(source)
        .where(WORKOUTS.c.id == sa.bindparam("workout_id", type_=sa.Uuid))
        .with_for_update(read=True, of=WORKOUTS)
    )


@cache
def lock_athlete_of_query(rows: sa.Table) -> Statement:
    """Lock the athlete of a result or entry: ``erased_at``."""
    of_row = sa.select(rows.c.athlete_id).where(rows.c.id == sa.bindparam("id", type_=sa.Uuid))
    locked = sa.select(ATHLETES.c.erased_at).where(ATHLETES.c.id == of_row.scalar_subquery())
    return Statement(locked.with_for_update(read=True, key_share=True))


@cache
def lock_review_query() -> Statement:
    """Lock a result, and read its ``review``."""
    wanted = RESULTS.c.id == sa.bindparam("id", type_=sa.Uuid)
    return Statement(sa.select(RESULTS.c.review).where(wanted).with_for_update(key_share=True))


@cache
def lock_result_query() -> Statement:
    """Lock the workout of a result at a centre, and read what a change of it needs."""
    columns = (
        RESULTS.c.centre_id,
        *_scoring(),
        CENTRES.c.time_zone,
        NOW.label("now"),
    )
    source = RESULTS.join(WORKOUTS, WORKOUTS.c.id == RESULTS.c.workout_id).outerjoin(
        CENTRES, CENTRES.c.id == RESULTS.c.centre_id
    )
    return Statement(
        sa.select(*columns)
        .select_from(source)
        .where(RESULTS.c.id == sa.bindparam("id", type_=sa.Uuid))
        .with_for_update(read=True, of=WORKOUTS)
    )
