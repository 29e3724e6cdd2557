"""Projections: from a read model to the SQL that builds its JSON.

PostgreSQL builds the JSON of responses. The SQL follows from the same read model as the OpenAPI
document, so the two cannot drift:

- A plain field is a column of the row's table or, with ``ReadAs``, derived from its columns.
- A field that is a model follows a to-one relationship, or else groups fields of the row itself.
  If the target may be missing, the field is ``Model | None``.
- A field that is a list of models follows a many-to-many relationship.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import RelationshipProperty
from sqlalchemy.sql.selectable import NamedFromClause
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import UTCDateTime

from app.core.db.schema import table_of

Links = Mapping[sa.Table, sa.FromClause]
"""What to read in place of a link table: the same statement changes it, or rows are left out."""

ROW_NUMBER = "row_number_in_page"
"""The column that numbers the rows of a page; no table has a column of this name."""
EMPTY_LIST: sa.ColumnClause[Any] = sa.literal_column("'[]'::json")
_UTC: sa.ColumnClause[Any] = sa.literal_column("'UTC'")
_RFC_3339: sa.ColumnClause[Any] = sa.literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'""")


@dataclass(frozen=True)
class ReadAs:
    """Mark a field of a read model that is not a column but derived from the row's columns."""

    derive: Callable[[sa.FromClause], sa.ColumnElement[Any]]
    """Returns the SQL expression, given a FROM clause with the row's columns."""


class Projection:
    """A read model over a row's table."""

    def __init__(self, read: type[BaseModel], row: type[SQLModel]) -> None:
        relationships = sa.inspect(row).relationships
        self._columns: list[str] = []
        self._derived: dict[str, ReadAs] = {}
        self._groups: dict[str, Projection] = {}
        self._to_one: dict[str, tuple[Projection, RelationshipProperty[Any]]] = {}
        self._to_many: dict[str, tuple[type[BaseModel], RelationshipProperty[Any]]] = {}
        for name, field in read.model_fields.items():
            derived = [mark for mark in field.metadata if isinstance(mark, ReadAs)]
            if derived:
                (self._derived[name],) = derived
            elif name not in relationships:
                if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                    self._groups[name] = Projection(field.annotation, row)
                else:
                    self._columns.append(name)
            elif relationships[name].uselist:
                self._to_many[name] = (get_args(field.annotation)[0], relationships[name])
            else:
                (model,) = _models_in(field.annotation)
                target = Projection(model, relationships[name].mapper.class_)
                self._to_one[name] = (target, relationships[name])
        self._fields = list(read.model_fields)
        self._table = table_of(row)
        keys = [_owner_key(relationship) for _, relationship in self._to_one.values()]
        needed = dict.fromkeys([*self._columns, "id", *keys])
        if self._derived or self._groups:
            needed |= dict.fromkeys(
                self._table.c.keys()
            )  # a derivation or group may use any of them
        self.columns = [self._table.c[name] for name in needed]
        """The columns that a ``source`` must have."""

    def each(self, source: sa.FromClause, links: Links | None = None) -> sa.Select[Any, Any, str]:
        """Select ``id, version, body`` of each row in ``source``."""
        joined, item = self._items(source, links or {})
        body = sa.func.row_to_json(_whole_row(item)).label("body")
        return sa.select(source.c.id, source.c.version, body).select_from(joined)

    def many(
        self,
        source: sa.FromClause,
        key: str,
        limit: sa.ColumnElement[int],
        links: Links | None = None,
    ) -> sa.Select[*tuple[Any, ...]]:
        """Select ``items, key, id``: the rows of ``source`` up to a limit, and the next place.

        ``source`` numbers its rows in ``ROW_NUMBER``, from 1. If it has one row more than the
        limit, ``key`` and ``id`` are the sort key and id of that row.
        """
        joined, item = self._items(source, links or {})
        columns = source.c[ROW_NUMBER], source.c[key].label("key"), source.c.id
        # json_agg keeps the order of the subquery.
        row = sa.select(*columns, _whole_row(item).label("item")).select_from(joined)
        listed = row.order_by(source.c[ROW_NUMBER]).subquery("listed")
        place: sa.ColumnElement[Any] = listed.c.key
        if isinstance(place.type, sa.Uuid):
            place = sa.cast(place, sa.Text)  # PostgreSQL 17 and older have no minimum of UUIDs
        items = sa.func.json_agg(listed.c.item)
        after = listed.c[ROW_NUMBER] > limit
        return sa.select(
            sa.func.coalesce(items.filter(listed.c[ROW_NUMBER] <= limit), EMPTY_LIST).label(
                "items"
            ),
            sa.func.min(place).filter(after).label("key"),
            sa.func.min(sa.cast(listed.c.id, sa.Text)).filter(after).label("id"),
        )

    def _items(self, source: sa.FromClause, links: Links) -> tuple[sa.FromClause, NamedFromClause]:
        """Join the nested models to ``source``, and an ``item`` with all fields of the model."""
        joined, fields, nested = self._joined(source, links)
        beside = sa.select(*fields).correlate(source, *nested).lateral("item")
        return joined.join(beside, sa.true()), beside

    def _joined(
        self, source: sa.FromClause, links: Links
    ) -> tuple[sa.FromClause, list[sa.Label[Any]], list[sa.FromClause]]:
        """Join the nested models to ``source``; return the join, the fields and what was joined."""
        joined = source
        nested: list[sa.FromClause] = []
        fields: dict[str, sa.ColumnElement[Any]] = {
            name: as_json(source.c[name]) for name in self._columns
        }
        fields |= {name: derived.derive(source) for name, derived in self._derived.items()}
        for name, group in self._groups.items():
            _, grouped, _ = group._joined(source, links)
            beside = sa.select(*grouped).correlate(source).lateral(name)
            joined = joined.join(beside, sa.true())
            fields[name] = _whole_row(beside)
            nested.append(beside)
        for name, (projection, relationship) in self._to_one.items():
            read, of_target, _ = projection._joined(projection._table, links)
            target = sa.select(*of_target).select_from(read).subquery(name)
            # An outer join, though each row has a target: an update that waited for a lock sees
            # the latest version of its own row, but not rows of other tables that are newer than
            # the statement.
            joined = joined.outerjoin(target, target.c.id == source.c[_owner_key(relationship)])
            fields[name] = _whole_row(target)
            nested.append(target)
        for name, (model, relationship) in self._to_many.items():
            lists = _lists(name, model, relationship, source, links)
            joined = joined.outerjoin(lists, lists.c.owner_id == source.c.id)
            fields[name] = sa.func.coalesce(lists.c["items"], EMPTY_LIST)
            nested.append(lists)
        return joined, [fields[name].label(name) for name in self._fields], nested


