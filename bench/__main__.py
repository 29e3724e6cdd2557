"""The command line of the benchmark: ``python -m bench``, as ``manage.py bench`` runs it."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option, Typer

from app.commands.project import from_caller
from app.commands.signals import end_cleanly_on_signals, stopped_with
from bench.run import Measurement, run_bench

cli = Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.command(epilog="Example: python3 manage.py bench growth")
def bench(
    what: Annotated[
        Measurement, Argument(help="What to measure; all takes about 15 minutes.")
    ] = Measurement.COMPARISON,
    rows: Annotated[
        int, Option(min=1000, help="Number of athletes in the comparison's database.")
    ] = (100_000),
    rounds: Annotated[int, Option(min=1, help="Number of rounds of the comparison.")] = 5,
    seconds: Annotated[
        int, Option(min=1, help="Seconds of load in each measurement of the comparison.")
    ] = 2,
    out: Annotated[
        Path, Option(help="The folder for tables, measurements and charts.", show_default=False)
    ] = Path(".local/bench"),
) -> None:
    """Measure the speed of the service; exit status 1 if a target is missed.

    The comparison is with FastAPI and an ORM, bare ASGI and asyncpg, and Fastify, on one database.

    Growth is from 1,000 athletes to 1,000,000. Bookings are compared with PostgreSQL alone, and the
    owner and the coach of a centre with an administrator.

    It needs wrk, and Node for Fastify. It starts its own servers and stops them afterwards.
    """
    raise Exit(run_bench(what, rows, rounds, seconds, from_caller(out)))


if __name__ == "__main__":
    end_cleanly_on_signals()
    with stopped_with():
        cli(prog_name="manage.py bench")
