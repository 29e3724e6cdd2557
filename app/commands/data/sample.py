"""Adding the sample data, a small realistic data set."""

from app.athletes.files.report import ImportReport
from app.athletes.sample import ATHLETES, REFERENCE, athletes_csv
from app.categories.sample import LEVELS
from app.centres.sample import CENTRES
from app.commands.data.remote import Service
from app.commands.data.targets import on_service
from app.commands.token import Remote
from app.trainings.sample import Week, add_week


def add_sample_data(where: Remote | None) -> None:
    """Add the sample data to a service or to the local database, and print the counts."""
    report, week = on_service(where, _add)
    print(
        f"{len(LEVELS)} levels, {len(CENTRES)} centres and {ATHLETES - report.rejected} athletes:"
        f" {report.created} athletes are new, {report.updated} were reset to their sample values."
    )
    for row in report.rejections:
        print(f"{REFERENCE.format(row.line - 1)} was rejected: {row.reason}")
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
    report = await service.import_csv(athletes_csv())
    return report, await add_week(service)
