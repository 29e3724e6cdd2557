"""Check the roles of callers in writes, and find them with their tokens.

Revision: 7d3b9a40e6f2, after 5e0c2f7d91ab
Created: 2026-11-28 00:05
"""

from alembic import op

revision = "7d3b9a40e6f2"
down_revision = "5e0c2f7d91ab"
branch_labels = None
depends_on = None

# For statements that write, see CALLER_HOLDS in app/core/db/schema.py. The condition is also in
# app/identity/tokens/callers.py, and a test compares the two.
VIEW = """
CREATE VIEW live_callers AS
SELECT tokens.id, coalesce(accounts.is_admin, false) AS is_admin {more}
FROM tokens LEFT JOIN accounts ON accounts.id = tokens.account_id
WHERE tokens.revoked_at IS NULL
    AND tokens.expires_at > statement_timestamp()
    AND (
        tokens.kind <> 'session'
        OR coalesce(tokens.last_used_at, tokens.created_at)
            > statement_timestamp() - interval '7 days'
    )
    AND accounts.disabled_at IS NULL
"""
RIGHTS = """
    , accounts.athlete_id
    , ARRAY(
        SELECT staff.centre_id::text || ' ' || staff.role
        FROM staff
        WHERE staff.account_id = accounts.id
        ORDER BY staff.centre_id
    ) AS roles
"""


def upgrade() -> None:
    op.execute("DROP VIEW live_callers")
    op.execute(VIEW.format(more=RIGHTS))


def downgrade() -> None:
    op.execute("DROP VIEW live_callers")
    op.execute(VIEW.format(more=""))
