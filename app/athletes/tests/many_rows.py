"""Rows of athletes for the query plans of lists.

Each of 100 000 athletes trains at two of 200 centres, in one of 5 categories.
"""

ROWS = {
    "athletes": """
        INSERT INTO athletes (id, name, name_key, reference, sex, category_id, created_at)
        SELECT lpad(to_hex(g), 32, '0')::uuid, g, md5(g::text), g,
            (ARRAY['female', 'male', 'other'])[g % 3 + 1], lpad(to_hex(g % 5 + 1), 32, '0')::uuid,
            timestamptz '2026-01-01' + g * interval '1 second'
        FROM generate_series(1, 100000) g
    """,
    "enrolments": """
        INSERT INTO enrolments (athlete_id, centre_id)
        SELECT lpad(to_hex(g), 32, '0')::uuid, lpad(to_hex((g + h) % 200 + 1), 32, '0')::uuid
        FROM generate_series(1, 100000) g, LATERAL (VALUES (0), (g / 200 % 199 + 1)) more (h)
    """,
}
"""The SQL that fills each table."""
WIDE = {"sex", "category_id"}
"""Filters that may match any share of the rows, so that a count with them has no bound."""
