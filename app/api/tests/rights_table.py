"""The status code of each operation, for each role and row.

It says what ``docs/access.md`` says, and follows from nothing in the code. A case lists the rows
that it asks for; the codes of a role are in their order, or one code for all of them.
"""

from typing import Any, NamedTuple

from app.api.tests.gym import ROLES
from app.identity.tests.callers import PASSWORD


class Case(NamedTuple):
    """A request with ids of ``gym.IDS``: ``<athlete>`` is that of each row in turn."""

    operation: str
    request: str
    rows: str
    """The rows that the placeholder of the request stands for."""
    body: Any
    codes: dict[str, str]

    def code(self, role: str, number: int) -> int:
        """Return the status code that a role gets for a row."""
        codes = self.codes[role].split()
        return int(codes[number] if len(codes) > 1 else codes[0])


CASES: list[Case] = []


def case(operation: str, request: str, rows: str = "own", body: Any = None, *, codes: str) -> None:
    """Add a case; ``codes`` are those of the roles, in the order of ``gym.ROLES``."""
    of_roles = (codes_of_role.strip() for codes_of_role in codes.split("|"))
    CASES.append(Case(operation, request, rows, body, dict(zip(ROLES, of_roles, strict=True))))


def only_admin(operation: str, request: str, code: str, body: Any = None) -> None:
    """Add a case without a row, which only administrators may do."""
    case(operation, request, body=body, codes=f"{code} | 403 | 403 | 403 | 403 | 403 | 403")


def own_account(operation: str, request: str, code: str, body: Any = None) -> None:
    """Add a case about the account of the caller, which a device does not have."""
    codes = " | ".join([*[code] * 5, "403", code])
    case(operation, request, body=body, codes=codes)


ATHLETES = "own shared foreign self"
BOOKINGS = "own shared foreign self"
CENTRES = "own foreign"
WORKOUTS = "own benchmark"
PROGRAMMED = "published draft foreign"
NEW_TRAINING = {
    "name": "Open gym",
    "starts_at": "2100-01-01T10:00:00Z",
    "ends_at": "2100-01-01T11:00:00Z",
    "capacity": 5,
}
FILE = "name,category\nNew,Rx\n"

# Categories.
only_admin("create_category", "POST /categories", "201", {"name": "Masters"})
case("list_categories", "GET /categories", codes="200 | 200 | 200 | 200 | 200 | 403 | 200")
case(
    "get_category",
    "GET /categories/<category>",
    "used",
    codes="200 | 200 | 200 | 200 | 200 | 403 | 404",
)
case(
    "update_category",
    "PATCH /categories/<category>",
    "used",
    {"name": "RX+"},
    codes="200 | 403 | 403 | 403 | 403 | 403 | 404",
)
case(
    "delete_category",
    "DELETE /categories/<category>",
    "unused",
    codes="204 | 403 | 403 | 403 | 403 | 403 | 404",
)
case(
    "list_athletes_of_category",
    "GET /categories/<category>/athletes",
    "used",
    codes="200 | 200 | 200 | 200 | 200 | 403 | 404",
)

# Centres.
only_admin("create_centre", "POST /centres", "201", {"name": "New"})
case("list_centres", "GET /centres", codes="200 | 200 | 200 | 200 | 200 | 200 | 200")
case(
    "get_centre",
    "GET /centres/<centre>",
    CENTRES,
    codes="200 | 200 | 200 | 200 | 200 | 200 404 | 404",
)
case(
    "update_centre",
    "PATCH /centres/<centre>",
    CENTRES,
    {"address": "1 Quay"},
    codes="200 | 200 403 | 403 | 403 | 403 | 403 | 404",
)
case(
    "delete_centre",
    "DELETE /centres/<centre>",
    CENTRES,
    codes="409 | 409 403 | 403 | 403 | 403 | 403 | 404",
)
case(
    "list_athletes_at_centre",
    "GET /centres/<centre>/athletes",
    CENTRES,
    codes="200 | 200 | 200 | 200 | 200 | 403 | 404",
)
case(
    "get_occupancy",
    "GET /centres/<centre>/occupancy",
    CENTRES,
    codes="200 | 200 403 | 200 403 | 200 403 | 200 403 | 200 404 | 404",
)
case(
    "get_attendance",
    "GET /centres/<centre>/attendance?from=2026-12-01&to=2026-12-31",
    CENTRES,
    codes="200 | 200 403 | 200 403 | 200 403 | 403 | 403 404 | 404",
)
case(
    "export_attendance",
    "GET /centres/<centre>/attendance/export?from=2026-12-01&to=2026-12-31",
    CENTRES,
    codes="200 | 200 403 | 200 403 | 200 403 | 403 | 403 404 | 404",
)
case(
    "get_timetable",
    "GET /centres/<centre>/timetable",
    CENTRES,
    codes="200 | 200 403 | 200 403 | 200 403 | 200 403 | 200 404 | 404",
)
case(
    "get_timetable",
    "GET /centres/<centre own>/timetable?athlete_id=<athlete>",
    ATHLETES,
    codes="200 | 200 200 404 200 | 200 200 404 200 | 200 200 404 200 | 404 404 404 200 | 403 | 404",
)

