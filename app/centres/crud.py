"""Operations on centres."""

from app.centres.models import Centre, CentreCreate, CentreRead, CentreUpdate
from app.core.resources.crud import CRUD
from app.core.resources.queries import Queries


class CentresCRUD(CRUD[CentreCreate, CentreUpdate]):
    """Creates, reads, lists, updates and deletes centres."""

    queries = Queries(Centre, CentreRead, centre="id")
