"""The parts of the OpenAPI document that only trainings and bookings have."""

from app.conftest import API
from app.core.http.tests.document import Document


def test_a_created_booking_links_to_the_operations_on_bookings(
    document: Document,
) -> None:
    path = f"{API}/trainings/{{training_id}}/bookings"
    links = document.content["paths"][path]["post"]["responses"]["201"]["links"]

    assert sorted(links) == [
        "cancel_booking",
        "check_in_booking",
        "check_out_booking",
        "get_booking",
        "undo_check_in_of_booking",
    ]
