"""Rows of workouts and programmes for the query plans of lists.

There are 20 000 workouts, 500 of them benchmarks, and 20 000 in the programmes of 200 centres.
"""

ROWS = {
    "workouts": """
        INSERT INTO workouts (id, name, name_key, benchmark, score_type, best, tie_break)
        SELECT lpad(to_hex(g), 32, '0')::uuid, g, lpad(g::text, 5, '0'), g % 40 = 0,
            (ARRAY['time', 'rounds_reps', 'reps', 'load', 'distance', 'calories', 'points', 'none'])
                [g % 8 + 1],
            'highest', 'none'
        FROM generate_series(1, 20000) g
    """,
    "programmed_workouts": """
        INSERT INTO programmed_workouts
            (id, centre_id, date, position, workout_id, published_at)
        SELECT md5(g::text)::uuid, lpad(to_hex(g % 200 + 1), 32, '0')::uuid,
            DATE '2026-12-01' + g / 200, 1, lpad(to_hex(g % 20000 + 1), 32, '0')::uuid,
            statement_timestamp()
        FROM generate_series(0, 19999) g
    """,
}
"""The SQL that fills each table."""
WIDE = {"benchmark", "score_type"}
"""Filters that may match any share of the rows, so that a count with them has no bound."""
