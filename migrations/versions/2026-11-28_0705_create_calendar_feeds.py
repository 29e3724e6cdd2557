"""Create calendar feeds.

Revision: b4e19f6a2c35, after aa302151494a
Created: 2026-11-28 07:05
"""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "b4e19f6a2c35"
down_revision = "aa302151494a"
branch_labels = None
depends_on = None

OF_ERASED = """
CREATE TRIGGER of_erased
BEFORE INSERT OR UPDATE OF athlete_id ON calendar_feeds
FOR EACH ROW EXECUTE FUNCTION refuse_of_erased()
"""
# A feed ends with its athlete (ON DELETE CASCADE), as the rows of other tables do.
CASCADE = """
CREATE OR REPLACE FUNCTION add_event_of_cascade() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    gone jsonb := to_jsonb(OLD);
    cause events;
BEGIN
    SELECT * INTO cause FROM events
    WHERE transaction_id = pg_current_xact_id()::text::bigint ORDER BY id DESC LIMIT 1;
    INSERT INTO events
        (actor, request_id, type, resource_id, version, centre_ids, athlete_id, changed)
    VALUES (
        coalesce(cause.actor, 'command'),
        cause.request_id,
        CASE gone ->> 'kind'
            WHEN 'personal' THEN 'token'
            ELSE coalesce(gone ->> 'kind', {noun})
        END || '.deleted',
        OLD.id,
        OLD.version % 2147483647 + 1,
        array_remove(ARRAY[(gone ->> 'centre_id')::uuid], NULL),
        (gone ->> 'athlete_id')::uuid,
        '{{}}'
    );
    RETURN NULL;
END
$$
"""
NOUN = "CASE TG_TABLE_NAME WHEN 'calendar_feeds' THEN 'calendar_feed' ELSE 'staff' END"
ADD_EVENT = """
CREATE TRIGGER add_event_of_cascade AFTER DELETE ON calendar_feeds
FOR EACH ROW WHEN (pg_trigger_depth() > 0) EXECUTE FUNCTION add_event_of_cascade()
"""


def upgrade() -> None:
    op.create_table(
        "calendar_feeds",
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
        sa.Column("athlete_id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "octet_length(secret_hash) = 32", name=op.f("ck_calendar_feeds_secret_hash")
        ),
        sa.ForeignKeyConstraint(
            ["athlete_id"],
            ["athletes.id"],
            name=op.f("fk_calendar_feeds_athlete_id_athletes"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_feeds")),
        sa.UniqueConstraint("athlete_id", name=op.f("uq_calendar_feeds_athlete_id")),
    )
    op.execute(OF_ERASED)
    op.execute(CASCADE.format(noun=NOUN))
    op.execute(ADD_EVENT)


def downgrade() -> None:
    op.drop_table("calendar_feeds")
    op.execute(CASCADE.format(noun="'staff'"))
