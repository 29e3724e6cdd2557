"""Operations on the attendance of centres."""

from collections.abc import AsyncIterator
from datetime import date
from uuid import UUID

from app.attendance import rights
from app.attendance.exporting import as_csv
from app.attendance.models import AttendanceExportQuery, AttendanceQuery
from app.attendance.queries import report_query, rows_query
from app.centres.crud import CentresCRUD
from app.core.access import Caller
from app.core.db.transactions import Reader, Runner


class AttendanceCRUD:
    """Reports the attendance of centres, for one caller."""

    def __init__(self, database: Runner, caller: Caller) -> None:
        self._database = database
        self._centres = CentresCRUD(database, caller)

    async def report(self, centre_id: UUID, query: AttendanceQuery) -> str:
        """Return the attendance of a centre, as JSON; raise ``NotFound`` or ``Forbidden``."""
        await self._centres.require_right(rights.SEE, centre_id)
        row = await self._database.costly.row(report_query(), _values(centre_id, query))
        if row is None:
            raise CentresCRUD.not_found()
        body: str = row["body"]
        return body

    async def export(
        self, centre_id: UUID, query: AttendanceExportQuery, reader: Reader
    ) -> AsyncIterator[bytes]:
        """Return the attendance of a centre as CSV in UTF-8, in pieces, from a reader.

        Raise ``NotFound`` or ``Forbidden``.
        """
        await self._centres.require_right(rights.SEE, centre_id)
        await self._centres.require(centre_id)
        rows = await reader.rows(rows_query(query.rows), _values(centre_id, query))
        return as_csv(query.rows, rows)


def _values(centre_id: UUID, query: AttendanceQuery) -> dict[str, UUID | date]:
    return {"id": centre_id, "first_day": query.from_, "last_day": query.to}
