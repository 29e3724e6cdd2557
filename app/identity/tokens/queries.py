"""The SQL of tokens."""

from collections.abc import Iterator, Set

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from app.core.db.journal import with_event_columns
from app.core.db.schema import NOW, interval, table_of
from app.core.db.statements import Statement
from app.core.resources.queries import Compare, Queries, compiled_once, next_version, version_after
from app.identity.models import FORGOTTEN_AFTER, Token, type_of
from app.identity.tokens.callers import is_live
from app.identity.tokens.models import DeviceRead, SessionRead, TokenRead

MOST_SESSIONS = 100
"""How many sessions an account has at most: a login ends the oldest ones beyond that."""

_TOKENS = table_of(Token)
_FILTERS = {name: Compare(_TOKENS.c[name]) for name in ("kind", "account_id", "centre_id")}
_BY_CREATION = {"created_at": "created_at"}


class TokenQueries(Queries):
    """Builds the statements of one kind of tokens: the live ones."""

    def conditions(self, given: Set[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each filter that is given, and that the token is live."""
        yield from super().conditions(given)
        yield is_live()

    @compiled_once
    def revoke_query(self, filters: frozenset[str]) -> Statement:
        """Revoke the live tokens that match, with one of the ``ids`` if that is given."""
        wanted = list(self.conditions(filters))
        if "ids" in filters:
            ids = sa.bindparam("ids", type_=ARRAY(sa.Uuid))
            wanted.append(_TOKENS.c.id == sa.func.any(ids))
        if "kept_id" in filters:
            wanted.append(_TOKENS.c.id != sa.bindparam("kept_id", type_=sa.Uuid))
        revoked = sa.update(_TOKENS).where(*wanted)
        new = {_TOKENS.c.revoked_at: NOW, **next_version(_TOKENS)}
        written = revoked.values(new).returning(*with_event_columns(_TOKENS, ())).cte("revoked")
        return Statement(sa.select(written.c.id).add_cte(self.event_cte(written, "revoked")))

    def event_type(self, source: sa.CTE, verb: str) -> sa.ColumnElement[str]:
        """Return the type of events about tokens."""
        return type_of(source, verb)

    @compiled_once
    def tidy_query(self) -> Statement:
        """Delete the sessions of an account that have ended, or are too many.

        Also delete its other tokens that ended long ago.
        """
        of_account = (
            _TOKENS.c.account_id == sa.bindparam("account_id"),
            _TOKENS.c.kind == sa.literal_column("'session'"),
        )
        newest = (
            sa.select(_TOKENS.c.id)
            .where(*of_account, is_live())
            .order_by(_TOKENS.c.created_at.desc(), _TOKENS.c.id.desc())
            .limit(sa.literal_column(str(MOST_SESSIONS)))
        )
        ended = sa.func.least(_TOKENS.c.revoked_at, _TOKENS.c.expires_at)
        is_old = ended < NOW - interval(FORGOTTEN_AFTER)
        others = sa.delete(_TOKENS).where(
            _TOKENS.c.account_id == sa.bindparam("account_id"),
            sa.or_(is_old, sa.and_(of_account[1], _TOKENS.c.id.not_in(newest))),
        )
        deleted = others.returning(*with_event_columns(_TOKENS, ())).cte("deleted")
        event = self.event_cte(deleted, "deleted", version=version_after(deleted.c.version))
        return Statement(sa.select(deleted.c.id).add_cte(event))


SESSION_QUERIES = TokenQueries(Token, SessionRead, sorts=_BY_CREATION, filters=_FILTERS)
PERSONAL_QUERIES = TokenQueries(Token, TokenRead, sorts=_BY_CREATION, filters=_FILTERS)
DEVICE_QUERIES = TokenQueries(
    Token, DeviceRead, sorts=_BY_CREATION, filters=_FILTERS, centre="centre_id"
)
