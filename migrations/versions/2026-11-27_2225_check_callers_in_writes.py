"""Check callers in writes: a view of the tokens that are live.

Revision: 5e0c2f7d91ab, after c41d7be92a06
Created: 2026-11-27 22:25
"""

from alembic import op

revision = "5e0c2f7d91ab"
down_revision = "c41d7be92a06"
branch_labels = None
depends_on = None

# For statements that write, see CALLER_HOLDS in app/core/db/schema.py. The condition is also in
# app/identity/tokens/callers.py, and a test compares the two.
VIEW = """
CREATE VIEW live_callers AS
SELECT tokens.id, coalesce(accounts.is_admin, false) AS is_admin
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


def upgrade() -> None:
    op.execute(VIEW)


def downgrade() -> None:
    op.execute("DROP VIEW live_callers")