# Athletes.
case(
    "create_athlete",
    "POST /athletes",
    CENTRES,
    {"name": "New", "category_id": "<category used>", "centre_ids": ["<centre>"]},
    codes="201 | 201 403 | 201 403 | 403 | 403 | 403 | 403",
)
case(
    "create_athlete",
    "POST /athletes",
    "own",
    {"name": "New", "category_id": "<category used>"},
    codes="201 | 403 | 403 | 403 | 403 | 403 | 403",
)
case("list_athletes", "GET /athletes", codes="200 | 200 | 200 | 200 | 200 | 403 | 200")
case(
    "lookup_athlete",
    "POST /athletes/lookup",
    "own",
    {"email": "mara@gym.example"},
    codes="200 | 200 | 200 | 403 | 403 | 403 | 403",
)
case(
    "lookup_athlete",
    "POST /athletes/lookup",
    "own",
    {"email": "finn@gym.example"},
    codes="200 | 404 | 404 | 403 | 403 | 403 | 403",
)
only_admin("import_athletes", "POST /athletes/import", "200", FILE)
only_admin("export_athletes", "GET /athletes/export", "200")
case(
    "get_athlete",
    "GET /athletes/<athlete>",
    ATHLETES,
    codes="200 | 200 200 404 200 | 200 200 404 200 | 200 200 404 200 | 404 404 404 200 | 403 | 404",
)
case(
    "update_athlete",
    "PATCH /athletes/<athlete>",
    ATHLETES,
    {"name": "Other"},
    codes="200 | 200 200 404 200 | 200 200 404 200 | 403 403 404 403 | 404 404 404 403 | 403 | 404",
)
case(
    "update_athlete",
    "PATCH /athletes/<athlete>",
    ATHLETES,
    {"category_id": "<category unused>"},
    codes="200 | 200 200 404 200 | 200 200 404 200 | 200 200 404 200 | 404 404 404 403 | 403 | 404",
)
case(
    "update_athlete",
    "PATCH /athletes/<athlete>",
    ATHLETES,
    {"email": "new@example.com", "weight_kg": 70},
    codes="200 | 200 200 404 200 | 200 200 404 200 | 403 403 404 403 | 404 404 404 200 | 403 | 404",
)
case(
    "update_athlete",
    "PATCH /athletes/<athlete>",
    ATHLETES,
    {"centre_ids": ["<centre own>", "<centre foreign>"]},
    codes="200 | 403 200 404 403 | 403 200 404 403 | 403 403 404 403 | 404 404 404 403 | 403 | 404",
)
case(
    "delete_athlete",
    "DELETE /athletes/<athlete>",
    ATHLETES,
    codes="409 | 409 403 404 409 | 409 403 404 409 | 403 403 404 403 | 404 404 404 403 | 403 | 404",
)
case(
    "list_centres_of_athlete",
    "GET /athletes/<athlete>/centres",
    ATHLETES,
    codes="200 | 200 200 404 200 | 200 200 404 200 | 200 200 404 200 | 404 404 404 200 | 403 | 404",
)
case(
    "enrol_athlete",
    "PUT /athletes/<athlete>/centres/<centre own>",
    ATHLETES,
    codes="204 | 204 204 404 204 | 204 204 404 204 | 403 403 404 403 | 404 404 404 403 | 403 | 404",
)
case(
    "enrol_athlete",
    "PUT /athletes/<athlete>/centres/<centre foreign>",
    ATHLETES,
    codes="204 | 403 403 404 403 | 403 403 404 403 | 403 403 404 403 | 404 404 404 403 | 403 | 404",
)
case(
    "withdraw_athlete",
    "DELETE /athletes/<athlete>/centres/<centre own>",
    ATHLETES,
    codes="204 204 404 204 | 204 204 404 204 | 204 204 404 204 | "
    "403 403 404 403 | 404 404 404 204 | 403 | 404",
)
case(
    "withdraw_athlete",
    "DELETE /athletes/<athlete>/centres/<centre foreign>",
    ATHLETES,
    codes="404 204 204 404 | 403 403 404 403 | 403 403 404 403 | "
    "403 403 404 403 | 404 404 404 404 | 403 | 404",
)
case(
    "list_bookings_of_athlete",
    "GET /athletes/<athlete>/bookings",
    ATHLETES,
    codes="200 | 200 200 404 200 | 200 200 404 200 | 200 200 404 200 | 404 404 404 200 | 404 | 404",
)
case(
    "get_personal_data",
    "GET /athletes/<athlete>/data",
    ATHLETES,
    codes="200 | 403 403 404 403 | 403 403 404 403 | 403 403 404 403 | 404 404 404 200 | 403 | 404",
)
case(
    "erase_athlete",
    "POST /athletes/<athlete>/erase",
    ATHLETES,
    codes="204 | 204 403 404 204 | 403 403 404 403 | 403 403 404 403 | 404 404 404 403 | 403 | 404",
)

