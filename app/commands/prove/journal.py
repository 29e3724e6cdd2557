"""Compare the journal with the rows that it is about."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlmodel import SQLModel

from app.core.db.journal import EVENTS

UNEQUAL = """
    WITH stored AS ({rows}),
    told AS (
        SELECT resource_id AS id, array_agg(version ORDER BY id) AS versions,
            (array_agg(type ORDER BY id DESC))[1] LIKE '%.deleted' AS is_deleted
        FROM events GROUP BY resource_id
    )
    SELECT kind, id, stored.version, versions
    FROM stored FULL JOIN told USING (id)
    WHERE id <> ALL ($1) AND (
        stored.id IS NULL <> is_deleted
        OR versions IS DISTINCT FROM ARRAY(SELECT generate_series(1, cardinality(versions)))
        OR stored.version <> cardinality(versions)
    )
"""


async def unequal_to_journal(connection: Any, ignored: Collection[UUID] = ()) -> list[str]:
    """Return the rows that do not have exactly one event for each version, in their order.

    Also return what has events but no row, without the event of its deletion. ``ignored``: ids of
    rows that were added without events.
    """
    tables = [name for name, table in SQLModel.metadata.tables.items() if "version" in table.c]
    tables.remove(EVENTS.name)
    one = "SELECT '{0}' AS kind, id, version FROM {0}"
    rows = " UNION ALL ".join(map(one.format, tables))
    found = await connection.fetch(UNEQUAL.format(rows=rows), list(ignored))
    return [f"{row['kind']} {row['id']}: {row['version']}, {row['versions']}" for row in found]
