"""Errors about centres."""

from app.core.errors import Conflict, ProblemType


class CentreFull(Conflict):
    """Overlapping trainings would have more seats than the centre's capacity."""

    type = ProblemType("centre-full", 409, "Centre full")
