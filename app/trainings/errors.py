"""Errors about trainings and bookings."""

from app.core.errors import Conflict, ProblemType


class TrainingFull(Conflict):
    """The training has no free seat."""

    type = ProblemType("training-full", 409, "Training full")


class AthleteBusy(Conflict):
    """The athlete has a seat in another training that overlaps."""

    type = ProblemType("athlete-busy", 409, "Athlete busy")
