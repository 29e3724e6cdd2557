"""Comparison of the database's schema version with the latest migration."""

from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import column, select, table

from app.core.db.statements import Statement
from app.core.db.transactions import Runner

_CONFIG = Path(__file__).parents[3] / "alembic.ini"
_VERSION = Statement(select(column("version_num")).select_from(table("alembic_version")))


@cache
def newest() -> str | None:
    """Return the revision of the latest migration."""
    return ScriptDirectory.from_config(Config(_CONFIG)).get_current_head()


async def is_current(database: Runner) -> bool:
    """Return whether the database has the schema of the latest migration."""
    found = await database.row(_VERSION, {})
    return found is not None and found["version_num"] == newest()
