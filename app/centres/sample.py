"""Sample centres."""

from app.centres.models import CentreCreate

CENTRES = [
    CentreCreate(
        name="Anvil CrossFit",
        address="Calle del Olmo 14, Madrid",
        owner="Lucía Ferrer",
        time_zone="Europe/Madrid",
        capacity=24,
    ),
    CentreCreate(
        name="Harbour Barbell",
        address="Refshalevej 153, Copenhagen",
        owner="Søren Dahl",
        time_zone="Europe/Copenhagen",
        capacity=60,
    ),
    CentreCreate(
        name="High Desert CrossFit",
        address="1120 Larimer Street, Denver",
        owner="Grace Whitfield",
        time_zone="America/Denver",
        capacity=35,
    ),
    CentreCreate(
        name="Southern Cross Box",
        address="8 Dock Lane, Melbourne",
        owner="Jack Nguyen",
        time_zone="Australia/Melbourne",
        capacity=18,
    ),
]
