"""Rows of identity for the query plans of lists.

Each of 20 000 accounts has two tokens, a role at one of 200 centres, and two codes. Few are open.
"""

ROWS = {
    "accounts": """
        INSERT INTO accounts (id, email, email_key, is_admin, created_at)
        SELECT lpad(to_hex(g + 1000000), 32, '0')::uuid, g, g, false,
            timestamptz '2026-01-01' + g * interval '1 second'
        FROM generate_series(1, 20000) g
    """,
    "staff": """
        INSERT INTO staff (id, account_id, centre_id, role)
        SELECT lpad(to_hex(g + 1000000), 32, '0')::uuid, lpad(to_hex(g + 1000000), 32, '0')::uuid,
            lpad(to_hex(g % 200 + 1), 32, '0')::uuid, 'coach'
        FROM generate_series(1, 20000) g
    """,
    "tokens": """
        INSERT INTO tokens (id, kind, secret_hash, account_id, scopes, expires_at)
        SELECT gen_random_uuid(), kind, ''::bytea, lpad(to_hex(g + 1000000), 32, '0')::uuid, '{}',
            statement_timestamp() + interval '1 day'
        FROM generate_series(1, 20000) g, (VALUES ('session'), ('personal')) kinds (kind)
    """,
    "codes": """
        INSERT INTO codes
            (id, kind, secret_hash, email, email_key, account_id, expires_at, closed_at)
        SELECT gen_random_uuid(), 'invitation', ''::bytea, g, g, NULL::uuid,
            statement_timestamp() + interval '1 day',
            CASE WHEN g % 100 > 0 THEN statement_timestamp() END
        FROM generate_series(1, 20000) g
        UNION ALL
        SELECT gen_random_uuid(), 'reset', ''::bytea, NULL, NULL,
            lpad(to_hex(g + 1000000), 32, '0')::uuid, now(), now()
        FROM generate_series(1, 20000) g
    """,
}
"""The SQL that fills each table."""
