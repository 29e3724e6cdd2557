"""Adding the sample data, a small realistic data set."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.athletes.files.report import ImportReport
from app.athletes.sample import ATHLETES, REFERENCE, athletes_csv
from app.categories.sample import LEVELS
from app.centres.sample import CENTRES
from app.commands.data.remote import Json, Service
from app.commands.data.targets import on_service
from app.commands.token import Remote
from app.core.resources.text import name_key
from app.leaderboards import sample as throwdown
from app.trainings.sample import PAST, Sums, add_trainings
from app.workouts.sample import BENCHMARKS, PLACE, programme


def add_sample_data(where: Remote | None) -> None:
    """Add the sample data to a service or to the local database, and print the counts."""
    report, past, week = on_service(where, _add)
    print(
        f"{len(LEVELS)} levels, {len(CENTRES)} centres and {ATHLETES - report.rejected} athletes:"
        f" {report.created} athletes are new, {report.updated} were reset to their sample values."
    )
    for row in report.rejections:
        print(f"{REFERENCE.format(row.line - 1)} was rejected: {row.reason}")
    print(f"{len(BENCHMARKS)} benchmark workouts, and a week's programme at {PLACE}.")
    print(f"{throwdown.NAME}, a competition with {len(throwdown.WORKOUTS)} events.")
    print(
        f"{past.trainings} trainings in the {PAST.days} days before today: {past.new} new;"
        f" {past.taken} seats were taken."
    )
    print(
        f"{week.trainings} trainings in the week from tomorrow: {week.new} new,"
        f" {week.cancelled} cancelled; {week.taken} seats are taken, and {week.waiting} athletes"
        " wait in the waitlist."
    )


async def _add(service: Service) -> tuple[ImportReport, Sums, Sums]:
    for level in LEVELS:
        await service.create("categories", level.model_dump(mode="json"))
    for centre in CENTRES:
        await service.create("centres", centre.model_dump(mode="json"))
    await _add_workouts(service)
    report = await service.import_csv(athletes_csv())
    await _add_throwdown(service)
    past, week = await add_trainings(service)
    return report, past, week


async def _add_workouts(service: Service) -> None:
    """Add the benchmarks that are missing, and a programme on days without one."""
    for workout in BENCHMARKS:
        await service.create("workouts", workout.model_dump(mode="json"))
    found = await service.items("workouts", {"benchmark": "true"})
    ids = {name_key(workout["name"]): workout["id"] for workout in found}
    centre = await _named(service, "centres", PLACE)
    zone = ZoneInfo(centre["time_zone"])
    tomorrow = datetime.now(zone).date() + timedelta(days=1)
    for row in programme(ids, tomorrow, zone):
        await service.create(f"centres/{centre['id']}/programme", row)


async def _add_throwdown(service: Service) -> None:
    """Add a competition with entries and results, unless there is one of its name."""
    if await service.items("competitions", {"name_prefix": throwdown.NAME}):
        return
    centre = await _named(service, "centres", throwdown.PLACE)
    today = datetime.now(ZoneInfo(centre["time_zone"]))
    made = await service.create("competitions", throwdown.competition(centre, today.date()))
    assert made is not None
    events = []
    for fields in throwdown.WORKOUTS:
        workout = await service.create("workouts", fields)
        assert workout is not None
        event = {"workout_id": workout["id"], "published_at": today.isoformat()}
        events.append(await service.create(f"competitions/{made['id']}/events", event))
    await service.act(f"competitions/{made['id']}/open")
    for level in throwdown.LEVELS:
        category = await _named(service, "categories", level)
        there = f"centres/{centre['id']}/athletes"
        found = await service.items(there, {"category_id": category["id"]})
        for athlete, scores in zip(found, throwdown.SCORES, strict=False):
            await _take_part(service, made, events, athlete, scores)


async def _take_part(
    service: Service,
    competition: Json,
    events: list[Json | None],
    athlete: Json,
    scores: throwdown.Scores,
) -> None:
    entries = f"competitions/{competition['id']}/entries"
    entry = await service.create(entries, {"athlete_id": athlete["id"]})
    assert entry is not None
    for number, result in throwdown.results(scores):
        event = events[number]
        assert event is not None
        await service.put(f"competition-events/{event['id']}/results/{entry['id']}", result)
    if scores.withdraws:
        await service.act(f"entries/{entry['id']}/withdraw", {"before_event": len(events)})


async def _named(service: Service, collection: str, name: str) -> Json:
    """Return the row of a name."""
    found = await service.items(collection, {"name_prefix": name})
    return next(one for one in found if name_key(one["name"]) == name_key(name))
