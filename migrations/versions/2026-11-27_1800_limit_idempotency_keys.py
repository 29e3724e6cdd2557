"""Limit idempotency keys: store the client that sent each key.

Revision: 8b3f62d0c94e, after d07c41e9a352
Created: 2026-11-27 18:00
"""

import sqlalchemy as sa
from alembic import op

revision = "8b3f62d0c94e"
down_revision = "d07c41e9a352"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "idempotency_keys",
        sa.Column("client", sa.Text(collation="C"), server_default="", nullable=False),
    )
    op.create_index(
        op.f("ix_idempotency_keys_client_created_at"),
        "idempotency_keys",
        ["client", "created_at"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_idempotency_keys_client_created_at"), table_name="idempotency_keys")
    op.drop_column("idempotency_keys", "client")