# Workouts and programmes.
case(
    "create_workout",
    "POST /workouts",
    body={"name": "Steps", "score_type": "reps"},
    codes="201 | 201 | 403 | 201 | 403 | 403 | 403",
)
only_admin(
    "create_workout",
    "POST /workouts",
    "201",
    {"name": "Grace", "score_type": "time", "benchmark": True},
)
case("list_workouts", "GET /workouts", codes="200 | 200 | 200 | 200 | 200 | 200 | 200")
case(
    "get_workout",
    "GET /workouts/<workout>",
    WORKOUTS,
    codes="200 | 200 | 200 | 200 | 200 | 404 | 404",
)
case(
    "update_workout",
    "PATCH /workouts/<workout>",
    WORKOUTS,
    {"name": "Other"},
    codes="200 | 200 403 | 403 | 200 403 | 403 | 403 | 404",
)
case(
    "update_workout",
    "PATCH /workouts/<workout>",
    WORKOUTS,
    {"benchmark": True},
    codes="200 | 403 | 403 | 403 | 403 | 403 | 404",
)
case(
    "delete_workout",
    "DELETE /workouts/<workout>",
    "unused benchmark own",
    codes="204 204 409 | 204 403 409 | 403 | 204 403 409 | 403 | 403 | 404",
)
case(
    "create_programmed_workout",
    "POST /centres/<centre>/programme",
    CENTRES,
    {"workout_id": "<workout own>", "date": "2026-12-02"},
    codes="201 | 201 403 | 403 | 201 403 | 403 | 403 | 404",
)
case(
    "list_programme",
    "GET /centres/<centre>/programme",
    CENTRES,
    codes="200 | 200 | 200 | 200 | 200 | 200 404 | 404",
)
case(
    "get_programmed_workout",
    "GET /programme/<programmed>",
    PROGRAMMED,
    codes="200 | 200 200 404 | 200 200 404 | 200 200 404 | 200 404 404 | 200 404 404 | 404",
)
case(
    "update_programmed_workout",
    "PATCH /programme/<programmed>",
    PROGRAMMED,
    {"notes": "Slowly."},
    codes="200 | 200 200 404 | 403 403 404 | 200 200 404 | 403 404 404 | 403 | 404",
)
case(
    "delete_programmed_workout",
    "DELETE /programme/<programmed>",
    PROGRAMMED,
    codes="204 | 204 204 404 | 403 403 404 | 204 204 404 | 403 404 404 | 403 | 404",
)

