"""The parts of the OpenAPI document that only trainings and bookings have."""

from app.conftest import API
from app.core.http.tests.document import Document


def test_a_booking_leads_to_where_it_lives_though_it_is_created_elsewhere(
    document: Document,
) -> None:
    path = f"{API}/trainings/{{training_id}}/bookings"
    links = document.content["paths"][path]["post"]["responses"]["201"]["links"]

    assert sorted(links) == [
        "cancel_booking",
        "check_in_booking",
        "check_out_booking",
        "get_booking",
    ]
