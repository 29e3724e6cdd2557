"""Two centres with their staff, athletes and trainings, for the tests of rights.

Each caller of ``ROLES`` has a role at the centre ``own``. In ``IDS``, the name of a row says where
it belongs: to ``own``, to ``foreign``, or (``shared``) to both; ``self`` is of the member.
"""

from uuid import UUID

import asyncpg

from app.identity.models import DEVICE_SCOPES, SCOPES
from app.identity.tests.callers import ADD_ONE, ADMIN, Known

ROLES = {
    "admin": ADMIN,
    **{
        name: Known(name, UUID(int=0x100 + number))
        for number, name in enumerate(("owner", "desk", "coach", "member", "device", "nobody"))
    },
}
"""A caller of each role; ``nobody`` is an account without any."""


def _id(number: int) -> UUID:
    return UUID(int=0x1000 + number)


IDS: dict[str, dict[str, UUID]] = {
    "category": {"used": _id(1), "unused": _id(2)},
    "centre": {"own": _id(10), "foreign": _id(11)},
    "athlete": {"own": _id(20), "shared": _id(21), "foreign": _id(22), "self": _id(23)},
    "training": {"own": _id(30), "foreign": _id(31), "unbooked": _id(32)},
    "series": {"own": _id(140), "foreign": _id(141)},
    "workout": {"own": _id(80), "benchmark": _id(81), "unused": _id(82)},
    "programmed": {"published": _id(90), "draft": _id(91), "foreign": _id(92)},
    "booking": {"own": _id(40), "shared": _id(41), "foreign": _id(42), "self": _id(43)},
    "account": {
        "own": ROLES["coach"].id,
        "foreign": _id(50),
        "self": ROLES["member"].id,
        "other": _id(51),
    },
    "device": {"own": _id(60), "foreign": _id(61)},
    "competition": {"own": _id(100), "foreign": _id(101), "draft": _id(102), "empty": _id(103)},
    "event": {"own": _id(110), "foreign": _id(111), "draft": _id(112), "unused": _id(113)},
    "entry": {"own": _id(120), "self": _id(121), "foreign": _id(122), "unused": _id(123)},
    "result": {
        "own": _id(130),
        "self": _id(131),
        "foreign": _id(132),
        "board": _id(133),
        "other": _id(134),
    },
    "invitation": {"own": _id(70), "foreign": _id(71), "athlete": _id(72)},
}
"""The id of each row, by what it is and where it belongs."""

