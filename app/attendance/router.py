"""The endpoints of attendance."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.attendance.dependencies import AttendanceDep
from app.attendance.models import Attendance, AttendanceExportQuery, AttendanceQuery
from app.core.csv.streaming import CSVResponse, ExportReaderDep, csv_response
from app.core.http.openapi import COMPUTES_WITHIN, EXPORTS, READS, merged
from app.core.http.responses import computed_response
from app.core.http.routes import ContractRoute
from app.core.http.security import needs
from app.core.resources.fields import Id

READ = needs("trainings:read")

router = APIRouter(tags=["trainings"], route_class=ContractRoute)


@router.get(
    "/centres/{centre_id}/attendance",
    response_model=Attendance,
    responses=COMPUTES_WITHIN,
    dependencies=[READ],
)
async def get_attendance(
    centre_id: Id,
    query: Annotated[AttendanceQuery, Query()],
    attendance: AttendanceDep,
    request: Request,
) -> Response:
    """Report the attendance of a centre on some days: by training, by athlete, and in total."""
    return computed_response(request, await attendance.report(centre_id, query))


@router.get(
    "/centres/{centre_id}/attendance/export",
    response_class=CSVResponse,
    responses=merged(EXPORTS, READS),
    dependencies=[READ],
)
async def export_attendance(
    centre_id: Id,
    query: Annotated[AttendanceExportQuery, Query()],
    attendance: AttendanceDep,
    reader: ExportReaderDep,
) -> CSVResponse:
    """Export the attendance of a centre on some days as a CSV file in UTF-8.

    Each row is a training, or an athlete. Dates and times are local at the centre. A text that
    begins like a formula gets an apostrophe before it.
    """
    name = f"attendance-{query.rows}-{query.from_}-{query.to}.csv"
    return await csv_response(await attendance.export(centre_id, query, reader), name)
