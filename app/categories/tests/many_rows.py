"""Rows of categories for the query plans of lists: few, as in practice."""

ROWS = {
    "categories": """
        INSERT INTO categories (id, name, name_key)
        SELECT lpad(to_hex(g), 32, '0')::uuid, g, g FROM generate_series(1, 5) g
    """,
}
"""The SQL that fills each table."""