# Trainings.
case(
    "create_training",
    "POST /trainings",
    CENTRES,
    {**NEW_TRAINING, "centre_id": "<centre>"},
    codes="201 | 201 403 | 403 | 201 403 | 403 | 403 | 403",
)
case("list_trainings", "GET /trainings", codes="200 | 200 | 200 | 200 | 200 | 200 | 200")
case(
    "get_training",
    "GET /trainings/<training>",
    CENTRES,
    codes="200 | 200 404 | 200 404 | 200 404 | 200 404 | 200 404 | 404",
)
case(
    "update_training",
    "PATCH /trainings/<training>",
    CENTRES,
    {"name": "Other"},
    codes="200 | 200 404 | 403 404 | 200 404 | 403 404 | 403 | 404",
)
case(
    "update_training",
    "PATCH /trainings/<training>",
    "unbooked",
    {"capacity": 20},
    codes="200 | 200 | 403 | 200 | 403 | 403 | 404",
)
case(
    "update_training",
    "PATCH /trainings/<training>",
    "unbooked foreign",
    {"centre_id": "<centre foreign>"},
    codes="200 | 403 404 | 403 404 | 403 404 | 403 404 | 403 | 404",
)
case(
    "update_training",
    "PATCH /trainings/<training>",
    "foreign",
    {"centre_id": "<centre own>"},
    codes="200 | 404 | 404 | 404 | 404 | 403 | 404",
)
case(
    "delete_training",
    "DELETE /trainings/<training>",
    "unbooked foreign",
    codes="204 409 | 204 404 | 403 404 | 204 404 | 403 404 | 403 | 404",
)
case(
    "cancel_training",
    "POST /trainings/<training>/cancel",
    CENTRES,
    codes="200 | 200 404 | 403 404 | 200 404 | 403 404 | 403 | 404",
)

# Series.
NEW_SERIES = {
    "name": "Evening",
    "weekdays": [1],
    "start": "18:00",
    "minutes": 60,
    "capacity": 5,
    "starts_on": "2100-01-04",
    "ends_on": "2100-01-04",
}
case(
    "create_series",
    "POST /series",
    CENTRES,
    {**NEW_SERIES, "centre_id": "<centre>"},
    codes="201 | 201 403 | 403 | 201 403 | 403 | 403 | 403",
)
case("list_series", "GET /series", codes="200 | 200 | 200 | 200 | 200 | 200 | 200")
case(
    "get_series",
    "GET /series/<series>",
    CENTRES,
    codes="200 | 200 404 | 200 404 | 200 404 | 404 | 404 | 404",
)
case(
    "update_series",
    "PATCH /series/<series>",
    CENTRES,
    {"name": "Other"},
    codes="200 | 200 404 | 403 404 | 200 404 | 404 | 403 | 404",
)
case(
    "cancel_series",
    "POST /series/<series>/cancel",
    CENTRES,
    {"from": "2100-01-04"},
    codes="200 | 200 404 | 403 404 | 200 404 | 404 | 403 | 404",
)
case(
    "delete_series",
    "DELETE /series/<series>",
    CENTRES,
    codes="204 | 204 404 | 403 404 | 204 404 | 404 | 403 | 404",
)

