"""Rows of the journal for the query plans of lists.

There are 20 000 events, 10 of each of 2000 rows, by 100 actors, at 200 centres.
"""

ROWS = {
    "events": """
        INSERT INTO events
            (actor, type, resource_id, version, centre_ids, athlete_id, changed, occurred_at)
        SELECT 'actor ' || g % 100, 'athlete.' || g % 20, lpad(to_hex(g % 2000), 32, '0')::uuid,
            g / 2000 + 1, ARRAY[lpad(to_hex(g % 200 + 1), 32, '0')::uuid],
            CASE WHEN g % 2 = 0 THEN lpad(to_hex(g % 2000), 32, '0')::uuid END, '{name}',
            statement_timestamp() + g * interval '1 second'
        FROM generate_series(1, 20000) g
    """,
}
"""The SQL that fills each table."""
WIDE = {"type", "actor", "from", "to"}
"""Filters that may match any share of the rows, so that a count with them has no bound."""
