"""Rows of trainings and bookings for the query plans of lists.

There are 20 000 trainings, three quarters of them in the past, and 40 000 bookings of athletes.
"""

from app.trainings.series.tests.many_rows import ROWS as SERIES_ROWS

ROWS = {
    **SERIES_ROWS,
    "trainings": """
        INSERT INTO trainings (id, name, centre_id, capacity, status, starts_at, ends_at)
        SELECT lpad(to_hex(g), 32, '0')::uuid, g, lpad(to_hex(g % 200 + 1), 32, '0')::uuid, 12,
            CASE WHEN g % 50 = 0 THEN 'cancelled' ELSE 'scheduled' END,
            at, at + interval '1 hour'
        FROM generate_series(1, 20000) g, LATERAL (
            SELECT statement_timestamp() + (g - 15000) * interval '1 hour' AS at
        ) times
    """,
    "bookings": """
        INSERT INTO bookings
        (id, training_id, athlete_id, starts_at, ends_at, status, booked_at, cancelled_at)
        SELECT md5(g::text)::uuid, trainings.id, lpad(to_hex(g), 32, '0')::uuid, starts_at, ends_at,
            CASE WHEN g % 5 = 0 THEN 'cancelled' ELSE 'reserved' END,
            starts_at - g * interval '1 second', CASE WHEN g % 5 = 0 THEN starts_at END
        FROM generate_series(1, 40000) g
        JOIN trainings ON trainings.id = lpad(to_hex(g % 20000 + 1), 32, '0')::uuid
    """,
}
"""The SQL that fills each table."""
WIDE = {"from", "to", "status", "available"}
"""Filters that may match any share of the rows, so that a count with them has no bound."""