# Bookings.
case(
    "create_booking",
    "POST /trainings/<training>/bookings",
    "unbooked foreign",
    {"athlete_id": "<athlete shared>"},
    codes="201 409 | 201 404 | 201 404 | 201 404 | 409 404 | 403 | 404",
)
case(
    "create_booking",
    "POST /trainings/<training>/bookings",
    "unbooked foreign",
    {"athlete_id": "<athlete foreign>"},
    codes="201 409 | 409 404 | 409 404 | 409 404 | 409 404 | 403 | 404",
)
case(
    "create_booking",
    "POST /trainings/<training>/bookings",
    "unbooked foreign",
    {"athlete_id": "<athlete self>"},
    codes="201 409 | 201 404 | 201 404 | 201 404 | 201 404 | 403 | 404",
)
case(
    "list_bookings_of_training",
    "GET /trainings/<training>/bookings",
    CENTRES,
    codes="200 | 200 404 | 200 404 | 200 404 | 200 404 | 200 404 | 404",
)
case(
    "get_booking",
    "GET /bookings/<booking>",
    BOOKINGS,
    codes="200 | 200 404 404 200 | 200 404 404 200 | "
    "200 404 404 200 | 404 404 404 200 | 200 404 404 200 | 404",
)
case(
    "cancel_booking",
    "POST /bookings/<booking>/cancel",
    BOOKINGS,
    codes="200 | 200 404 404 200 | 200 404 404 200 | 200 404 404 200 | 404 404 404 200 | 403 | 404",
)
case(
    "check_in_booking",
    "POST /bookings/<booking>/check-in",
    BOOKINGS,
    codes="200 | 200 404 404 200 | 200 404 404 200 | "
    "200 404 404 200 | 404 404 404 403 | 200 404 404 200 | 404",
)
case(
    "undo_check_in_of_booking",
    "POST /bookings/<booking>/undo-check-in",
    BOOKINGS,
    codes="200 | 200 404 404 200 | 200 404 404 200 | "
    "200 404 404 200 | 404 404 404 403 | 403 404 404 403 | 404",
)
case(
    "check_in_at_training",
    "POST /trainings/<training>/check-in",
    CENTRES,
    {"reference": "M-1"},  # has a seat at the own centre, and at that time in no other
    codes="200 409 | 200 404 | 200 404 | 200 404 | 403 404 | 200 404 | 404",
)
case(
    "check_in_at_training",
    "POST /trainings/<training>/check-in",
    CENTRES,
    {"reference": "M-2"},  # is enrolled at both, with a seat elsewhere
    codes="409 200 | 409 404 | 409 404 | 409 404 | 403 404 | 404 | 404",
)
case(
    "check_in_at_training",
    "POST /trainings/<training>/check-in",
    CENTRES,
    {"reference": "M-3"},  # is unknown at the own centre
    codes="409 200 | 404 | 404 | 404 | 403 404 | 404 | 404",
)
case(
    "check_out_booking",
    "POST /bookings/<booking>/check-out",
    BOOKINGS,
    codes="409 | 409 404 404 409 | 409 404 404 409 | "
    "409 404 404 409 | 404 404 404 403 | 409 404 404 409 | 404",
)

# Calendars: that of an athlete is public, as its URL has a secret.
case(
    "get_calendar_of_centre",
    "GET /centres/<centre>/calendar.ics",
    CENTRES,
    codes="200 | 200 403 | 200 403 | 200 403 | 200 403 | 200 404 | 404",
)
case(
    "create_calendar_feed",
    "POST /athletes/<athlete>/calendar-feed",
    ATHLETES,
    codes="201 | 403 403 404 403 | 403 403 404 403 | 403 403 404 403 | 404 404 404 201 | 403 | 404",
)
case(
    "delete_calendar_feed",
    "DELETE /athletes/<athlete>/calendar-feed",
    ATHLETES,
    codes="404 404 404 204 | 403 403 404 403 | 403 403 404 403 | "
    "403 403 404 403 | 404 404 404 204 | 403 | 404",
)

# Competitions, their events and entries.
NEW_COMPETITION = {"name": "New", "starts_on": "2026-12-05", "ends_on": "2026-12-06"}
COMPETITIONS = "own foreign draft"
EVENTS = "own foreign draft"
ENTRIES = "own self foreign"
case(
    "create_competition",
    "POST /competitions",
    CENTRES,
    {**NEW_COMPETITION, "centre_id": "<centre>"},
    codes="201 | 201 403 | 403 | 201 403 | 403 | 403 | 403",
)
only_admin("create_competition", "POST /competitions", "201", NEW_COMPETITION)
case("list_competitions", "GET /competitions", codes="200 | 200 | 200 | 200 | 200 | 200 | 200")
case(
    "get_competition",
    "GET /competitions/<competition>",
    COMPETITIONS,
    codes="200 | 200 200 404 | 200 200 404 | 200 200 404 | 200 200 404 | 200 200 404 | 404",
)
case(
    "get_competition",
    "GET /competitions/<competition>",
    "empty",
    codes="200 | 200 | 200 | 200 | 404 | 404 | 404",
)
case(
    "update_competition",
    "PATCH /competitions/<competition>",
    COMPETITIONS,
    {"ends_on": "2026-12-07"},
    codes="200 | 200 403 404 | 403 403 404 | 200 403 404 | 403 403 404 | 403 | 404",
)
case(
    "update_competition",
    "PATCH /competitions/<competition>",
    "own",
    {"centre_id": "<centre foreign>"},
    codes="200 | 403 | 403 | 403 | 403 | 403 | 404",
)
case(
    "delete_competition",
    "DELETE /competitions/<competition>",
    "empty foreign draft",
    codes="204 409 409 | 204 403 404 | 403 403 404 | 204 403 404 | 404 403 404 | 403 | 404",
)
for act, code in (("open", "200 200 200"), ("close", "200 200 409"), ("finalise", "200 200 409")):
    first = code[:3]
    case(
        f"{act}_competition",
        f"POST /competitions/<competition>/{act}",
        COMPETITIONS,
        codes=f"{code} | {first} 403 404 | 403 403 404 | {first} 403 404 | 403 403 404 | 403 | 404",
    )
