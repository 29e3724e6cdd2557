"""Create centres.

Revision: 8a37be20c4d5, after 5d1f0c6a9b21
Created: 2026-11-22 03:41
"""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "8a37be20c4d5"
down_revision = "5d1f0c6a9b21"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "centres",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "created_at",
            sqlmodel.sql.sqltypes.UTCDateTime(),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sqlmodel.sql.sqltypes.UTCDateTime(),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("address", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("owner", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("time_zone", sqlmodel.sql.sqltypes.AutoString(length=64), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.Column("name_key", sa.Text(collation="C"), nullable=False),
        sa.CheckConstraint("capacity BETWEEN 1 AND 100000", name=op.f("ck_centres_capacity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_centres")),
        sa.UniqueConstraint("name_key", name=op.f("uq_centres_name_key")),
    )
    op.create_index("ix_centres_created_at_id", "centres", ["created_at", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_centres_created_at_id", table_name="centres")
    op.drop_table("centres")
