"""Operations on calendars and on their feeds."""

from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import NamedTuple
from uuid import UUID

from app.athletes.crud import AthletesCRUD
from app.calendars import rights
from app.calendars.queries import (
    CALENDAR_FEED_QUERIES,
    athlete_query,
    centre_query,
    secret_query,
)
from app.centres.crud import CentresCRUD
from app.core.access import Caller
from app.core.db.statements import Statement, new_values
from app.core.db.transactions import Runner
from app.core.errors import NotFound, ReferenceMissing
from app.core.resources.crud import CRUD, Resource
from app.core.resources.fields import new_id
from app.core.resources.models import Payload
from app.trainings.rights import SEE_ANY

SECRET_BYTES = 32
"""The length of a secret: 256 random bits."""
_NOTHING = bytes(sha256().digest_size)


class NewFeed(NamedTuple):
    """A new feed, and its secret, which is shown once."""

    resource: Resource
    secret: str

    def __repr__(self) -> str:
        """Leave out the secret."""
        return f"NewFeed({self.resource.id})"


class CalendarFeedsCRUD(CRUD[Payload, Payload]):
    """Makes and revokes the calendar feeds of athletes."""

    queries = CALENDAR_FEED_QUERIES

    async def make(self, athlete_id: UUID) -> NewFeed:
        """Make the feed of an athlete; the URL of the one before ends.

        Raise ``NotFound``, ``Forbidden`` or ``Erased``.
        """
        await self._check_right(athlete_id)
        secret = token_urlsafe(SECRET_BYTES)
        fields = {"id": new_id(), "athlete_id": athlete_id, "secret_hash": _hash(secret)}
        values = new_values(self.queries.table, fields)
        try:
            return NewFeed(await self._insert(self._database, values), secret)
        except ReferenceMissing:
            raise AthletesCRUD.not_found() from None

    async def revoke(self, athlete_id: UUID) -> None:
        """Delete the feed of an athlete; raise ``NotFound`` or ``Forbidden``."""
        await self._check_right(athlete_id)
        values = {"athlete_id": athlete_id}
        deleted = await self._database.row(CALENDAR_FEED_QUERIES.delete_of_athlete_query(), values)
        if deleted is None:
            await self._waits_for_standby(athlete_id)  # as a retry of a DELETE does
            raise self.not_found()

    async def _check_right(self, athlete_id: UUID) -> None:
        if not rights.FEED.reach(self._caller).includes(athlete_id=athlete_id):
            athletes = AthletesCRUD(self._database, self._caller)
            await athletes.require(athlete_id)
            raise athletes.forbidden()


class CalendarsCRUD:
    """Reads the rows of calendars, as the JSON that ``building`` takes."""

    def __init__(self, database: Runner, caller: Caller) -> None:
        self._database = database
        self._caller = caller

    async def of_centre(self, centre_id: UUID) -> str:
        """Read the trainings of a centre; raise ``NotFound`` or ``Forbidden``."""
        centres = CentresCRUD(self._database, self._caller)
        await centres.require_right(SEE_ANY, centre_id)
        body = await self._body(centre_query(), {"centre_id": centre_id})
        if body is None:
            raise centres.not_found()
        return body

    async def of_athlete(self, athlete_id: UUID, secret: str) -> str:
        """Read the bookings of an athlete, whose feed has this secret.

        Raise ``NotFound``, the same one without an athlete, without a feed and for a wrong secret.
        """
        values = {"athlete_id": athlete_id}
        row = await self._database.row(secret_query(), values)
        stored = _NOTHING if row is None else row["secret_hash"]
        body = None
        if compare_digest(_hash(secret), stored):
            body = await self._body(athlete_query(), values)
        if body is None:
            raise NotFound("There is no such calendar.")
        return body

    async def _body(self, statement: Statement, values: dict[str, UUID]) -> str | None:
        row = await self._database.row(statement, values)
        return None if row is None else str(row["body"])


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