case(
    "reopen_competition",
    "POST /competitions/<competition>/reopen",
    COMPETITIONS,
    {"reason": "A mistake."},
    codes="409 | 409 403 404 | 403 403 404 | 409 403 404 | 403 403 404 | 403 | 404",
)
case(
    "create_competition_event",
    "POST /competitions/<competition>/events",
    COMPETITIONS,
    {"workout_id": "<workout own>"},
    codes="201 | 201 403 404 | 403 403 404 | 201 403 404 | 403 403 404 | 403 | 404",
)
case(
    "list_competition_events",
    "GET /competitions/<competition>/events",
    COMPETITIONS,
    codes="200 | 200 200 404 | 200 200 404 | 200 200 404 | 200 200 404 | 200 200 404 | 404",
)
case(
    "get_competition_event",
    "GET /competition-events/<event>",
    EVENTS,
    codes="200 | 200 200 404 | 200 200 404 | 200 200 404 | 200 200 404 | 200 200 404 | 404",
)
case(
    "update_competition_event",
    "PATCH /competition-events/<event>",
    EVENTS,
    {"opens_at": "2026-12-05T09:00:00Z"},
    codes="200 | 200 403 404 | 403 403 404 | 200 403 404 | 403 403 404 | 403 | 404",
)
case(
    "delete_competition_event",
    "DELETE /competition-events/<event>",
    "unused foreign draft",
    codes="204 409 204 | 204 403 404 | 403 403 404 | 204 403 404 | 403 403 404 | 403 | 404",
)
case(
    "create_entry",
    "POST /competitions/<competition>/entries",
    "foreign",
    {"athlete_id": "<athlete self>"},
    codes="201 | 403 | 403 | 403 | 201 | 403 | 404",
)
case(
    "create_entry",
    "POST /competitions/<competition>/entries",
    "own",
    {"athlete_id": "<athlete foreign>"},
    codes="201 | 409 | 403 | 409 | 403 | 403 | 404",
)
case(
    "create_entry",
    "POST /competitions/<competition>/entries",
    "empty draft",
    {"athlete_id": "<athlete own>"},
    codes="201 | 201 404 | 403 404 | 201 404 | 404 | 403 | 404",
)
case(
    "list_entries",
    "GET /competitions/<competition>/entries",
    COMPETITIONS,
    codes="200 | 200 200 404 | 200 200 404 | 200 200 404 | 200 200 404 | 200 200 404 | 404",
)
case(
    "get_entry",
    "GET /entries/<entry>",
    ENTRIES,
    codes="200 | 200 | 200 | 200 | 200 | 200 | 404",
)
case(
    "delete_entry",
    "DELETE /entries/<entry>",
    "unused self foreign",
    codes="204 409 409 | 204 409 403 | 403 | 204 409 403 | 403 | 403 | 404",
)
case(
    "withdraw_entry",
    "POST /entries/<entry>/withdraw",
    ENTRIES,
    {"before_event": 2},
    codes="200 | 200 200 403 | 403 | 200 200 403 | 403 200 403 | 403 | 404",
)
for act in ("disqualify", "reinstate"):
    case(
        f"{act}_entry",
        f"POST /entries/<entry>/{act}",
        ENTRIES,
        codes="200 | 200 200 403 | 403 | 200 200 403 | 403 | 403 | 404",
    )
case(
    "get_standing",
    "GET /entries/<entry>/standing",
    ENTRIES,
    codes="200 | 200 | 200 | 200 | 200 | 200 | 404",
)
case(
    "get_leaderboard",
    "GET /competitions/<competition>/leaderboard?category_id=<category used>",
    COMPETITIONS,
    codes="200 | 200 200 404 | 200 200 404 | 200 200 404 | 200 200 404 | 200 200 404 | 404",
)

