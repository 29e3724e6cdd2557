"""The rules of trainings, as queries that find violations while other clients write."""

from typing import Any

RULES = {
    "one active booking for each athlete and training": """
        SELECT training_id, athlete_id FROM bookings WHERE status <> 'cancelled'
        GROUP BY 1, 2 HAVING count(*) > 1
    """,
    "at most as many seats taken as the capacity, and those over it counted": """
        SELECT id FROM trainings
        WHERE taken > capacity + over OR over <> greatest(taken - capacity, 0)
    """,
    "counters that match the bookings": """
        SELECT id FROM trainings t
        WHERE taken <> (
                SELECT count(*) FROM bookings b
                WHERE b.training_id = t.id AND b.status IN ('reserved', 'checked_in')
            )
            OR waiting <> (
                SELECT count(*) FROM bookings b
                WHERE b.training_id = t.id AND b.status = 'waitlisted'
            )
    """,
    "nobody has seats in two trainings at one time": """
        SELECT a.id, b.id FROM bookings a JOIN bookings b USING (athlete_id)
        WHERE a.id < b.id AND a.training_id <> b.training_id
            AND a.status IN ('reserved', 'checked_in') AND b.status IN ('reserved', 'checked_in')
            AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at
    """,
    "no more seats at one time than the centre holds": """
        SELECT c.id, t.id FROM trainings t JOIN centres c ON c.id = t.centre_id
        WHERE t.status = 'scheduled' AND t.ends_at > now() AND c.capacity < (
            SELECT sum(o.capacity + o.over) FROM trainings o
            WHERE o.centre_id = t.centre_id AND o.status = 'scheduled'
                AND o.starts_at <= t.starts_at AND o.ends_at > t.starts_at
        )
    """,
    "a cancelled training has no active bookings": """
        SELECT b.id FROM bookings b JOIN trainings t ON t.id = b.training_id
        WHERE t.status = 'cancelled' AND b.status <> 'cancelled'
    """,
    "the journal has one event for each version of a row, in their order": """
        SELECT id FROM (
            SELECT id, version FROM bookings
            UNION ALL SELECT id, version FROM trainings
            UNION ALL SELECT id, version FROM centres
        ) written
        WHERE ARRAY(SELECT version FROM events WHERE resource_id = written.id ORDER BY id)
            <> ARRAY(SELECT generate_series(1, written.version))
    """,
    "a checked-in booking has the time of its check-in, and a reserved one has none": """
        SELECT id FROM bookings
        WHERE (status = 'checked_in' AND checked_in_at IS NULL)
            OR (status = 'reserved' AND num_nonnulls(checked_in_at, checked_out_at) > 0)
    """,
    "a booking has the times of its training": """
        SELECT b.id FROM bookings b JOIN trainings t ON t.id = b.training_id
        WHERE (b.starts_at, b.ends_at) <> (t.starts_at, t.ends_at)
    """,
}


async def broken_rules(connection: Any) -> list[str]:
    """Return the names of the violated rules, in one snapshot of the database."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return [rule for rule, query in RULES.items() if await connection.fetch(query)]
