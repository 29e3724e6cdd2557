"""The command line: its words, options and help; the work is in the modules beside it."""

# Each command imports its module itself, so that --help and `run` load only what they need.

import os
import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Context, Exit, Option, Typer

from app.commands.project import from_caller
from app.commands.signals import end_cleanly_on_signals, stopped_with

cli = Typer(
    help="Run, test and check the CrossFit API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def main() -> None:
    """Run the command that the arguments name; a signal lets it clean up before it ends."""
    end_cleanly_on_signals()
    with stopped_with():
        cli(prog_name="manage.py")


@cli.command()
def run(
    host: Annotated[str, Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    workers: Annotated[int, Option(min=1, help="How many processes answer.")] = 1,
    reload: Annotated[
        bool, Option("--reload", help="Restart when a file of app/ changes.")
    ] = False,
) -> None:
    """Serve the API, on an embedded PostgreSQL unless DATABASE_URL is set."""
    with stopped_with(status=0):  # no failure: a service is there to be stopped
        from app.commands.run import serve

        serve(host, port, workers, reload)


@cli.command(context_settings=PASS_ON)
def test(context: Context) -> None:
    """Run the tests; all arguments go to pytest: test -m "not slow" -x -k cursor.

    Without arguments the whole suite runs, and its coverage is measured and must be high enough.

    Two workers run the whole suite, and what -m alone selects. With any other argument, one
    process runs the tests; -n 2 asks for two.

    The tests use TEST_DATABASE_URL, or an embedded PostgreSQL of their own.
    """
    from app.commands.suite import run_tests

    raise Exit(run_tests(context.args))


@cli.command()
def check() -> None:
    """Check format, lint, imports, types, migrations against models, and the lock."""
    from app.commands.check import run_checks

    raise Exit(run_checks())


@cli.command()
def drill(
    rounds: Annotated[int, Option(min=1, help="How often both kills are repeated.")] = 3,
) -> None:
    """Kill the database under writers, and count the writes that were lost or happened twice.

    It runs a database server and a service of its own, which are gone afterwards.
    """
    from app.commands.drill import run_drill

    raise Exit(run_drill(rounds))


@cli.command()
def migrate() -> None:
    """Bring the database to the newest migration."""
    from app.commands.database import migrate_to_head, service_database

    with service_database():
        migrate_to_head()
    print("The database is at the newest migration.")


@cli.command()
def migration(message: Annotated[str, Argument(help="What it does: create athletes.")]) -> None:
    """Write the migration from the newest one to the models, for you to read and correct."""
    from app.commands.database import write_migration

    write_migration(message)


URL = Annotated[
    str | None,
    Option(help="A running service, http://127.0.0.1:8000; the local database unless given."),
]


@cli.command("import")
def import_athletes(
    file: Annotated[Path, Argument(help="A CSV file in UTF-8.")],
    url: URL = None,
    rejected: Annotated[
        Path | None, Option(help="Where rejected rows go; FILE.rejected.csv unless given.")
    ] = None,
) -> None:
    """Create and change athletes by a CSV file, with columns like those of an export."""
    from app.commands.transfer import import_file

    import_file(from_caller(file), rejected and from_caller(rejected), url)


@cli.command("export")
def export_athletes(
    file: Annotated[Path, Argument(help="Where to write; an earlier file there is replaced.")],
    url: URL = None,
) -> None:
    """Write all athletes to a CSV file, which an import takes back as they are."""
    from app.commands.transfer import export_file

    export_file(from_caller(file), url)


@cli.command()
def sample_data(url: URL = None) -> None:
    """Fill in 200 athletes, and a week of trainings, to look at; again is the same as once."""
    from app.commands.sample import add_sample_data

    add_sample_data(url)


@cli.command()
def fuzz(
    url: Annotated[
        str | None,
        Option(
            help="A running service, in which rows are created, changed and deleted;"
            " one with a database of its own unless given."
        ),
    ] = None,
    cases: Annotated[
        int,
        Option(min=1, help="The most that the fuzzing phase makes up for each operation."),
    ] = 100,
    seconds: Annotated[
        int | None, Option(min=1, help="Begin anew with other requests until this time is over.")
    ] = None,
    seed: Annotated[
        int | None, Option(help="Makes the same requests again; a random one unless given.")
    ] = None,
) -> None:
    """Make up requests by the document, and hold each answer to it; any failure is a bug."""
    from app.commands.fuzz import fuzz

    raise Exit(fuzz(url, cases, seconds, seed))


@cli.command(context_settings=PASS_ON, add_help_option=False)
def bench(context: Context) -> None:
    """Measure how fast the service is, against others and by itself; see bench --help."""
    # In place of this process: bench imports app, so no module of app can import bench.
    os.execv(sys.executable, [sys.executable, "-m", "bench", *context.args])  # noqa: S606


@cli.command()
def openapi() -> None:
    """Write docs/openapi.json, and the table of endpoints in CONTRIBUTING.md, as they are now."""
    from app.commands.document import write_document, write_endpoints

    write_document()
    write_endpoints()
