"""Errors about athletes."""

from app.core.errors import Conflict, ProblemType


class TooManyCentres(Conflict):
    """The athlete is enrolled at as many centres as an athlete can be."""

    type = ProblemType("too-many-centres", 409, "Too many centres")