_ADD = """
    INSERT INTO categories (id, name, name_key) VALUES
        ('{category[used]}', 'Rx', 'rx'), ('{category[unused]}', 'Scaled', 'scaled');
    INSERT INTO centres (id, name, name_key, owner, time_zone, capacity) VALUES
        ('{centre[own]}', 'Northside', 'northside', 'Ana Torres', 'UTC', 100),
        ('{centre[foreign]}', 'Harbour', 'harbour', 'Ben Okafor', 'UTC', 100);
    INSERT INTO athletes
        (id, name, name_key, reference, email, email_key, national_id, sex, height_cm,
         category_id, birth_date) VALUES
        ('{athlete[own]}', 'Mara', 'mara', 'M-1', 'mara@gym.example', 'mara@gym.example', 'N1',
         'female', 168.5, '{category[used]}', '1994-05-17'),
        ('{athlete[shared]}', 'Sana', 'sana', 'M-2', 'sana@gym.example', 'sana@gym.example', 'N2',
         'female', 171, '{category[used]}', '1990-01-02'),
        ('{athlete[foreign]}', 'Finn', 'finn', 'M-3', 'finn@gym.example', 'finn@gym.example', 'N3',
         'male', 180, '{category[used]}', '1988-03-04'),
        ('{athlete[self]}', 'Mel', 'mel', 'M-4', 'mel@gym.example', 'mel@gym.example', 'N4',
         'other', 175, '{category[used]}', '1999-07-08');
    INSERT INTO enrolments (athlete_id, centre_id) VALUES
        ('{athlete[own]}', '{centre[own]}'), ('{athlete[self]}', '{centre[own]}'),
        ('{athlete[shared]}', '{centre[own]}'), ('{athlete[shared]}', '{centre[foreign]}'),
        ('{athlete[foreign]}', '{centre[foreign]}');
    INSERT INTO series (id, centre_id, name, name_key, weekdays, start, minutes, capacity,
        starts_on, ends_on, skip) VALUES
        ('{series[own]}', '{centre[own]}', 'Weekly', 'weekly', '{{1}}', '18:00', 60, 5,
         '2100-01-04', '2100-01-10', '{{}}'),
        ('{series[foreign]}', '{centre[foreign]}', 'Weekly', 'weekly', '{{1}}', '18:00', 60, 5,
         '2100-01-04', '2100-01-10', '{{}}');
    INSERT INTO trainings (id, centre_id, name, starts_at, ends_at, capacity, taken)
        SELECT id::uuid, centre_id::uuid, 'WOD', now() + starts, now() + starts + interval '1 hour',
            12, taken
        FROM (VALUES
            ('{training[own]}', '{centre[own]}', interval '30 minutes', 2),
            ('{training[foreign]}', '{centre[foreign]}', interval '30 minutes', 2),
            ('{training[unbooked]}', '{centre[own]}', interval '2 days', 0)
        ) more (id, centre_id, starts, taken);
    INSERT INTO bookings (id, training_id, athlete_id, starts_at, ends_at, status, booked_at)
        SELECT booking.id::uuid, training_id::uuid, athlete_id::uuid, starts_at, ends_at,
            'reserved', now() + number * interval '1 second'
        FROM (VALUES
            ('{booking[own]}', '{training[own]}', '{athlete[own]}', 1),
            ('{booking[self]}', '{training[own]}', '{athlete[self]}', 2),
            ('{booking[shared]}', '{training[foreign]}', '{athlete[shared]}', 3),
            ('{booking[foreign]}', '{training[foreign]}', '{athlete[foreign]}', 4)
        ) booking (id, training_id, athlete_id, number)
        JOIN trainings ON trainings.id = training_id::uuid;
    INSERT INTO calendar_feeds (id, athlete_id, secret_hash)
        VALUES ('{athlete[self]}', '{athlete[self]}', sha256('a secret'));
    INSERT INTO workouts (id, name, name_key, benchmark, score_type, best, tie_break) VALUES
        ('{workout[own]}', 'Hills', 'hills', false, 'time', 'lowest', 'none'),
        ('{workout[benchmark]}', 'Fran', 'fran', true, 'time', 'lowest', 'none'),
        ('{workout[unused]}', 'Ladder', 'ladder', false, 'reps', 'highest', 'none');
    INSERT INTO programmed_workouts (id, centre_id, date, position, workout_id, published_at) VALUES
        ('{programmed[published]}', '{centre[own]}', '2026-12-01', 1, '{workout[own]}', now()),
        ('{programmed[draft]}', '{centre[own]}', '2026-12-01', 2, '{workout[own]}',
         now() + interval '1 day'),
        ('{programmed[foreign]}', '{centre[foreign]}', '2026-12-01', 1, '{workout[own]}', now());
    INSERT INTO competitions
        (id, name, name_key, centre_id, time_zone, starts_on, ends_on, points, overall_tie, status,
         published_at)
        SELECT id::uuid, name, lower(name), centre_id::uuid, 'UTC', '2026-12-05', '2026-12-06',
            'place', 'shared', status, CASE WHEN status = 'open' THEN now() END
        FROM (VALUES
            ('{competition[own]}', 'Northside Throwdown', '{centre[own]}', 'open'),
            ('{competition[foreign]}', 'Harbour Throwdown', '{centre[foreign]}', 'open'),
            ('{competition[draft]}', 'Harbour Games', '{centre[foreign]}', 'draft'),
            ('{competition[empty]}', 'Northside Games', '{centre[own]}', 'draft')
        ) more (id, name, centre_id, status);
    INSERT INTO competition_events (id, competition_id, workout_id, ordinal, published_at)
        SELECT id::uuid, competition_id::uuid, '{workout[own]}', ordinal, now()
        FROM (VALUES
            ('{event[own]}', '{competition[own]}', 1),
            ('{event[unused]}', '{competition[own]}', 2),
            ('{event[foreign]}', '{competition[foreign]}', 1),
            ('{event[draft]}', '{competition[draft]}', 1)
        ) more (id, competition_id, ordinal);
    INSERT INTO entries (id, competition_id, athlete_id, category_id)
        SELECT id::uuid, competition_id::uuid, athlete_id::uuid, '{category[used]}'
        FROM (VALUES
            ('{entry[own]}', '{competition[own]}', '{athlete[own]}'),
            ('{entry[self]}', '{competition[own]}', '{athlete[self]}'),
            ('{entry[unused]}', '{competition[own]}', '{athlete[shared]}'),
            ('{entry[foreign]}', '{competition[foreign]}', '{athlete[foreign]}')
        ) more (id, competition_id, athlete_id);
    INSERT INTO boards (competition_id, category_id, entries, revision)
        SELECT competition_id, category_id, count(*), 1 FROM entries GROUP BY 1, 2;
    INSERT INTO results
        (id, athlete_id, workout_id, score_type, best, tie_break_by, competition_id, event_id,
         entry_id, category_id, centre_id, performed_at, performed_on, scaling, outcome, time_ms,
         entered)
        SELECT more.id::uuid, more.athlete_id::uuid, '{workout[own]}', 'time', 'lowest', 'none',
            entries.competition_id, event_id::uuid, entry_id::uuid, entries.category_id,
            centre_id::uuid, now(), now()::date, 'rx', 'finished', 381000, '6:21'
        FROM (VALUES
            ('{result[own]}', '{athlete[own]}', '{event[own]}', '{entry[own]}', NULL),
            ('{result[self]}', '{athlete[self]}', '{event[own]}', '{entry[self]}', NULL),
            ('{result[foreign]}', '{athlete[foreign]}', '{event[foreign]}', '{entry[foreign]}',
             NULL),
            ('{result[board]}', '{athlete[own]}', NULL, NULL, '{centre[own]}'),
            ('{result[other]}', '{athlete[foreign]}', NULL, NULL, '{centre[foreign]}')
        ) more (id, athlete_id, event_id, entry_id, centre_id)
        LEFT JOIN entries ON entries.id = entry_id::uuid;
    INSERT INTO accounts (id, email, email_key, is_admin, athlete_id) VALUES
        ('{account[foreign]}', 'coach@harbour.example', 'coach@harbour.example', false, NULL),
        ('{account[other]}', 'other@example.com', 'other@example.com', false, NULL);
    INSERT INTO codes (id, kind, secret_hash, email, email_key, centre_id, role, athlete_id,
            expires_at)
        SELECT id::uuid, 'invitation', '', email, email, centre_id::uuid, role, athlete_id::uuid,
            now() + interval '1 day'
        FROM (VALUES
            ('{invitation[own]}', 'a@example.com', '{centre[own]}', 'coach', NULL),
            ('{invitation[foreign]}', 'b@example.com', '{centre[foreign]}', 'desk', NULL),
            ('{invitation[athlete]}', 'c@example.com', NULL, NULL, '{athlete[own]}')
        ) more (id, email, centre_id, role, athlete_id);
    INSERT INTO staff (id, account_id, centre_id, role) VALUES
        (gen_random_uuid(), '{account[foreign]}', '{centre[foreign]}', 'coach');
"""


