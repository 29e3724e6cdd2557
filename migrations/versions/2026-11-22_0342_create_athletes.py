"""Create athletes and their enrolments.

Revision: c94e17f3ab60, after 8a37be20c4d5
Created: 2026-11-22 03:42
"""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "c94e17f3ab60"
down_revision = "8a37be20c4d5"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "athletes",
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
        sa.Column("reference", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("email", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("national_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("sex", sa.Text(), nullable=True),
        sa.Column("height_cm", sa.Numeric(precision=4, scale=1), nullable=True),
        sa.Column("weight_kg", sa.Numeric(precision=5, scale=2), nullable=True),
        sa.Column("name_key", sa.Text(collation="C"), nullable=False),
        sa.Column("email_key", sa.Text(collation="C"), nullable=True),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("birth_date >= '1900-01-01'", name=op.f("ck_athletes_birth_date")),
        sa.CheckConstraint("sex IN ('female', 'male', 'other')", name=op.f("ck_athletes_sex")),
        sa.CheckConstraint("height_cm BETWEEN 50 AND 300", name=op.f("ck_athletes_height_cm")),
        sa.CheckConstraint("weight_kg BETWEEN 20 AND 650", name=op.f("ck_athletes_weight_kg")),
        sa.ForeignKeyConstraint(
            ["category_id"], ["categories.id"], name=op.f("fk_athletes_category_id_categories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_athletes")),
        sa.UniqueConstraint("email_key", name=op.f("uq_athletes_email_key")),
        sa.UniqueConstraint("national_id", name=op.f("uq_athletes_national_id")),
        sa.UniqueConstraint("reference", name=op.f("uq_athletes_reference")),
    )
    op.create_index(
        "ix_athletes_category_id_name_key_id",
        "athletes",
        ["category_id", "name_key", "id"],
        unique=False,
    )
    op.create_index(
        "ix_athletes_category_id_created_at_id",
        "athletes",
        ["category_id", "created_at", "id"],
        unique=False,
    )
    op.create_index("ix_athletes_created_at_id", "athletes", ["created_at", "id"], unique=False)
    op.create_index("ix_athletes_name_key_id", "athletes", ["name_key", "id"], unique=False)
    op.create_table(
        "enrolments",
        sa.Column("athlete_id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column(
            "enrolled_at",
            sqlmodel.sql.sqltypes.UTCDateTime(),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["athlete_id"],
            ["athletes.id"],
            name=op.f("fk_enrolments_athlete_id_athletes"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["centre_id"], ["centres.id"], name=op.f("fk_enrolments_centre_id_centres")
        ),
        sa.PrimaryKeyConstraint("athlete_id", "centre_id", name=op.f("pk_enrolments")),
    )
    op.create_index(
        "ix_enrolments_centre_id_athlete_id",
        "enrolments",
        ["centre_id", "athlete_id"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index("ix_enrolments_centre_id_athlete_id", table_name="enrolments")
    op.drop_table("enrolments")
    op.drop_index("ix_athletes_name_key_id", table_name="athletes")
    op.drop_index("ix_athletes_created_at_id", table_name="athletes")
    op.drop_index("ix_athletes_category_id_created_at_id", table_name="athletes")
    op.drop_index("ix_athletes_category_id_name_key_id", table_name="athletes")
    op.drop_table("athletes")
