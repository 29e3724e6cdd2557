"""Plain ASGI and asyncpg with the service's own SQL: the least work that a Python process can do.

It validates nothing, handles no errors, and implements nothing else of the contract.
"""

import os
from datetime import date
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import asyncpg
import orjson
import sqlalchemy as sa

from app.athletes.models import Athlete, AthleteCreate, AthleteRead, AthleteSummary
from app.athletes.queries import AthleteQueries
from app.core.access import EVERYTHING
from app.core.db.statements import new_values
from app.core.resources.fields import new_id
from app.core.resources.paging import Place
from app.core.resources.queries import Start


class _WithoutEvents(AthleteQueries):
    """Builds the statements of athletes without the journal, which only the service keeps."""

    def event_cte(self, source: sa.CTE, verb: str, **columns: Any) -> sa.CTE:
        """Return a CTE that nothing reads, so that PostgreSQL does not run it."""
        return sa.select(sa.literal_column("1")).cte(f"no_{verb}")


QUERIES = _WithoutEvents(Athlete, AthleteRead, AthleteSummary, athlete="id")
COLLECTION = "/api/v1/athletes"
JSON = [(b"content-type", b"application/json")]
DEFAULTS = {
    name: field.default
    for name, field in AthleteCreate.model_fields.items()
    if not field.is_required()
}
PARSERS = {
    name: column.type.python_type.fromisoformat
    for name, column in QUERIES.table.c.items()
    if name in AthleteCreate.model_fields and issubclass(column.type.python_type, date)
}
"""Parsers of the dates and times in a body, because JSON has no such types."""

pool: asyncpg.Pool


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Handle one request."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    method, path = scope["method"], scope["path"]
    if path != COLLECTION:
        row_id = UUID(path[len(COLLECTION) + 1 :])
        if method == "GET":
            found = await _row(QUERIES.get_query(), {"ids": [row_id]})
            await _answer(send, 200, found["body"].encode())
        elif method == "PATCH":
            fields = await _body(receive)
            values = {
                "id": row_id,
                "expected": None,
                **new_values(QUERIES.table, fields),
            }
            statement = QUERIES.update_query(frozenset(fields))
            # Again if another request has just changed the row, as the service does.
            while (changed := await _row(statement, values)) is None:
                pass
            await _answer(send, 200, changed["body"].encode())
        else:
            await _row(QUERIES.delete_query(), {"id": row_id, "expected": None})
            await _answer(send, 204, b"")
    elif method == "GET":
        query: dict[str, Any] = dict(parse_qsl(scope["query_string"].decode()))
        query["limit"] = int(query["limit"])
        start: Start = "top"
        if "cursor" in query:
            start = "place"
            place = Place.of_cursor(query.pop("cursor"), "", str)
        filters = frozenset(query.keys() - {"limit"})
        if start == "place":
            query |= {"place_key": place.key, "place_id": place.id}
        page = await _row(QUERIES.list_query(filters, "name", start, False), query)
        following = "null"
        if page["id"]:
            cursor = Place(page["key"], UUID(page["id"])).cursor("")
            following = f'"{COLLECTION}?limit={query["limit"]}&cursor={cursor}"'
        await _answer(send, 200, f'{{"items": {page["items"]}, "next": {following}}}'.encode())
    else:
        fields = DEFAULTS | await _body(receive)
        for name, parse in PARSERS.items():
            if fields[name] is not None:
                fields[name] = parse(fields[name])
        values = new_values(QUERIES.table, {"id": new_id(), **fields})
        created = await _row(QUERIES.insert_query(), values)
        await _answer(send, 201, created["body"].encode())


async def _live(receive: Any, send: Any) -> None:
    global pool
    await receive()
    pool = await asyncpg.create_pool(
        os.environ["DATABASE_URL"],
        min_size=10,
        max_size=10,
        reset=_leave_as_it_is,
        # The service's session settings, which its SQL relies on.
        server_settings={
            "timezone": "UTC",
            "jit_above_cost": "-1",
            "plan_cache_mode": "force_generic_plan",
        },
    )
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await pool.close()
    await send({"type": "lifespan.shutdown.complete"})


async def _row(statement: Any, values: dict[str, Any]) -> Any:
    async with pool.acquire() as connection:
        values = {**values, **EVERYTHING.values()}
        return await connection.fetchrow(statement.text, *statement.arguments(values))


async def _body(receive: Any) -> dict[str, Any]:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            fields: dict[str, Any] = orjson.loads(body)
            return fields


async def _answer(send: Any, status: int, body: bytes) -> None:
    headers = [*JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _leave_as_it_is(connection: object) -> None:
    pass
