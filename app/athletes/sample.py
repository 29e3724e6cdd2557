"""Sample athletes: realistic, and the same on every run."""

import csv
import random
from collections.abc import Iterator
from datetime import date, timedelta
from io import StringIO
from unicodedata import normalize

from app.categories.sample import LEVELS
from app.centres.sample import CENTRES

ATHLETES = 200
REFERENCE = "SAMPLE-{:03}"
FIRST_NAMES = {
    "female": "Ana Beatriz Chloé Freya Grace Hanna Ines Jana Keiko Lucía Maja Nora Priya Zoë",
    "male": "Adam Bruno Callum Diego Elias Finn Hugo Ivan Jonas Kenji Liam Mateo Omar Théo",
}
LAST_NAMES = (
    "Andersen Becker Castillo Dubois Eriksen Ferreira García Hughes Ivanov Jensen Kowalski Larsen "
    "Moreno Nakamura Okafor Petrov Quinn Rossi Silva Tanaka Ueda Vargas Weber Young Žižka"
)
BODY = {"female": (167, 6.5, 65, 8), "male": (180, 7, 84, 10)}
"""Mean and spread of height in cm and weight in kg."""


def athletes_csv() -> bytes:
    """Write the sample athletes as a CSV file."""
    text = StringIO()
    rows = csv.DictWriter(text, next(athletes()))
    rows.writeheader()
    rows.writerows(athletes())
    return text.getvalue().encode()


def athletes() -> Iterator[dict[str, str]]:
    """Yield the rows of that file; some have no centre."""
    chance = random.Random(2026)  # noqa: S311 - the same rows on every run
    for number in range(1, ATHLETES + 1):
        sex = chance.choice(sorted(BODY))
        first, last = chance.choice(FIRST_NAMES[sex].split()), chance.choice(LAST_NAMES.split())
        height, height_spread, weight, weight_spread = BODY[sex]
        born = date(1968, 1, 1) + timedelta(days=chance.randrange(40 * 365))
        centres = chance.sample(CENTRES, chance.choices([0, 1, 2], [1, 16, 3])[0])
        level = chance.choices(LEVELS, [4, 7, 5, 3, 1])[0]
        yield {
            "reference": REFERENCE.format(number),
            "name": f"{first} {last}",
            "email": f"{_ascii(first)}.{_ascii(last)}.{number}@example.com",
            "birth_date": born.isoformat(),
            "sex": sex,
            "category": level.name,
            "centres": ";".join(centre.name for centre in centres),
            "height": f"{chance.gauss(height, height_spread):.0f} cm",
            "weight": f"{chance.gauss(weight, weight_spread):.1f} kg",
        }


def _ascii(name: str) -> str:
    return normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
