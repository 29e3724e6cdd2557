"""What stands in the way of a change of a centre."""

from app.core.errors import Conflict, ProblemType


class CentreFull(Conflict):
    """The centre cannot hold as many as have a seat there at one time."""

    type = ProblemType("centre-full", 409, "Centre full")
