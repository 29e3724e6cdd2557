"""Dependencies of the endpoints of attendance."""

from typing import Annotated

from fastapi import Depends

from app.attendance.crud import AttendanceCRUD
from app.core.http.dependencies import DatabaseDep, RequestCaller


async def get_attendance_crud(database: DatabaseDep, caller: RequestCaller) -> AttendanceCRUD:
    """Create what reports attendance for a request."""
    return AttendanceCRUD(database, caller)


AttendanceDep = Annotated[AttendanceCRUD, Depends(get_attendance_crud)]
