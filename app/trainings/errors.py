"""What stands in the way of training somewhere."""

from app.core.errors import Conflict, ProblemType


class TrainingFull(Conflict):
    """There is no seat left, or fewer than the request leaves."""

    type = ProblemType("training-full", 409, "Training full")


class AthleteBusy(Conflict):
    """The athlete has a seat in another training at that time."""

    type = ProblemType("athlete-busy", 409, "Athlete busy")


class WrongState(Conflict):
    """The training or booking is not, or no longer, in a state for this."""

    type = ProblemType("wrong-state", 409, "Wrong state")
