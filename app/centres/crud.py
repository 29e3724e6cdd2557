"""What is done with centres."""

from app.centres.models import Centre, CentreCreate, CentreRead, CentreUpdate
from app.core.resources.crud import CRUD


class CentresCRUD(CRUD[CentreCreate, CentreUpdate]):
    """Creates, reads, lists, changes and deletes centres."""

    row = Centre
    read = CentreRead
    summary = CentreRead
