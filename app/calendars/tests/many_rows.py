"""Calendar feeds for the query plans: one of 20 athletes has one."""

ROWS = {
    "calendar_feeds": """
        INSERT INTO calendar_feeds (id, athlete_id, secret_hash)
        SELECT id, id, sha256(id::text::bytea) FROM athletes WHERE reference::integer % 20 = 0
    """,
}
"""The SQL that fills each table."""
