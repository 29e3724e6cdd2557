"""Adding the sample data, a small realistic data set."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.athletes.files.report import ImportReport
from app.athletes.sample import ATHLETES, REFERENCE, athletes_csv
from app.categories.sample import LEVELS
from app.centres.sample import CENTRES
from app.commands.data.remote import Service
from app.commands.data.targets import on_service
from app.commands.token import Remote
from app.core.resources.text import name_key
from app.trainings.sample import Week, add_week
from app.workouts.sample import BENCHMARKS, PLACE, programme


def add_sample_data(where: Remote | None) -> None:
    """Add the sample data to a service or to the local database, and print the counts."""
    report, week = on_service(where, _add)
    print(
        f"{len(LEVELS)} levels, {len(CENTRES)} centres and {ATHLETES - report.rejected} athletes:"
        f" {report.created} athletes are new, {report.updated} were reset to their sample values."
    )
    for row in report.rejections:
        print(f"{REFERENCE.format(row.line - 1)} was rejected: {row.reason}")
    print(f"{len(BENCHMARKS)} benchmark workouts, and a week's programme at {PLACE}.")
    print(
        f"{week.trainings} trainings in the week from tomorrow: {week.new} new,"
        f" {week.cancelled} cancelled; {week.taken} seats are taken, and {week.waiting} athletes"
        " wait in the waitlist."
    )


async def _add(service: Service) -> tuple[ImportReport, Week]:
    for level in LEVELS:
        await service.create("categories", level.model_dump(mode="json"))
    for centre in CENTRES:
        await service.create("centres", centre.model_dump(mode="json"))
    await _add_workouts(service)
    report = await service.import_csv(athletes_csv())
    return report, await add_week(service)


async def _add_workouts(service: Service) -> None:
    """Add the benchmarks that are missing, and a programme on days without one."""
    for workout in BENCHMARKS:
        await service.create("workouts", workout.model_dump(mode="json"))
    found = await service.items("workouts", {"benchmark": "true"})
    ids = {name_key(workout["name"]): workout["id"] for workout in found}
    places = await service.items("centres", {"name_prefix": PLACE})
    centre = next(one for one in places if name_key(one["name"]) == name_key(PLACE))
    zone = ZoneInfo(centre["time_zone"])
    tomorrow = datetime.now(zone).date() + timedelta(days=1)
    for row in programme(ids, tomorrow, zone):
        await service.create(f"centres/{centre['id']}/programme", row)
