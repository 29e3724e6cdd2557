import re
from typing import Any

from draw_attendance import PLOT, drawn

Json = dict[str, Any]


def training(name: str, starts_at: str, status: str = "scheduled", **counts: int) -> Json:
    """Return a training of a report, with counts that are 0 unless given."""
    zeros = dict.fromkeys(("capacity", "taken", "present", "late", "no_shows", "waitlisted"), 0)
    return {"name": name, "starts_at": starts_at, "status": status, **zeros, **counts}


def report(*trainings: Json) -> Json:
    """Return a report of a centre in Madrid."""
    return {
        "centre": {"id": "", "name": "Anvil & Sons"},
        "time_zone": "Europe/Madrid",
        "from": "2026-11-23",
        "to": "2026-11-24",
        "trainings": list(trainings),
        "totals": {"trainings": 2, "capacity": 18, "present": 5, "no_shows": 2, "late": 1},
    }


def texts(picture: str) -> list[str]:
    return re.findall(r"<text [^>]*>([^<]*)</text>", picture)


def bars(picture: str) -> list[tuple[str, float]]:
    """Return the class and the height of each part of a bar."""
    found = re.findall(r'<rect class="(\w+)" x=.* width="44" height="([\d.]+)"/>', picture)
    return [(kind, float(height)) for kind, height in found]


def test_a_bar_has_a_part_for_each_kind_of_seat() -> None:
    picture = drawn(
        report(
            training("WOD", "2026-11-23T05:30:00Z", capacity=12, taken=7, present=5, no_shows=2),
            training("Late WOD", "2026-11-23T23:30:00Z", capacity=6, taken=3),
            training("Off", "2026-11-24T10:00:00Z", "cancelled", capacity=3),
        )
    )

    seat = PLOT / 12
    assert bars(picture) == [
        ("present", 5 * seat),
        ("absent", 2 * seat),
        ("free", 5 * seat),
        ("booked", 3 * seat),
        ("free", 3 * seat),
        ("off", 3 * seat),
    ]
    assert texts(picture)[:2] == [
        "Attendance of Anvil &amp; Sons, 2026-11-23 to 2026-11-24",
        "2 trainings, 18 seats: 5 visits, 2 no-shows, 1 late cancellations",
    ]
    assert {"06:30", "00:30", "Mon 23", "Tue 24", "no-show", "free seat"} <= set(texts(picture))


def test_a_long_name_is_cut_and_an_empty_report_is_drawn() -> None:
    named = training("A" * 14, "2026-11-23T05:30:00Z", capacity=1)

    assert f"{'A' * 12}…" in texts(drawn(report(named)))
    assert bars(drawn(report())) == []
