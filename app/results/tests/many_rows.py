"""Rows of results for the query plans of lists.

There are 40 000 results at 200 centres, and 20 000 in 40 events.
"""

ROWS = {
    "results": """
        INSERT INTO results
            (id, athlete_id, workout_id, score_type, best, tie_break_by, competition_id, event_id,
             entry_id, category_id, centre_id, performed_at, performed_on, scaling, outcome, review)
        SELECT md5(g::text)::uuid, coalesce(entries.athlete_id, athletes.id), workouts.id,
            workouts.score_type, workouts.best, workouts.tie_break, entries.competition_id,
            competition_events.id, entries.id, entries.category_id,
            CASE WHEN entries.id IS NULL THEN lpad(to_hex(g % 200 + 1), 32, '0')::uuid END,
            statement_timestamp() - g * interval '1 hour', DATE '2026-12-01' - g / 24,
            CASE WHEN g % 3 = 0 THEN 'scaled' ELSE 'rx' END, 'dnf',
            CASE WHEN g % 2 = 0 THEN 'none' ELSE 'valid' END
        FROM generate_series(1, 60000) g
        LEFT JOIN entries ON g <= 40000 AND g % 2 = 0
            AND entries.id = lpad(to_hex(g), 32, '0')::uuid
        LEFT JOIN competition_events ON entries.id IS NOT NULL
            AND competition_events.id = md5((g / 2 % 40)::text)::uuid
        JOIN athletes ON athletes.id = lpad(to_hex(g % 20000 + 1), 32, '0')::uuid
        JOIN workouts ON workouts.id =
            coalesce(competition_events.workout_id, lpad(to_hex(g % 20000 + 1), 32, '0')::uuid)
        WHERE (entries.id IS NULL) = (competition_events.id IS NULL)
    """,
}
"""The SQL that fills the table."""
WIDE = {"scaling", "review", "from", "to"}
"""Filters that may match any share of the rows, so that a count with them has no bound."""
