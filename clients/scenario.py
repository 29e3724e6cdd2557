"""What a script of a gym does, with the client that openapi-python-client generates.

``API_URL`` is the service, and ``API_TOKEN`` the token of an administrator. It fails with
an error, or prints ``ok``.
"""

import os
from datetime import UTC, date, datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

from generated.python.api.athletes import (
    create_athlete,
    delete_athlete,
    export_athletes,
    get_athlete,
    list_athletes,
    update_athlete,
)
from generated.python.api.categories import create_category
from generated.python.api.centres import create_centre
from generated.python.api.trainings import (
    cancel_booking,
    create_booking,
    create_training,
    get_booking,
    get_occupancy,
    list_trainings,
)
from generated.python.client import AuthenticatedClient
from generated.python.models import (
    AthleteCreate,
    AthletePage,
    AthleteRead,
    AthleteUpdate,
    BookingCreate,
    BookingRead,
    CategoryCreate,
    CategoryRead,
    CentreCreate,
    CentreRead,
    ImportReport,
    Occupancy,
    Problem,
    TrainingCreate,
    TrainingPage,
    TrainingRead,
)
from generated.python.models.problem_type import ProblemType
from generated.python.types import Response

Parsed = TypeVar("Parsed")

client = AuthenticatedClient(
    base_url=os.environ["API_URL"],
    token=os.environ["API_TOKEN"],
    raise_on_unexpected_status=True,
)


def ok(response: Response[Any], kind: type[Parsed]) -> Parsed:
    """Return what the client made of a successful response."""
    assert isinstance(response.parsed, kind), response
    return response.parsed


def problem(response: Response[Any], kind: ProblemType) -> Problem:
    """Return the problem document of a response; its type must be this one."""
    assert isinstance(response.parsed, Problem), response
    assert response.parsed.type_ == kind, response
    assert response.parsed.status == response.status_code
    return response.parsed


# Create.
rx = CategoryCreate(name="Rx")
category = ok(create_category.sync_detailed(client=client, body=rx), CategoryRead)
northside = CentreCreate(name="Northside", time_zone="Europe/Lisbon", capacity=40)
centre = ok(create_centre.sync_detailed(client=client, body=northside), CentreRead)
lucja = AthleteCreate(
    name="Łucja Nowak",
    reference="M-1",
    email="łucja@bücher.example",
    birth_date=date(1994, 5, 17),
    sex="female",
    height_cm=168.3,
    weight_kg=64.07,
    category_id=category.id,
    centre_ids=[centre.id],
)
created = create_athlete.sync_detailed(client=client, body=lucja, idempotency_key="lucja-1")
athlete = ok(created, AthleteRead)
assert created.status_code == HTTPStatus.CREATED
assert created.headers["Location"] == f"/api/v1/athletes/{athlete.id}"
assert (athlete.height_cm, athlete.weight_kg) == (168.3, 64.07)
assert (athlete.birth_date, athlete.sex) == (date(1994, 5, 17), "female")
assert athlete.category.to_dict() == {"id": str(category.id), "name": "Rx"}
assert abs(athlete.created_at - datetime.now(UTC)) < timedelta(minutes=5)

# List, page by `next`.
longest = "\U0001d538" * 100
for name in ("Ana", "Bea", "Cid", longest):
    new = AthleteCreate(name=name, category_id=category.id)
    ok(create_athlete.sync_detailed(client=client, body=new), AthleteRead)
page = ok(list_athletes.sync_detailed(client=client, limit=2, total=True), AthletePage)
assert page.total == 5
names = [one.name for one in page.items]
while page.next_ is not None:
    page = AthletePage.from_dict(client.get_httpx_client().get(page.next_).json())
    names += [one.name for one in page.items]
assert names == [longest, "Ana", "Bea", "Cid", "Łucja Nowak"]

# An ETag: 304, then a PATCH with null, and 412 for the one that is too late.
read = get_athlete.sync_detailed(athlete.id, client=client)
assert ok(read, AthleteRead) == athlete
tag = read.headers["ETag"]
again = get_athlete.sync_detailed(athlete.id, client=client, if_none_match=tag)
assert (again.status_code, again.parsed) == (HTTPStatus.NOT_MODIFIED, None)
cleared = AthleteUpdate(reference=None)
patched = ok(
    update_athlete.sync_detailed(athlete.id, client=client, body=cleared, if_match=tag),
    AthleteRead,
)
assert (patched.reference, patched.email, patched.version) == (None, athlete.email, 2)
late = AthleteUpdate(name="Too late")
problem(
    update_athlete.sync_detailed(athlete.id, client=client, body=late, if_match=tag),
    "/problems/precondition-failed",
)

# Typed problems.
again_rx = create_category.sync_detailed(client=client, body=CategoryCreate(name=" RX "))
taken = problem(again_rx, "/problems/already-taken")
assert [error.pointer for error in taken.errors] == ["/name"]
nobody = UUID("019aa8a5-3f0c-7c4e-9d0f-6f2d1c7a5b10")
problem(get_athlete.sync_detailed(nobody, client=client), "/problems/not-found")

# Book: one seat, so the second waits, and gets the seat when the first cancels.
now = datetime.now().astimezone()
wod = TrainingCreate(
    name="Morning WOD",
    starts_at=now + timedelta(hours=1),
    ends_at=now + timedelta(hours=2),
    capacity=1,
    centre_id=centre.id,
)
training = ok(create_training.sync_detailed(client=client, body=wod), TrainingRead)
assert training.starts_at == wod.starts_at
(ana,) = ok(list_athletes.sync_detailed(client=client, name_prefix="an"), AthletePage).items
for_lucja, for_ana = (BookingCreate(athlete_id=one) for one in (athlete.id, ana.id))
first = ok(create_booking.sync_detailed(training.id, client=client, body=for_lucja), BookingRead)
second = ok(create_booking.sync_detailed(training.id, client=client, body=for_ana), BookingRead)
assert (first.status, second.status) == ("reserved", "waitlisted")
problem(
    create_booking.sync_detailed(training.id, client=client, body=for_lucja),
    "/problems/already-taken",
)
cancelled = ok(cancel_booking.sync_detailed(first.id, client=client), BookingRead)
assert cancelled.status == "cancelled"
assert cancelled.cancelled_at is not None
promoted = ok(get_booking.sync_detailed(second.id, client=client), BookingRead)
assert promoted.status == "reserved"
# In a URL, the `+` of an offset is percent-encoded.
in_madrid = now.astimezone(timezone(timedelta(hours=1)))
soon = list_trainings.sync_detailed(client=client, from_=in_madrid, to=now + timedelta(days=1))
assert [one.seats.taken for one in ok(soon, TrainingPage).items] == [1]
then = now + timedelta(hours=1.5)
occupancy = get_occupancy.sync_detailed(centre.id, client=client, at=then)
assert ok(occupancy, Occupancy).at == then

# Import and export. The generator leaves out an operation whose body is neither JSON nor a form.
imported = client.get_httpx_client().post(
    "/api/v1/athletes/import",
    content="reference,name,category\nM-2,Émile,Rx\nM-3,Zoë,\n".encode(),
    headers={"Content-Type": "text/csv"},
)
report = ImportReport.from_dict(imported.json())
assert (report.created, report.rejected) == (1, 1)
assert "Émile" in ok(export_athletes.sync_detailed(client=client), str)

# Delete.
(emile,) = ok(list_athletes.sync_detailed(client=client, reference="M-2"), AthletePage).items
gone = delete_athlete.sync_detailed(emile.id, client=client)
assert gone.status_code == HTTPStatus.NO_CONTENT

print("ok")