only_admin(
    "import_competition",
    "POST /competitions/<competition own>/import",
    "200",
    "reference,name,category\nM-77,New,Rx\n",
)
only_admin("export_competition", "GET /competitions/<competition own>/export", "200")

# Results.
RESULTS = "own self foreign board other"
case(
    "put_result",
    "PUT /competition-events/<event own>/results/<entry>",
    "own self unused",
    {"score": "6:20"},
    codes="200 | 200 | 403 | 200 | 403 200 403 | 403 | 404",
)
case(
    "put_result",
    "PUT /competition-events/<event foreign>/results/<entry foreign>",
    body={"score": "6:20"},
    codes="200 | 403 | 403 | 403 | 403 | 403 | 404",
)
case(
    "get_result_of_entry",
    "GET /competition-events/<event own>/results/<entry>",
    "own self unused",
    codes="200 200 404 | 200 200 404 | 200 200 404 | 200 200 404 | 200 200 404 | 200 200 404 | 404",
)
case(
    "delete_result_of_entry",
    "DELETE /competition-events/<event own>/results/<entry>",
    "own self",
    codes="204 | 204 | 403 | 204 | 403 204 | 403 | 404",
)
for athlete, codes in (
    ("own", "201 | 201 403 | 403 | 201 403 | 403 | 403 | 403"),
    ("self", "201 | 201 403 | 403 | 201 403 | 201 403 | 403 | 403"),
    ("foreign", "201 | 409 403 | 403 | 409 403 | 403 | 403 | 403"),
):
    case(
        "create_result",
        "POST /results",
        CENTRES,
        {
            "athlete_id": f"<athlete {athlete}>",
            "workout_id": "<workout own>",
            "centre_id": "<centre>",
            "score": "7:00",
        },
        codes=codes,
    )
case("list_results", "GET /results", codes="200 | 200 | 200 | 200 | 200 | 200 | 200")
case(
    "get_result",
    "GET /results/<result>",
    RESULTS,
    codes="200 | 200 200 200 200 404 | 200 200 200 200 404 | 200 200 200 200 404 | "
    "200 200 200 200 404 | 200 200 200 200 404 | 404",
)
case(
    "update_result",
    "PATCH /results/<result>",
    RESULTS,
    {"score": "6:20"},
    codes="200 | 200 200 403 200 404 | 403 403 403 403 404 | 200 200 403 200 404 | "
    "403 200 403 403 404 | 403 | 404",
)
case(
    "delete_result",
    "DELETE /results/<result>",
    RESULTS,
    codes="204 | 204 204 403 204 404 | 403 403 403 403 404 | 204 204 403 204 404 | "
    "403 204 403 403 404 | 403 | 404",
)
case(
    "review_result",
    "POST /results/<result>/review",
    RESULTS,
    {"review": "valid"},
    codes="200 | 200 200 403 200 404 | 403 403 403 403 404 | 200 200 403 200 404 | "
    "403 403 403 403 404 | 403 | 404",
)
case(
    "get_changes_of_result",
    "GET /results/<result>/changes",
    RESULTS,
    codes="200 | 200 200 200 200 404 | 200 200 200 200 404 | 200 200 200 200 404 | "
    "200 200 200 200 404 | 200 200 200 200 404 | 404",
)
case(
    "list_results_of_workout",
    "GET /workouts/<workout>/results",
    codes="200 | 200 | 200 | 200 | 200 | 404 | 404",
)
for operation, path in (("list_results_of_athlete", "results"), ("get_records", "records")):
    case(
        operation,
        f"GET /athletes/<athlete>/{path}",
        ATHLETES,
        codes="200 | 200 200 404 200 | 200 200 404 200 | 200 200 404 200 | 404 404 404 200 | "
        "404 | 404",
    )
case(
    "get_whiteboard",
    "GET /centres/<centre>/whiteboard",
    CENTRES,
    codes="200 | 200 403 | 200 403 | 200 403 | 200 403 | 200 404 | 404",
)

