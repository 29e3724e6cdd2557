"""Include the sex of athletes in the indexes by name.

Revision: 71c5d2e0b9a4, after 2f50e8fb1ef3
Created: 2026-11-25 11:29
"""

from alembic import op

revision = "71c5d2e0b9a4"
down_revision = "2f50e8fb1ef3"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_athletes_name_key_id": ["name_key", "id"],
    "ix_athletes_category_id_name_key_id": ["category_id", "name_key", "id"],
}


def upgrade() -> None:
    # Written by hand: Alembic does not compare the included columns of an index.
    for name, columns in INDEXES.items():
        op.drop_index(name, table_name="athletes")
        op.create_index(name, "athletes", columns, unique=False, postgresql_include=["sex"])


def downgrade() -> None:
    for name, columns in INDEXES.items():
        op.drop_index(name, table_name="athletes")
        op.create_index(name, "athletes", columns, unique=False)