def as_json(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return a column as JSON has it: a time is UTC with six digits and ``Z`` (RFC 3339).

    PostgreSQL itself would write ``+00:00`` and omit trailing zeros.
    """
    if not isinstance(column.type, UTCDateTime):
        return column
    return sa.func.to_char(sa.func.timezone(_UTC, column), _RFC_3339)


def reference(rows: sa.FromClause) -> sa.ColumnElement[Any]:
    """Return the ``id`` and ``name`` of a row as JSON, as part of another resource."""
    return json_object({name: rows.c[name] for name in ("id", "name")})


def json_object(values: Mapping[str, sa.ColumnElement[Any]]) -> sa.ColumnElement[Any]:
    """Return some values as a JSON object, by their names."""
    pairs: list[sa.ColumnElement[Any]] = []
    for name, value in values.items():
        pairs += [sa.literal_column(f"'{name}'"), value]
    return sa.func.json_build_object(*pairs)


def _lists(
    name: str,
    model: type[BaseModel],
    relationship: RelationshipProperty[Any],
    source: sa.FromClause,
    links: Links,
) -> sa.CTE:
    """Select ``owner_id, items`` for each row of ``source`` that has items.

    One GROUP BY for the whole source is far cheaper than a subquery for each row. The CTE is
    materialized, because otherwise the planner repeats the grouping for each row if it expects
    few rows.
    """
    table = relationship.secondary
    assert isinstance(table, sa.Table)
    link = links.get(table, table)
    ((_, owner_key),) = relationship.synchronize_pairs
    ((_, target_key),) = relationship.secondary_synchronize_pairs or ()
    owner_id, target_id = link.c[owner_key.name], link.c[target_key.name]
    target = relationship.mapper.local_table
    order = relationship.order_by or [target.c.id]
    item = _nested(model, target).correlate(target).lateral("item")
    items = sa.func.json_agg(aggregate_order_by(_whole_row(item), *order))
    return (
        sa.select(owner_id.label("owner_id"), items.label("items"))
        .select_from(
            source.join(link, owner_id == source.c.id)
            .join(target, target.c.id == target_id)
            .join(item, sa.true())
        )
        .group_by(owner_id)
        .cte(f"{name}_of_each")
        .prefix_with("MATERIALIZED")
    )


def _nested(model: type[BaseModel], table: sa.FromClause) -> sa.Select[Any]:
    """Select the fields of a nested model; each is a column of its table."""
    return sa.select(*(as_json(table.c[name]).label(name) for name in model.model_fields))


def _whole_row(source: NamedFromClause) -> sa.ColumnElement[Any]:
    return source.table_valued()


def _models_in(annotation: object) -> list[type[BaseModel]]:
    """List the models in a type: a model, or an optional one."""
    return [
        kind
        for kind in (annotation, *get_args(annotation))
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    ]


def _owner_key(relationship: RelationshipProperty[Any]) -> str:
    """Name the column with the id of a row's to-one target."""
    pairs = relationship.local_remote_pairs or ()
    # The other columns of a composite foreign key only repeat columns of the target.
    (key,) = (local for local, remote in pairs if remote.name == "id")
    assert isinstance(key, sa.Column)
    return key.name
