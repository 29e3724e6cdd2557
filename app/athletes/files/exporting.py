"""Export: from the database to a CSV file."""

import csv
from collections.abc import AsyncIterator
from functools import cache
from io import StringIO
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.athletes.files.measures import HEIGHT, WEIGHT
from app.athletes.files.records import COLUMNS, SEPARATOR
from app.athletes.models import Athlete, Enrolment
from app.categories.models import Category
from app.centres.models import Centre
from app.core.db.schema import table_of
from app.core.db.statements import Statement
from app.core.db.transactions import Reader

ROWS_AT_ONCE = 1000

_ATHLETES = table_of(Athlete)


async def exported_athletes(reader: Reader) -> AsyncIterator[bytes]:
    """Yield all athletes as CSV in UTF-8, in pieces; an import accepts the result unchanged.

    Those who were erased are left out: an import would take them for somebody new. Athletes are
    read in pages, in order of their ids. An athlete who exists from the first page to the last is
    written exactly once.
    """
    rows: list[Any] = [tuple(COLUMNS)]
    page = await reader.rows(_page_query(after=False), {})
    while True:
        rows += page
        piece = StringIO()
        csv.writer(piece).writerows(rows)
        yield piece.getvalue().encode()
        if len(page) < ROWS_AT_ONCE:
            return
        page = await reader.rows(_page_query(after=True), {"after": page[-1]["id"]})
        rows = []


@cache
def _page_query(*, after: bool) -> Statement:
    """Read a page of athletes in order of ``id``: the columns of the file.

    The page begins with the first athlete, or ``after`` the id of another.
    """
    athletes = (
        sa.select(_ATHLETES)
        .where(_ATHLETES.c.erased_at.is_(None))
        .order_by(_ATHLETES.c.id)
        .limit(sa.literal_column(str(ROWS_AT_ONCE)))
    )
    if after:
        athletes = athletes.where(_ATHLETES.c.id > sa.bindparam("after"))
    page = athletes.cte("page")
    category, centre, enrolment = table_of(Category), table_of(Centre), table_of(Enrolment)
    # Grouped once for the page, which is far cheaper than a subquery for each athlete.
    names = sa.func.string_agg(
        centre.c.name, aggregate_order_by(sa.literal_column(f"'{SEPARATOR}'"), centre.c.name_key)
    )
    centres = (
        sa.select(enrolment.c.athlete_id, names.label("names"))
        .select_from(page)
        .join(enrolment, enrolment.c.athlete_id == page.c.id)
        .join(centre, centre.c.id == enrolment.c.centre_id)
        .group_by(enrolment.c.athlete_id)
        .subquery("centres_of_each")
    )
    others = {
        "category": category.c.name,
        "centres": centres.c.names,
        "height_cm": _with_unit(page.c.height_cm, HEIGHT.unit),
        "weight_kg": _with_unit(page.c.weight_kg, WEIGHT.unit),
    }
    columns = [
        (others[field] if field in others else page.c[field]).label(field)
        for field in COLUMNS.values()
    ]
    return Statement(
        sa.select(*columns)
        .select_from(page)
        .join(category, category.c.id == page.c.category_id)
        .outerjoin(centres, centres.c.athlete_id == page.c.id)
        .order_by(page.c.id)
    )


def _with_unit(column: sa.ColumnElement[Any], unit: str) -> sa.ColumnElement[Any]:
    return sa.cast(column, sa.Text) + sa.literal_column(f"' {unit}'")
