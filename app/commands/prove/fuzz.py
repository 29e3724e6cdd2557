"""Contract fuzzing: schemathesis generates requests and checks responses against the document.

``schemathesis.toml`` has its settings and names the module with its hooks.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urljoin

from app.commands.data.sample import add_sample_data
from app.commands.database import database_url
from app.commands.identity import admin_token
from app.commands.postgres.embedded import temporary_postgres
from app.commands.project import ROOT
from app.commands.prove.service import NotStarted, running_service
from app.commands.signals import undisturbed
from app.commands.token import VARIABLE, Remote
from app.core.settings import get_settings

STRANGER = (
    *("--checks=strangers_are_refused", "--phases=fuzzing", "--mode=positive"),
    *("--max-examples=2", "--warnings=off"),
)
"""Options of the run without a token: valid requests, of which each that needs one gets 401."""


def fuzz(
    where: Remote | None, cases: int, seconds: int | None, seed: int | None, only: str | None = None
) -> int:
    """Fuzz a running service, or a temporary one; return 1 if anything is wrong.

    ``only`` is a regular expression for the IDs of the operations to fuzz.

    That is a failed check, an error of schemathesis, or a warning. Warnings count because a
    request that reaches no row proves nothing.
    """
    folder = ROOT / get_settings().data_dir / "fuzz"
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    with ExitStack() as stack:
        if where is None:
            log = folder / "service.log"
            where = stack.enter_context(_service_of_its_own(log))
            print(
                f"Fuzzing a temporary service with its own database; its log is {log}", flush=True
            )
        add_sample_data(where)
        options = [f"--max-examples={cases}", f"--report-json-path={report}"]
        options += [f"--max-time={seconds}"] if seconds is not None else []
        options += [f"--seed={seed}"] if seed is not None else []
        chosen = [f"--include-operation-id-regex={only}"] if only is not None else []
        location = urljoin(where.url, "/openapi.json")
        with _running([location, "--checks=all", *options, *chosen], where.token) as process:
            status = process.wait()
        print("Once more without a token", flush=True)
        with _running([location, *STRANGER, *chosen], None) as process:
            strangers = process.wait()
    return verdict(report, status) or int(strangers != 0)


@contextmanager
def _service_of_its_own(log: Path) -> Iterator[Remote]:
    """Run the service on a temporary database, and yield its URL and an admin's token."""
    with temporary_postgres() as server, database_url(server.url()), log.open("w+") as output:
        try:
            with running_service(output) as service:
                yield Remote(service.url, admin_token("admin@fuzz.example"))
        except NotStarted as error:
            sys.exit(f"error: {error}; see {log}")


@contextmanager
def _running(options: Sequence[str], token: str | None) -> Iterator[subprocess.Popen[bytes]]:
    """Run schemathesis, which sends a token or none, until the context ends."""
    environment = {**os.environ, VARIABLE: token or ""}
    config = f"--config-file={ROOT / 'schemathesis.toml'}"
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "schemathesis.cli", config, "run", *options],
        cwd=ROOT,
        env=environment,
    )
    try:
        yield process
    finally:
        with undisturbed():
            process.terminate()
            process.wait()


def verdict(report: Path, status: int) -> int:
    """Print the counts of the report; return 0 if nothing is wrong."""
    if not report.exists():
        print("error: schemathesis wrote no report; see its output above", file=sys.stderr)
        return 1
    found = json.loads(report.read_text("utf-8"))
    cases = found["test_cases"]["generated"]
    warnings = sum(map(len, found["warnings"].values()))
    failures = found["test_cases"]["unique_failures"]
    print(
        f"{cases} cases, {failures} failures, {len(found['errors'])} errors,"
        f" {warnings} warnings; the report is {report}"
    )
    clean = found["complete"] and not (failures or found["errors"] or warnings)
    return 0 if clean and cases and status == 0 else 1
