"""What stands in the way of training somewhere."""

from app.core.errors import Conflict, ProblemType


class TrainingFull(Conflict):
    """There is no seat left, or fewer than the request leaves."""

    type = ProblemType.TRAINING_FULL


class AthleteBusy(Conflict):
    """The athlete has a seat in another training at that time."""

    type = ProblemType.ATHLETE_BUSY


class CentreFull(Conflict):
    """The centre cannot hold as many as have a seat there at one time."""

    type = ProblemType.CENTRE_FULL


class WrongState(Conflict):
    """The training or booking is not, or no longer, in a state for this."""

    type = ProblemType.WRONG_STATE
