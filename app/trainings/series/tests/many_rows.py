"""Rows of series for the query plans of lists: 20 000, of 200 centres."""

ROWS = {
    "series": """
        INSERT INTO series (id, name, name_key, weekdays, start, minutes, capacity, starts_on,
            ends_on, skip, centre_id)
        SELECT lpad(to_hex(g), 32, '0')::uuid, g, lpad(g::text, 5, '0'), '{1,3}', '18:00', 60, 12,
            '2026-12-01', '2026-12-31', '{}', lpad(to_hex(g % 200 + 1), 32, '0')::uuid
        FROM generate_series(1, 20000) g
    """,
}
"""The SQL that fills each table."""
