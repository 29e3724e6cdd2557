"""The command line of the benchmark: ``python -m bench``, as ``manage.py bench`` runs it."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option, Typer

from app.commands.project import from_caller
from app.commands.signals import end_cleanly_on_signals, stopped_with
from bench.run import Measurement, run_bench

cli = Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.command()
def bench(
    what: Annotated[
        Measurement, Argument(help="What to measure; all takes about a quarter of an hour.")
    ] = Measurement.COMPARISON,
    rows: Annotated[int, Option(min=1000, help="How many athletes there are to compare by.")] = (
        100_000
    ),
    rounds: Annotated[int, Option(min=1, help="How often each is measured, in turn.")] = 5,
    seconds: Annotated[int, Option(min=1, help="For how long each time.")] = 2,
    out: Annotated[
        Path, Option(help="The folder for tables, figures and a picture.", show_default=False)
    ] = Path(".local/bench"),
) -> None:
    """Measure how fast the service is, against others and by itself; status 1 if not fast enough.

    The comparison is with FastAPI and an ORM, bare ASGI and asyncpg, and Fastify, on one database.

    Growth is from a thousand athletes to a million. Bookings are measured beside PostgreSQL alone.

    It needs wrk, and Node for Fastify. All servers are its own, and gone afterwards.
    """
    raise Exit(run_bench(what, rows, rounds, seconds, from_caller(out)))


if __name__ == "__main__":
    end_cleanly_on_signals()
    with stopped_with():
        cli(prog_name="manage.py bench")
