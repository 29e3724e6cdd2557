"""Rows of competitions, events and entries for the query plans of lists.

There are 20 000 competitions with 40 000 events, and 40 000 entries, half of them in one.
"""

ROWS = {
    "competitions": """
        INSERT INTO competitions
            (id, name, name_key, centre_id, time_zone, starts_on, ends_on, points, overall_tie,
             status, published_at)
        SELECT lpad(to_hex(g), 32, '0')::uuid, g, lpad(g::text, 5, '0'),
            lpad(to_hex(g % 200 + 1), 32, '0')::uuid, 'UTC', '2026-12-05', '2026-12-06', 'place',
            'shared', (ARRAY['draft', 'open', 'closed', 'final'])[g % 4 + 1],
            CASE WHEN g % 4 > 0 THEN statement_timestamp() END
        FROM generate_series(1, 20000) g
    """,
    "competition_events": """
        INSERT INTO competition_events (id, competition_id, workout_id, ordinal, published_at)
        SELECT md5(g::text)::uuid, lpad(to_hex(g / 40 + 1), 32, '0')::uuid,
            lpad(to_hex(g % 40 + 1), 32, '0')::uuid, g % 40 + 1, statement_timestamp()
        FROM generate_series(0, 39999) g
    """,
    "entries": """
        INSERT INTO entries (id, competition_id, athlete_id, category_id)
        SELECT lpad(to_hex(g), 32, '0')::uuid,
            lpad(to_hex(CASE WHEN g % 2 = 0 THEN 1 ELSE g % 2000 + 1 END), 32, '0')::uuid,
            athletes.id, athletes.category_id
        FROM generate_series(1, 40000) g
        JOIN athletes ON athletes.id = lpad(to_hex(g), 32, '0')::uuid
    """,
}
"""The SQL that fills each table."""
WIDE = {"status"}
"""Filters that may match any share of the rows, so that a count with them has no bound."""
