"""Rows of categories for the plans of lists: few, as there are."""

ROWS = {
    "categories": """
        INSERT INTO categories (id, name, name_key)
        SELECT lpad(to_hex(g), 32, '0')::uuid, g, g FROM generate_series(1, 5) g
    """,
}
"""What fills each table."""
