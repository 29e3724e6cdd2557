"""Give idempotency keys an owner: the account or token that sent them.

Keys that were sent before belong to nobody, and expire within a day.

Revision: c41d7be92a06, after 2ebf8e53551d
Created: 2026-11-27 21:03
"""

import sqlalchemy as sa
from alembic import op

revision = "c41d7be92a06"
down_revision = "2ebf8e53551d"
branch_labels = None
depends_on = None

KEYS = "idempotency_keys"
NOBODY = "00000000-0000-0000-0000-000000000000"


def upgrade() -> None:
    op.add_column(KEYS, sa.Column("owner", sa.Uuid(), server_default=NOBODY, nullable=False))
    op.alter_column(KEYS, "owner", server_default=None)
    op.drop_constraint("pk_idempotency_keys", KEYS)
    op.create_primary_key("pk_idempotency_keys", KEYS, ["owner", "key"])
    op.drop_index("ix_idempotency_keys_client_created_at", KEYS)
    op.create_index("ix_idempotency_keys_owner_created_at", KEYS, ["owner", "created_at"])
    op.drop_column(KEYS, "client")


def downgrade() -> None:
    op.add_column(
        KEYS, sa.Column("client", sa.Text(collation="C"), server_default="", nullable=False)
    )
    op.create_index("ix_idempotency_keys_client_created_at", KEYS, ["client", "created_at"])
    op.drop_index("ix_idempotency_keys_owner_created_at", KEYS)
    # Of equal keys of two owners, only the newer one stays.
    op.execute(
        "DELETE FROM idempotency_keys AS key USING idempotency_keys AS other"
        " WHERE key.key = other.key"
        " AND (key.created_at, key.owner) < (other.created_at, other.owner)"
    )
    op.drop_constraint("pk_idempotency_keys", KEYS)
    op.create_primary_key("pk_idempotency_keys", KEYS, ["key"])
    op.drop_column(KEYS, "owner")
