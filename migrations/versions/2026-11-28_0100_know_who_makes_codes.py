"""Know who makes a code, which ends when they may not make it any more.

Revision: 3c81e5f0b7d4, after 8f3d61c0a7e5
Created: 2026-11-28 01:00
"""

import sqlalchemy as sa
from alembic import op

revision = "3c81e5f0b7d4"
down_revision = "8f3d61c0a7e5"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("codes", sa.Column("maker_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_codes_maker_id_accounts"),
        "codes",
        "accounts",
        ["maker_id"],
        ["id"],
        ondelete="CASCADE",
    )


def downgrade() -> None:
    op.drop_column("codes", "maker_id")
