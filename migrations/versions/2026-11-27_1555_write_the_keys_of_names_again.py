"""Write the keys of names again.

The key folds names by script now. Names that were one may be two, and names that were two one.

Revision: d07c41e9a352, after af88871983e2
Created: 2026-11-27 15:55
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unicodedata import category, combining, normalize

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.commands.progress import Show, progress
from app.core.resources.text import name_key

revision = "d07c41e9a352"
down_revision = "af88871983e2"
branch_labels = None
depends_on = None

BATCH = 10_000
LISTED = 100
ADVICE = """
Nothing was changed. Give each its own name, with the version that ran before or with SQL, and
migrate again:
  UPDATE centres SET name = 'Another name' WHERE id = '...'"""


def upgrade() -> None:
    # The key of the app, not a copy of it: the app finds a row only by the key that it computes.
    write_keys(name_key)


def downgrade() -> None:
    write_keys(earlier_name_key)


def write_keys(key_of: Callable[[str], str]) -> None:
    """Write the keys that differ; stop before that if two unique names would get one key."""
    # Reads continue. Writes wait; those of a service of the other version would still write keys of
    # the other kind afterwards, so it must be stopped.
    op.execute("LOCK TABLE categories, centres, athletes IN SHARE ROW EXCLUSIVE MODE")
    with progress("keys of names") as show:
        unique = [(rows_of(name), staged(name, key_of, show)) for name in ("categories", "centres")]
        refuse_one_key_for_two(unique)
        for table, new in unique:
            replace_keys(table, new)
        athletes = rows_of("athletes")
        for changed in changed_keys(athletes, key_of, show):
            write = athletes.update().where(athletes.c.id == sa.bindparam("row_id"))
            op.get_bind().execute(write.values(name_key=sa.bindparam("key")), changed)


def rows_of(name: str) -> sa.TableClause:
    """Return a table with the columns that this migration reads and writes."""
    return sa.table(
        name, sa.column("id", sa.Uuid), sa.column("name", sa.Text), sa.column("name_key", sa.Text)
    )


def changed_keys(
    table: sa.TableClause, key_of: Callable[[str], str], show: Show
) -> Iterator[list[dict[str, Any]]]:
    """Read a table in batches; yield the ids and the new keys of the rows whose key changes."""
    connection = op.get_bind()
    total = connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
    query = sa.select(table.c.id, table.c.name, table.c.name_key).order_by(table.c.id).limit(BATCH)
    read = written = 0
    rows = connection.execute(query).all()
    while rows:
        keys = [(row_id, key_of(name), before) for row_id, name, before in rows]
        changed = [{"row_id": row_id, "key": key} for row_id, key, before in keys if key != before]
        if changed:
            yield changed
        read += len(rows)
        written += len(changed)
        show(read / max(read, total), f"{read:,} of {total:,} {table.name}, {written:,} changed")
        rows = connection.execute(query.where(table.c.id > rows[-1].id)).all()


def staged(name: str, key_of: Callable[[str], str], show: Show) -> sa.Table:
    """Put the new keys of a table into a temporary table."""
    new = op.create_table(
        f"new_keys_of_{name}",
        sa.Column("row_id", sa.Uuid, primary_key=True),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    for changed in changed_keys(rows_of(name), key_of, show):
        op.get_bind().execute(new.insert(), changed)
    return new


def refuse_one_key_for_two(unique: Sequence[tuple[sa.TableClause, sa.Table]]) -> None:
    """Raise an error that lists the rows whose names would have one key."""
    lines: list[str] = []
    for table, new in unique:
        key = sa.func.coalesce(new.c.key, table.c.name_key)
        row = sa.func.concat(table.c.name, " (", table.c.id, ")")
        groups = (
            sa.select(sa.func.string_agg(row, aggregate_order_by(sa.literal(", "), table.c.id)))
            .select_from(table.outerjoin(new, new.c.row_id == table.c.id))
            .group_by(key)
            .having(sa.func.count() > 1)
            .order_by(key)
            .limit(LISTED)
        )
        lines += [f"  {table.name}: {rows}" for rows in op.get_bind().scalars(groups)]
    if lines:
        first = f"the first {LISTED} of each table" if len(lines) >= LISTED else "all of them"
        raise CommandError(
            "cannot migrate: names of categories and centres are unique, and these names, which"
            f" were different, are one name now ({first}):\n" + "\n".join(lines) + ADVICE
        )


def replace_keys(table: sa.TableClause, new: sa.Table) -> None:
    """Write the keys of a temporary table."""
    changed = table.update().where(table.c.id == new.c.row_id)
    # First a key that no name has: a new key may be the one that another row is about to lose.
    parked = sa.func.chr(0x10FFFF).concat(sa.cast(table.c.id, sa.Text))
    op.execute(changed.values(name_key=parked))
    op.execute(changed.values(name_key=new.c.key))


def earlier_name_key(name: str) -> str:
    """Return the key of the version before this migration."""
    if name.isascii():
        return name.lower()
    if len(name) > 4 * 255:
        return name
    folded = normalize("NFKD", normalize("NFKD", name).casefold())
    return " ".join(
        "".join(
            character
            for character in folded
            if not combining(character)
            and category(character) != "Cf"
            and character not in INVISIBLE_MARKS
        ).split()
    )


INVISIBLE_MARKS = frozenset(
    chr(point)
    for points in (
        (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5),
        range(0x180B, 0x1810),
        range(0xFE00, 0xFE10),
        range(0xE0100, 0xE01F0),
    )
    for point in points
)
