"""Operations on centres."""

from uuid import UUID

from app.centres import rights
from app.centres.models import Centre, CentreCreate, CentrePublic, CentreRead, CentreUpdate
from app.core.access import Right
from app.core.resources.crud import CRUD
from app.core.resources.queries import Queries, View


class CentresCRUD(CRUD[CentreCreate, CentreUpdate]):
    """Creates, reads, lists, updates and deletes centres."""

    queries = Queries(
        Centre,
        CentreRead,
        centre="id",
        views={rights.PUBLIC: View(CentrePublic, CentrePublic)},
    )
    sees = rights.SEE
    changes = rights.CHANGE

    async def require_right(self, right: Right, centre_id: UUID) -> None:
        """Raise ``Forbidden`` if the caller lacks a right at a centre, or ``NotFound``.

        An administrator has each right, also at a centre that does not exist.
        """
        if not right.reach(self._caller).includes([centre_id]):
            await self.require(centre_id)
            raise self.forbidden()
