"""Draw the attendance of a centre as an SVG picture: a bar for each training, by day."""

import os
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import httpx
import typer

API = "/api/v1"
ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "attendance.svg"
VARIABLE = "CROSSFIT_TOKEN"
TOKEN_FILE = ROOT / ".local" / "admin-token"
"""The token that `manage.py run` makes for the embedded server."""

Json = dict[str, Any]

SLOT, BAR = 94, 44
"""The width of a training, and that of its bar."""
LEFT, RIGHT, TOP, PLOT, BOTTOM = 48, 16, 96, 240, 76
"""The margins around the bars, and the height of the highest bar."""
SHORTEST_WITH_NUMBER = 14
KINDS = {
    "present": "present",
    "absent": "no-show",
    "booked": "booked, not ended yet",
    "free": "free seat",
    "off": "seat of a cancelled training",
}
"""The parts of a bar from bottom to top, by their class in the style sheet."""
STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #1f2328; text-anchor: middle }
.title { font-size: 18px; font-weight: 600 } .begin { text-anchor: start }
.small { fill: #59636e } .end { text-anchor: end } .number { fill: #fff; font-weight: 600 }
.page { fill: #fff } .grid { stroke: #d1d9e0 } .day { stroke: #818b98 }
.present { fill: #0969a8 } .absent { fill: #bc4c00 } .booked { fill: #6e7781 }
.free { fill: #eaeef2; stroke: #afb8c1 } .off { fill: none; stroke: #818b98; stroke-dasharray: 3 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .small { fill: #9198a1 } .number { fill: #0d1117 }
.page { fill: #0d1117 } .grid { stroke: #30363d } .day { stroke: #656c76 }
.present { fill: #58a6ff } .absent { fill: #f0883e } .booked { fill: #b1bac4 }
.free { fill: #21262d; stroke: #484f58 } .off { stroke: #656c76 }
}"""


def main(
    centre: Annotated[str, typer.Option(help="The name of the centre.")] = "Anvil CrossFit",
    first: Annotated[
        str | None, typer.Option("--from", help="The first day; default: six days ago.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last day; default: today.")] = None,
    picture: Annotated[Path, typer.Option(help="The file to write.")] = PICTURE,
    url: Annotated[
        str, typer.Option(help="The URL of the running service.")
    ] = "http://127.0.0.1:8000",
    token_file: Annotated[
        Path, typer.Option(help=f"File with the token of staff, unless {VARIABLE} has it.")
    ] = TOKEN_FILE,
) -> None:
    """Draw the attendance of a centre, read from a running service, into an SVG file."""
    days = {
        "from": first or str(date.today() - timedelta(days=6)),
        "to": last or str(date.today()),
    }
    try:
        token = os.environ.get(VARIABLE) or token_file.read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
            found = client.get(f"{API}/centres", params={"name_prefix": centre, "limit": 1})
            (item,) = found.raise_for_status().json()["items"] or sys.exit(f"error: no {centre}")
            report = client.get(f"{API}/centres/{item['id']}/attendance", params=days)
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_text(drawn(report.raise_for_status().json()), "utf-8")
    except (OSError, httpx.HTTPError) as error:
        sys.exit(f"error: {error}")
    print(f"The picture is in {picture}.")


def drawn(report: Json) -> str:
    """Return the SVG picture of a report, in the JSON of the API."""
    trainings: list[Json] = report["trainings"]
    width = LEFT + SLOT * max(len(trainings), 6) + RIGHT
    height = TOP + PLOT + BOTTOM
    most = max((max(one["capacity"], one["taken"]) for one in trainings), default=1)
    scale = PLOT / most
    heading = f"Attendance of {report['centre']['name']}"
    zone = ZoneInfo(report["time_zone"])
    body = [
        *_head(report, heading, [kind for one in trainings for kind in _parts(one)]),
        *_axis(most, scale, width),
        *(line for n, one in enumerate(trainings) for line in _bar(one, _middle(n), scale, zone)),
        *_days(trainings, zone),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            f' width="{width}" height="{height}" role="img">',
            f"<title>{escape(heading)}: seats, athletes and no-shows of each training</title>",
            f"<style>\n{STYLE}\n</style>",
            f'<rect class="page" width="{width}" height="{height}"/>',
            *body,
            "</svg>\n",
        ]
    )


def _head(report: Json, heading: str, kinds: list[str]) -> Iterator[str]:
    """Write the title, the totals, and a legend of the kinds that occur."""
    totals = report["totals"]
    yield _text(LEFT, 30, f"{heading}, {report['from']} to {report['to']}", "title begin")
    counts = (
        f"{totals['trainings']} trainings, {totals['capacity']} seats: {totals['present']} visits,"
        f" {totals['no_shows']} no-shows, {totals['late']} late cancellations"
    )
    yield _text(LEFT, 50, counts, "small begin")
    x = LEFT
    for kind, name in KINDS.items():
        if kind in kinds:
            yield f'<rect class="{kind}" x="{x}" y="63" width="12" height="12"/>'
            yield _text(x + 18, 73, name, "begin")
            x += 48 + 7 * len(name)


def _axis(most: int, scale: float, width: int) -> Iterator[str]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200) if most / step <= 8)
    for seats in range(0, most + 1, step):
        y = TOP + PLOT - seats * scale
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{width - RIGHT}"/>'
        yield _text(LEFT - 8, y + 4, str(seats), "small end")
    yield _text(LEFT - 8, TOP - 8, "seats", "small end")


def _parts(training: Json) -> dict[str, int]:
    """Return how many seats of a training are of each kind, without those of none."""
    taken, present, absent = (training[name] for name in ("taken", "present", "no_shows"))
    seats = {
        "present": present,
        "absent": absent,
        "booked": taken - present - absent,
        "free": training["capacity"] - taken,
    }
    if training["status"] == "cancelled":
        seats = {"off": training["capacity"]}
    return {kind: number for kind, number in seats.items() if number > 0}


def _bar(training: Json, middle: float, scale: float, zone: ZoneInfo) -> Iterator[str]:
    y = float(TOP + PLOT)
    for kind, number in _parts(training).items():
        high = number * scale
        y -= high
        size = f'x="{middle - BAR / 2:g}" y="{y:.1f}" width="{BAR}" height="{high:.1f}"'
        yield f'<rect class="{kind}" {size}/>'
        if high >= SHORTEST_WITH_NUMBER:
            quiet = "small" if kind in {"free", "off"} else "number"
            yield _text(middle, y + high / 2 + 4, str(number), quiet)
    below = TOP + PLOT
    yield _text(middle, below + 18, f"{_begin(training, zone):%H:%M}")
    name = training["name"]
    yield _text(middle, below + 34, name if len(name) <= 13 else f"{name[:12]}…", "small")


def _days(trainings: list[Json], zone: ZoneInfo) -> Iterator[str]:
    """Write the days below their trainings."""
    numbered = enumerate(trainings)
    y = TOP + PLOT + 46
    for day, group in groupby(numbered, lambda one: _begin(one[1], zone).date()):
        places = [_middle(number) for number, _ in group]
        begin, end = places[0] - SLOT / 2 + 6, places[-1] + SLOT / 2 - 6
        yield f'<path class="day" d="M{begin:g} {y}H{end:g}"/>'
        yield _text((begin + end) / 2, y + 16, f"{day:%a} {day.day}")


def _middle(number: int) -> float:
    return LEFT + SLOT * (number + 0.5)


def _begin(training: Json, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(training["starts_at"]).astimezone(zone)


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:.0f}"{style}>{escape(text)}</text>'


if __name__ == "__main__":
    typer.run(main)
