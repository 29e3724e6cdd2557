"""The documented conflicts of endpoints, which follow from the table of their CRUD class."""

from typing import Any

import pytest
from fastapi import FastAPI

from app.athletes.crud import AthletesCRUD
from app.categories.crud import CategoriesCRUD
from app.core.errors import WrongState
from app.core.http import openapi
from app.core.resources.crud import CRUD
from app.trainings.bookings import BookingsCRUD
from app.trainings.crud import TrainingsCRUD


def conflicts(responses: openapi.Responses) -> str | None:
    """Return the description of 409 for an endpoint with these responses, or None."""
    app = FastAPI()
    app.add_api_route("/", lambda: None, methods=["DELETE"], responses=responses)
    openapi.document(app)
    documented = app.openapi()["paths"]["/"]["delete"]["responses"]
    return documented["409"]["description"] if "409" in documented else None


@pytest.mark.parametrize(
    ("crud", "title"), [(CategoriesCRUD, "Still in use"), (BookingsCRUD, None)]
)
def test_still_in_use_is_documented_only_for_referenced_tables(
    crud: type[CRUD[Any, Any]], title: str | None
) -> None:
    assert conflicts(openapi.deletes(crud)) == title


@pytest.mark.parametrize(
    ("crud", "titles"),
    [
        (CategoriesCRUD, "Already taken"),
        (AthletesCRUD, "Already taken, or Reference missing"),
        (TrainingsCRUD, "Reference missing"),
    ],
)
def test_the_conflicts_of_an_update_follow_from_the_table(
    crud: type[CRUD[Any, Any]], titles: str
) -> None:
    assert conflicts(openapi.updates(crud)) == titles
    assert conflicts(openapi.updates(crud, WrongState)) == f"{titles}, or Wrong state"
