"""The endpoints about all that is stored about a person."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from app.core.http.openapi import COMPUTES_WITHIN, READS, merged, problems
from app.core.http.responses import computed_response
from app.core.http.routes import ContractRoute
from app.core.http.security import needs
from app.core.resources.fields import Id
from app.identity.errors import LastAdmin
from app.privacy.dependencies import PrivacyDep
from app.privacy.models import PersonalData

READ, WRITE = needs("athletes:read"), needs("athletes:write")

router = APIRouter(tags=["privacy"], route_class=ContractRoute)


@router.get(
    "/athletes/{athlete_id}/data",
    response_model=PersonalData,
    responses=COMPUTES_WITHIN,
    dependencies=[READ],
)
async def get_personal_data(athlete_id: Id, privacy: PrivacyDep, request: Request) -> Response:
    """Read all that is stored about an athlete: the person, their account and what they booked.

    It is for the athlete and administrators. It has no passwords or secrets.
    """
    return computed_response(request, await privacy.data(athlete_id))


@router.post(
    "/athletes/{athlete_id}/erase",
    status_code=HTTPStatus.NO_CONTENT,
    responses=merged(READS, problems(LastAdmin)),
    dependencies=[WRITE],
)
async def erase_athlete(athlete_id: Id, privacy: PrivacyDep) -> None:
    """Erase a person, for good. Idempotent: an erased athlete stays unchanged.

    An owner may erase a person who is enrolled at their centres only, and is no staff elsewhere.

    The name becomes `erased`, and the other fields are blanked. Bookings of trainings that have not
    started are cancelled; the others are kept, for the count. The account of the athlete and its
    tokens are deleted, and so are enrolments, the calendar feed, invitations and stored responses.
    Nothing changes an erased athlete any more: such requests get 409 `erased`.
    """
    await privacy.erase(athlete_id)
