"""Rows of centres for the query plans of lists."""

ROWS = {
    "centres": """
        INSERT INTO centres (id, name, name_key, time_zone)
        SELECT lpad(to_hex(g), 32, '0')::uuid, g, lpad(g::text, 3, '0'), 'UTC'
        FROM generate_series(1, 200) g
    """,
}
"""The SQL that fills each table."""
