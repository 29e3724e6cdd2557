"""The plans of every list's statements, at a hundred thousand athletes and twenty of trainings."""

import re
from collections.abc import AsyncIterator, Iterator
from itertools import chain, combinations, product
from typing import Any, NamedTuple, get_args

import asyncpg
import pytest
from fastapi.routing import iter_route_contexts

from app.api.v1 import router
from app.athletes.crud import AthletesCRUD, CentresOfAthlete
from app.categories.crud import CategoriesCRUD
from app.centres.crud import CentresCRUD
from app.core.db.statements import Statement
from app.core.resources.crud import CRUD
from app.core.resources.paging import ListQuery, Page
from app.core.resources.queries import Start
from app.trainings.bookings import BookingsCRUD
from app.trainings.crud import TrainingsCRUD

pytestmark = pytest.mark.slow

LISTS: dict[str, type[CRUD[Any, Any]]] = {
    "/categories": CategoriesCRUD,
    "/centres": CentresCRUD,
    "/athletes": AthletesCRUD,
    "/categories/{category_id}/athletes": AthletesCRUD,
    "/centres/{centre_id}/athletes": AthletesCRUD,
    "/athletes/{athlete_id}/centres": CentresOfAthlete,
    "/trainings": TrainingsCRUD,
    "/trainings/{training_id}/bookings": BookingsCRUD,
    "/athletes/{athlete_id}/bookings": BookingsCRUD,
}
"""What lists the rows of each path that answers with a page."""

WIDE = {"name", "sex", "category_id", "from_", "to", "status", "available"}
"""Filters that bound no count: any part of the rows may match, and each of them is counted.

A part of a name can be anywhere in it; of sexes and categories there are so few that each holds
many, and a time may be any. A page is bounded all the same: it ends when it is full, in the order
of an index.
"""

IN_INDEX = {
    ("athletes", "name"): {"name", "name_prefix", "sex", "category_id"},
    ("athletes", "created_at"): {"category_id"},
    ("trainings", "starts_at"): {"from_", "to", "status", "centre_id"},
    ("bookings", "starts_at"): {"from_", "to", "athlete_id"},
}
"""Filters on what the indexes by a sort hold: a list in their order reads no row that it skips."""

FILL = """
    INSERT INTO categories (id, name, name_key)
        SELECT lpad(to_hex(g), 32, '0')::uuid, g, g FROM generate_series(1, 5) g;
    INSERT INTO centres (id, name, name_key, time_zone)
        SELECT lpad(to_hex(g), 32, '0')::uuid, g, lpad(g::text, 3, '0'), 'UTC'
        FROM generate_series(1, 200) g;
    INSERT INTO athletes (id, name, name_key, reference, sex, category_id, created_at)
        SELECT lpad(to_hex(g), 32, '0')::uuid, g, md5(g::text), g,
            (ARRAY['female', 'male', 'other'])[g % 3 + 1], lpad(to_hex(g % 5 + 1), 32, '0')::uuid,
            timestamptz '2026-01-01' + g * interval '1 second'
        FROM generate_series(1, 100000) g;
    INSERT INTO enrolments (athlete_id, centre_id)
        SELECT lpad(to_hex(g), 32, '0')::uuid, lpad(to_hex((g + h) % 200 + 1), 32, '0')::uuid
        FROM generate_series(1, 100000) g, LATERAL (VALUES (0), (g / 200 % 199 + 1)) more (h);
    INSERT INTO trainings (id, name, centre_id, capacity, status, starts_at, ends_at)
        SELECT lpad(to_hex(g), 32, '0')::uuid, g, lpad(to_hex(g % 200 + 1), 32, '0')::uuid, 12,
            CASE WHEN g % 50 = 0 THEN 'cancelled' ELSE 'scheduled' END,
            at, at + interval '1 hour'
        FROM generate_series(1, 20000) g, LATERAL (
            SELECT statement_timestamp() + (g - 15000) * interval '1 hour' AS at
        ) times;
    INSERT INTO bookings
        (id, training_id, athlete_id, starts_at, ends_at, status, booked_at, cancelled_at)
        SELECT md5(g::text)::uuid, trainings.id, lpad(to_hex(g), 32, '0')::uuid, starts_at, ends_at,
            CASE WHEN g % 5 = 0 THEN 'cancelled' ELSE 'reserved' END,
            starts_at - g * interval '1 second', CASE WHEN g % 5 = 0 THEN starts_at END
        FROM generate_series(1, 40000) g
        JOIN trainings ON trainings.id = lpad(to_hex(g % 20000 + 1), 32, '0')::uuid;
"""
"""Each of 100 000 athletes trains at two of 200 centres, in one of 5 categories.

Some have booked one of 20 000 trainings.
"""


