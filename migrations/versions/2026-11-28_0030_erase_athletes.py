"""Erase athletes: when it was done, and triggers that refuse changes afterwards.

Revision: 8f3d61c0a7e5, after 7a6d1c90e3f2
Created: 2026-11-28 00:30
"""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "8f3d61c0a7e5"
down_revision = "7a6d1c90e3f2"
branch_labels = None
depends_on = None

TRIGGERS = """
CREATE FUNCTION refuse_erased() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE check_violation USING
        CONSTRAINT = format('ck_%s_erased', TG_TABLE_NAME),
        MESSAGE = 'the athlete was erased';
END $$;

CREATE TRIGGER erased
BEFORE UPDATE ON athletes
FOR EACH ROW WHEN (OLD.erased_at IS NOT NULL) EXECUTE FUNCTION refuse_erased();

CREATE FUNCTION refuse_of_erased() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    since timestamptz;
BEGIN
    -- The lock waits for a transaction that erases the athlete, and then reads the new row.
    SELECT erased_at INTO since FROM athletes WHERE id = NEW.athlete_id FOR KEY SHARE;
    IF since IS NOT NULL THEN
        RAISE check_violation USING
            CONSTRAINT = format('ck_%s_erased', TG_TABLE_NAME),
            MESSAGE = 'the athlete was erased';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER of_erased
BEFORE INSERT OR UPDATE OF athlete_id ON accounts
FOR EACH ROW WHEN (NEW.athlete_id IS NOT NULL) EXECUTE FUNCTION refuse_of_erased();

CREATE TRIGGER of_erased
BEFORE INSERT OR UPDATE OF athlete_id ON codes
FOR EACH ROW WHEN (NEW.athlete_id IS NOT NULL) EXECUTE FUNCTION refuse_of_erased();
"""
"""A change of enrolments changes the athlete too. A booking needs no trigger: it locks the athlete
anyway, and reads ``erased_at`` then.
"""


def upgrade() -> None:
    op.add_column(
        "athletes", sa.Column("erased_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True)
    )
    for statement in TRIGGERS.split(";\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER of_erased ON codes")
    op.execute("DROP TRIGGER of_erased ON accounts")
    op.execute("DROP FUNCTION refuse_of_erased()")
    op.execute("DROP TRIGGER erased ON athletes")
    op.execute("DROP FUNCTION refuse_erased()")
    op.drop_column("athletes", "erased_at")