# Staff, devices, accounts.
case(
    "list_staff",
    "GET /centres/<centre>/staff",
    CENTRES,
    codes="200 | 200 403 | 403 | 403 | 403 | 403 | 404",
)
case(
    "put_staff",
    "PUT /centres/<centre own>/staff/<account>",
    "own foreign self other",
    {"role": "owner"},
    codes="204 | 204 404 204 404 | 403 | 403 | 403 | 403 | 404",
)
case(
    "put_staff",
    "PUT /centres/<centre foreign>/staff/<account>",
    "own foreign self other",
    {"role": "owner"},
    codes="204 | 403 | 403 | 403 | 403 | 403 | 404",
)
case(
    "remove_staff",
    "DELETE /centres/<centre own>/staff/<account>",
    "own foreign self",
    codes="204 404 404 | 204 404 404 | 403 | 204 403 403 | 403 403 404 | 403 | 404",
)
case(
    "remove_staff",
    "DELETE /centres/<centre foreign>/staff/<account>",
    "own foreign self",
    codes="404 204 404 | 403 | 403 | 404 403 403 | 403 403 404 | 403 | 404",
)
case(
    "list_devices",
    "GET /centres/<centre>/devices",
    CENTRES,
    codes="200 | 200 403 | 403 | 403 | 403 | 403 | 404",
)
case(
    "create_device",
    "POST /centres/<centre>/devices",
    CENTRES,
    {"name": "Door"},
    codes="201 | 201 403 | 403 | 403 | 403 | 403 | 404",
)
case(
    "delete_device",
    "DELETE /devices/<device>",
    CENTRES,
    codes="204 | 204 404 | 404 | 404 | 404 | 403 | 404",
)
only_admin("list_accounts", "GET /accounts", "200")
case(
    "get_account",
    "GET /accounts/<account>",
    "own foreign",
    codes="200 | 404 | 404 | 404 | 404 | 403 | 404",
)
case(
    "update_account",
    "PATCH /accounts/<account>",
    "own foreign",
    {"is_admin": True},
    codes="200 | 404 | 404 | 404 | 404 | 403 | 404",
)
case(
    "reset_password",
    "POST /accounts/<account>/reset",
    "own foreign",
    codes="200 | 404 | 404 | 404 | 404 | 403 | 404",
)

# Invitations.
case(
    "create_invitation",
    "POST /invitations",
    CENTRES,
    {"email": "new@example.com", "centre_id": "<centre>", "role": "owner"},
    codes="201 | 201 403 | 403 | 403 | 403 | 403 | 403",
)
case(
    "create_invitation",
    "POST /invitations",
    "own shared foreign",
    {"email": "new@example.com", "athlete_id": "<athlete>"},
    codes="201 | 201 403 409 | 201 403 409 | 403 | 403 | 403 | 403",
)
case(
    "create_invitation",
    "POST /invitations",
    "own",
    {"email": "new@example.com"},
    codes="201 | 403 | 403 | 403 | 403 | 403 | 403",
)
case("list_invitations", "GET /invitations", codes="200 | 200 | 200 | 403 | 403 | 403 | 403")
case(
    "delete_invitation",
    "DELETE /invitations/<invitation>",
    "own foreign athlete",
    codes="204 | 204 404 204 | 404 404 204 | 404 | 404 | 403 | 404",
)

# The journal.
case("list_events", "GET /events", codes="200 | 200 | 403 | 403 | 403 | 403 | 403")
case(
    "list_events_of_athlete",
    "GET /athletes/<athlete>/events",
    ATHLETES,
    codes="200 | 403 403 404 403 | 403 403 404 403 | 403 403 404 403 | 404 404 404 200 | 403 | 404",
)

# The own account.
case("get_me", "GET /me", codes="200 | 200 | 200 | 200 | 200 | 200 | 200")
own_account("list_sessions", "GET /sessions", "200")
own_account("list_tokens", "GET /tokens", "200")
own_account(
    "create_token",
    "POST /tokens",
    "201",
    {"name": "Website", "scopes": ["athletes:read"], "expires_in_days": 1},
)
own_account("delete_token", "DELETE /tokens/<device foreign>", "404")
own_account("delete_session", "DELETE /sessions/<device foreign>", "404")
own_account(
    "change_password", "PUT /me/password", "401", {"current": "x", "new": f"another {PASSWORD}"}
)
case(
    "delete_current_session",
    "DELETE /sessions/current",
    codes="404 | 204 | 204 | 204 | 204 | 403 | 204",
)
case("create_jwt", "POST /sessions/current/jwt", codes="404 | 200 | 200 | 200 | 200 | 403 | 200")