async def add_gym(connection: asyncpg.Connection) -> None:
    """Add the rows and the callers."""
    await connection.execute(_ADD.format(**IDS))
    for name, known in ROLES.items():
        if name == "admin":
            continue
        is_device = name == "device"
        if not is_device:
            athlete_id = IDS["athlete"]["self"] if name == "member" else None
            await connection.execute(
                "INSERT INTO accounts (id, email, email_key, is_admin, athlete_id)"
                " VALUES ($1, $2, $3, false, $4)",
                known.id,
                known.email,
                known.email,
                athlete_id,
            )
        if name in ("owner", "desk", "coach"):
            await connection.execute(
                "INSERT INTO staff (id, account_id, centre_id, role) VALUES ($1, $1, $2, $3)",
                known.id,
                IDS["centre"]["own"],
                name,
            )
        await connection.execute(
            ADD_ONE,
            known.id,
            "device" if is_device else "session",
            known.secret_hash,
            None if is_device else known.id,
            IDS["centre"]["own"] if is_device else None,
            list(DEVICE_SCOPES if is_device else SCOPES),
        )
    for where, device_id in IDS["device"].items():
        await connection.execute(
            ADD_ONE, device_id, "device", b"", None, IDS["centre"][where], list(DEVICE_SCOPES)
        )
    await connection.execute("UPDATE tokens SET last_used_at = now()")
