"""Create the journal.

Revision: 7a6d1c90e3f2, after 7d3b9a40e6f2
Created: 2026-11-28 00:10
"""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7a6d1c90e3f2"
down_revision = "7d3b9a40e6f2"
branch_labels = None
depends_on = None

# A UUIDv7 whose first random bits are the fraction of the millisecond (RFC 9562, method 3): 4096
# parts, so 512 for each 125 microseconds, and the version 7 between the two. The time is that of
# the write and not of the statement, which may have waited for a lock. PostgreSQL puts the one
# expression into each statement; a function of PL/pgSQL would take four times as long.
EVENT_ID = """
CREATE FUNCTION event_id() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT (
        overlay(
            lpad(
                to_hex((date_part('epoch', clock_timestamp()) * 1000000)::bigint * 512 / 125),
                15, '0'
            ) PLACING '7' FROM 13 FOR 0
        ) || substr(gen_random_uuid()::text, 20)
    )::uuid
$$
"""
APPEND_ONLY = """
CREATE FUNCTION refuse_to_change_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('crossfit.retention', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'restrict_violation';
END
$$
"""
# Rows that are deleted with the row that they refer to. The actor is that of the event of the same
# transaction, which the statement that deletes has just added.
CASCADE = """
CREATE FUNCTION add_event_of_cascade() RETURNS trigger LANGUAGE plpgsql AS $$
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
            ELSE coalesce(gone ->> 'kind', 'staff')
        END || '.deleted',
        OLD.id,
        OLD.version % 2147483647 + 1,
        array_remove(ARRAY[(gone ->> 'centre_id')::uuid], NULL),
        (gone ->> 'athlete_id')::uuid,
        '{}'
    );
    RETURN NULL;
END
$$
"""
CASCADING = "staff", "tokens", "codes"
# ANALYZE counts the elements of arrays, which takes long, and no plan needs it. Rows are only
# added, so autovacuum waits until the table has doubled.
QUIET = """
ALTER TABLE events
    ALTER COLUMN centre_ids SET STATISTICS 0,
    ALTER COLUMN changed SET STATISTICS 0,
    ALTER COLUMN request_id SET STATISTICS 0,
    SET (autovacuum_analyze_scale_factor = 1, autovacuum_vacuum_insert_scale_factor = 1,
        autovacuum_analyze_threshold = 100000, autovacuum_vacuum_insert_threshold = 100000)
"""


def upgrade() -> None:
    op.execute(EVENT_ID)
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), server_default=sa.text("event_id()"), nullable=False),
        sa.Column(
            "occurred_at",
            sqlmodel.sql.sqltypes.UTCDateTime(),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "transaction_id",
            sa.BigInteger(),
            server_default=sa.text("pg_current_xact_id()::text::bigint"),
            nullable=False,
        ),
        sa.Column("actor", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("request_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("type", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("centre_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("athlete_id", sa.Uuid(), nullable=True),
        sa.Column("changed", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index(
        op.f("ix_events_athlete_id_id"),
        "events",
        ["athlete_id", "id"],
        unique=False,
        postgresql_where=sa.text("athlete_id IS NOT NULL"),
    )
    op.create_index(
        "ix_events_first_centre_id", "events", [sa.text("(centre_ids[1])"), "id"], unique=False
    )
    op.create_index(
        "ix_events_more_centres",
        "events",
        ["id"],
        unique=False,
        postgresql_where=sa.text("cardinality(centre_ids) > 1"),
    )
    op.create_index(op.f("ix_events_resource_id_id"), "events", ["resource_id", "id"], unique=False)
    op.create_index(op.f("ix_events_transaction_id"), "events", ["transaction_id"], unique=False)
    op.execute(QUIET)
    op.execute(APPEND_ONLY)
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_events()"
    )
    op.execute(CASCADE)
    for table in CASCADING:
        op.execute(
            f"CREATE TRIGGER add_event_of_cascade AFTER DELETE ON {table} FOR EACH ROW"
            " WHEN (pg_trigger_depth() > 0) EXECUTE FUNCTION add_event_of_cascade()"
        )


def downgrade() -> None:
    for table in CASCADING:
        op.execute(f"DROP TRIGGER add_event_of_cascade ON {table}")
    op.execute("DROP FUNCTION add_event_of_cascade()")
    op.drop_table("events")
    op.execute("DROP FUNCTION refuse_to_change_events()")
    op.execute("DROP FUNCTION event_id()")