class Shape(NamedTuple):
    """What decides the text of a list's statement."""

    crud: type[CRUD[Any, Any]]
    filters: frozenset[str]
    sort: str
    start: Start
    total: bool

    def statement(self) -> Statement:
        """Return the statement."""
        return self.crud.queries.list_query(self.filters, self.sort, self.start, self.total)

    def table(self) -> str:
        """Name the table whose rows are listed."""
        return str(self.crud.queries.row.__tablename__)

    def may_scan(self) -> bool:
        """Tell whether the statement may read all of a large table.

        It may to count what only wide filters bound; and to skip so many of the few that have a
        part in their name that hardly any are left.
        """
        far = self.start == "offset" and "name" in self.filters
        return (self.total or far) and self.filters <= WIDE

    def skips_in_index(self) -> bool:
        """Tell whether an index has all it takes to find the place of the page."""
        held = IN_INDEX.get((self.table(), self.sort.removeprefix("-")))
        skips = bool(self.filters) or self.start == "offset"
        return held is not None and skips and self.filters <= held

    def is_met_by(self, plan: str) -> bool:
        """Tell whether a plan is a good one, also for values that are rare."""
        large = r"Seq Scan on (athletes|enrolments|trainings|bookings)"
        if re.search(large, plan) and not self.may_scan():
            return False
        in_index = re.search(rf"Index Only Scan .*on {self.table()}", plan)
        return bool(in_index) or not self.skips_in_index()


def shapes() -> Iterator[Shape]:
    """Yield each shape that a request can ask for."""
    for route in iter_route_contexts(router.routes):
        model = getattr(route, "response_model", None)
        if not (isinstance(model, type) and issubclass(model, Page)):
            continue
        (parameters,) = route.dependant.query_params
        query = parameters.field_info.annotation
        assert isinstance(query, type)
        assert issubclass(query, ListQuery)
        scope = [field.name for field in route.dependant.path_params]
        filters = query.model_fields.keys() - query.NO_FILTERS
        given = chain.from_iterable(
            combinations(sorted(filters), size) for size in range(len(filters) + 1)
        )
        sorts = get_args(query.model_fields["sort"].annotation)
        crud = LISTS[route.path or ""]
        for some in given:
            for sort, start in product(sorts, get_args(Start)):
                yield Shape(crud, frozenset([*some, *scope]), sort, start, total=False)
            # The count is a subquery of its own: it is the same whatever the order and the start.
            yield Shape(crud, frozenset([*some, *scope]), sorts[0], "top", total=True)


@pytest.fixture
async def filled(own_database: str) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection to a database with many athletes."""
    connection = await asyncpg.connect(own_database)
    # VACUUM notes what it finds committed, and that an index alone may do then, once it is on disk.
    await connection.execute("SET synchronous_commit = on")
    await connection.execute(FILL)
    await connection.execute("VACUUM ANALYZE")
    yield connection
    await connection.close()


async def plan_of(connection: asyncpg.Connection, shape: Shape) -> str:
    """Return the plan for any parameters, which is the one that the service uses."""
    statement = shape.statement()
    await connection.execute(f"PREPARE prepared AS {statement.text}")
    parameters = len(set(re.findall(r"\$[0-9]+", statement.text)))
    anything = ", ".join(["NULL"] * parameters)
    lines = await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE prepared({anything})")
    await connection.execute("DEALLOCATE prepared")
    return "\n".join(line for (line,) in lines)


async def test_every_list_has_a_good_plan(filled: asyncpg.Connection) -> None:
    await filled.execute("SET plan_cache_mode = force_generic_plan")

    bad = []
    for shape in set(shapes()):
        plan = await plan_of(filled, shape)
        if not shape.is_met_by(plan):
            bad.append((shape, plan))

    assert not bad, "{} plans are bad, such as {}:\n{}".format(len(bad), *bad[0])
