"""Errors about workouts."""

from app.core.errors import Conflict, ProblemType


class Frozen(Conflict):
    """The workout has a result, so its scoring fields cannot change."""

    type = ProblemType("frozen", 409, "Frozen")
