"""The command line: commands, options and help. Each command's work is in a module beside it."""

# Each command imports its module itself, so that --help and `run` load only what they need.

import os
import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Context, Exit, Option, Typer

from app.commands.project import from_caller
from app.commands.signals import end_cleanly_on_signals, stopped_with

cli = Typer(
    help="Serve, fill, develop and test the CrossFit API.",
    epilog="Help on one command, with an example: python3 manage.py COMMAND --help",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
SERVE, DATA, DEVELOP, PROVE = "Serve", "Data", "Develop", "Prove"
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def main() -> None:
    """Run the command that the arguments name; a signal lets it clean up before it ends."""
    end_cleanly_on_signals()
    with stopped_with():
        cli(prog_name="manage.py")


@cli.command(rich_help_panel=SERVE, epilog="Example: python3 manage.py run --port 8080 --workers 2")
def run(
    host: Annotated[str, Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8000,
    workers: Annotated[int, Option(min=1, help="Number of worker processes.")] = 1,
    reload: Annotated[
        bool, Option("--reload", help="Restart when a file in app/ changes.")
    ] = False,
) -> None:
    """Serve the API. Without DATABASE_URL, start an embedded PostgreSQL first."""
    with stopped_with(status=0):  # stopping a service is no failure
        from app.commands.serve.run import serve

        serve(host, port, workers, reload)


@cli.command(rich_help_panel=SERVE, epilog="Example: python3 manage.py migrate")
def migrate() -> None:
    """Upgrade the database to the latest migration."""
    from app.commands.database import command_database, migrate_to_head

    with command_database():
        migrate_to_head()
    print("The database is at the latest migration.")


@cli.command(rich_help_panel=SERVE, epilog="Example: python3 manage.py admin ana@example.com")
def admin(email: Annotated[str, Argument(help="The email address of the administrator.")]) -> None:
    """Make or restore an administrator, and print a code of one hour that sets the password."""
    from app.commands.identity import make_admin

    make_admin(email)


@cli.command(
    rich_help_panel=SERVE, epilog="Example: python3 manage.py events --type booking --follow"
)
def events(
    last: Annotated[int, Option(min=0, max=10_000, help="How many of the last events.")] = 20,
    kind: Annotated[
        str | None,
        Option(
            "--type",
            help="Only events of a type: booking.promoted, or all of booking.",
            show_default=False,
        ),
    ] = None,
    follow: Annotated[bool, Option("--follow", help="Then print each new event.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print a JSON object for each event.")] = False,
) -> None:
    """Print the last events of the journal: who wrote what, and when."""
    from app.commands.events import print_events

    print_events(last, kind, follow=follow, as_json=as_json)


keys = Typer(
    help="Manage the keys that sign JSON Web Tokens.",
    epilog="Example: python3 manage.py keys rotate",
    no_args_is_help=True,
)
cli.add_typer(keys, name="keys", rich_help_panel=SERVE)


@keys.command(epilog="Example: python3 manage.py keys rotate")
def rotate(
    now: Annotated[
        bool, Option("--now", help="Delete the old keys at once: they may have been stolen.")
    ] = False,
) -> None:
    """Make a new key that signs from now on; publish the old one until its tokens have ended."""
    from app.commands.identity import rotate_keys

    rotate_keys(at_once=now)


@keys.callback()
def _keys() -> None:
    """Keep `rotate` a command of its own name: one alone would take the name of the group."""


URL = Annotated[
    str | None,
    Option(
        help="Use this running service (http://127.0.0.1:8000) instead of the database.",
        show_default=False,
    ),
]


TokenFile = Annotated[
    Path | None,
    Option(
        help="File with a token for the service of --url; by default CROSSFIT_TOKEN has the token.",
        show_default=False,
    ),
]


@cli.command("import", rich_help_panel=DATA, epilog="Example: python3 manage.py import members.csv")
def import_athletes(
    file: Annotated[Path, Argument(help="CSV file, separated by commas, semicolons or tabs.")],
    url: URL = None,
    token_file: TokenFile = None,
    rejected: Annotated[
        Path | None,
        Option(
            help="File for the rejected rows; by default FILE.rejected.csv.", show_default=False
        ),
    ] = None,
    mapped: Annotated[
        list[str] | None,
        Option(
            "--map",
            metavar="COLUMN=TITLES",
            help='A column that is called otherwise: "name=First Name + Last Name". Repeatable.',
            show_default=False,
        ),
    ] = None,
    given: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="COLUMN=VALUE",
            help="A value for all rows: category=Open. Repeatable.",
            show_default=False,
        ),
    ] = None,
    dates: Annotated[
        str | None,
        Option(
            metavar="dmy|mdy",
            help="What 05/06/1994 begins with: the day (dmy) or the month (mdy).",
            show_default=False,
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        Option(
            help="Encoding of a file that is not UTF-8 or UTF-16, such as cp1252.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Report everything, and store nothing.")
    ] = False,
) -> None:
    """Create and update athletes from a CSV file (an upsert by id or reference)."""
    from app.commands.data.options import import_options
    from app.commands.data.transfer import import_file
    from app.commands.token import remote

    options = import_options(
        encoding=encoding, mapped=mapped or (), given=given or (), dates=dates, dry_run=dry_run
    )
    where = remote(url, token_file)
    import_file(from_caller(file), rejected and from_caller(rejected), where, options)


@cli.command("export", rich_help_panel=DATA, epilog="Example: python3 manage.py export all.csv")
def export_athletes(
    file: Annotated[Path, Argument(help="File to write; an existing one is replaced.")],
    url: URL = None,
    token_file: TokenFile = None,
) -> None:
    """Write all athletes to a CSV file that `import` accepts unchanged."""
    from app.commands.data.transfer import export_file
    from app.commands.token import remote

    export_file(from_caller(file), remote(url, token_file))


@cli.command(rich_help_panel=DATA, epilog="Example: python3 manage.py sample-data")
def sample_data(url: URL = None, token_file: TokenFile = None) -> None:
    """Add 200 sample athletes and a week of trainings. Idempotent."""
    from app.commands.data.sample import add_sample_data
    from app.commands.token import remote

    add_sample_data(remote(url, token_file))


competition = Typer(
    help="Import competitions, and verify their standings.",
    epilog="Example: python3 manage.py competition import DIR --verify",
    no_args_is_help=True,
)
cli.add_typer(competition, name="competition", rich_help_panel=DATA)


@competition.command("import", epilog="Example: python3 manage.py competition import DIR --verify")
def import_competition(
    folder: Annotated[
        Path, Argument(metavar="DIR", help="Folder with athletes.csv, scores.csv and rules.json.")
    ],
    rules: Annotated[
        Path | None,
        Option(help="File with the rules; by default DIR/rules.json.", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        Option(help="Name of the competition; by default that in the rules.", show_default=False),
    ] = None,
    centre: Annotated[
        str | None, Option(help="Name of the centre that hosts it.", show_default=False)
    ] = None,
    verify: Annotated[
        bool,
        Option(
            "--verify",
            help="Compare all places, totals and ranks with the published ones in the files.",
        ),
    ] = False,
) -> None:
    """Import a competition with its events, athletes and results: all of it or nothing."""
    from app.commands.competition import import_competition

    status = import_competition(
        from_caller(folder), rules and from_caller(rules), name, centre, verifies=verify
    )
    raise Exit(status)


@competition.command(
    "verify", epilog="Example: python3 manage.py competition verify ../shared/data"
)
def verify_competitions(
    data: Annotated[Path, Argument(metavar="DIR", help="Folder with folders of competitions.")],
) -> None:
    """Import all competitions of a folder into a temporary database, and compare their standings.

    A folder without rules.json has its rules in scripts/, by its name.
    """
    from app.commands.competition import verify_competitions

    raise Exit(verify_competitions(from_caller(data)))


@cli.command(
    rich_help_panel=DEVELOP,
    context_settings=PASS_ON,
    epilog='Example: python3 manage.py test -m "not slow"',
)
def test(context: Context) -> None:
    """Run the tests. All arguments go to pytest.

    Without arguments, the whole suite runs and its coverage must reach the minimum.

    The whole suite runs on two workers, and so does a selection by -m alone.
    With any other argument one process runs the tests; add -n 2 for two.

    The tests use TEST_DATABASE_URL, or an embedded PostgreSQL of their own.
    """
    from app.commands.develop.suite import run_tests

    raise Exit(run_tests(context.args))


@cli.command(rich_help_panel=DEVELOP, epilog="Example: python3 manage.py check")
def check() -> None:
    """Check format, lint, imports, types, migrations and the lock file."""
    from app.commands.develop.check import run_checks

    raise Exit(run_checks())


@cli.command(
    rich_help_panel=DEVELOP, epilog='Example: python3 manage.py migration "create coaches"'
)
def migration(message: Annotated[str, Argument(help="What the migration does.")]) -> None:
    """Generate a migration from the changes in the models. Review the file before you use it."""
    from app.commands.database import write_migration

    write_migration(message)


@cli.command(rich_help_panel=DEVELOP, epilog="Example: python3 manage.py openapi")
def openapi() -> None:
    """Write docs/openapi.json, and the table of endpoints in CONTRIBUTING.md."""
    from app.commands.develop.document import write_document, write_endpoints

    write_document()
    write_endpoints()


@cli.command(rich_help_panel=PROVE, epilog="Example: python3 manage.py drill --rounds 5")
def drill(
    rounds: Annotated[
        int, Option(min=1, help="Number of rounds; each has two kills, or one promotion.")
    ] = 3,
    standby: Annotated[
        bool,
        Option(
            "--standby",
            help="Cut off a synchronous standby, kill its primary, and promote the standby.",
        ),
    ] = False,
    attack: Annotated[
        bool, Option("--attack", help="Instead, attack the service as a hostile client would.")
    ] = False,
) -> None:
    """Kill the database during writes, then count lost and duplicated writes.

    It starts its own database server and service, and removes them afterwards.
    """
    if attack:
        from app.commands.prove.attack import run_attacks

        raise Exit(run_attacks())

    from app.commands.prove.drill import run_drill

    raise Exit(run_drill(rounds, standby=standby))


@cli.command(rich_help_panel=PROVE, epilog="Example: python3 manage.py fuzz --cases 20 --seed 1")
def fuzz(
    url: Annotated[
        str | None,
        Option(
            help="Fuzz this running service. It creates, updates and deletes rows there."
            " By default it starts a service with its own database.",
            show_default=False,
        ),
    ] = None,
    token_file: TokenFile = None,
    cases: Annotated[
        int,
        Option(min=1, help="Maximum number of cases for each operation in the fuzzing phase."),
    ] = 100,
    seconds: Annotated[
        int | None,
        Option(min=1, help="Repeat with new requests for this many seconds.", show_default=False),
    ] = None,
    seed: Annotated[
        int | None,
        Option(help="Seed that repeats the same requests; random by default.", show_default=False),
    ] = None,
    only: Annotated[
        str | None,
        Option(
            help="Regular expression for the IDs of the operations to fuzz: athlete|booking.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Generate requests from the OpenAPI document and check every response against it."""
    from app.commands.prove.fuzz import fuzz
    from app.commands.token import remote

    raise Exit(fuzz(remote(url, token_file), cases, seconds, seed, only))


@cli.command(
    rich_help_panel=PROVE,
    context_settings=PASS_ON,
    add_help_option=False,
    epilog="Example: python3 manage.py bench growth",
)
def bench(context: Context) -> None:
    """Measure the speed of the service, alone and against other stacks."""
    # This process becomes bench's: bench imports app, so no module of app may import bench.
    os.execv(sys.executable, [sys.executable, "-m", "bench", *context.args])  # noqa: S606
