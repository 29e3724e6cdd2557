"""All checks apart from the tests: format, lint, imports, types, migrations, lock file."""

import subprocess
import sys
import tomllib
from collections.abc import Callable

from app.commands.database import database_url
from app.commands.develop import lockfile
from app.commands.postgres.embedded import temporary_postgres
from app.commands.project import ROOT

LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"
"""What import-linter's console script runs; the package has no module for ``python -m``."""


def run_checks() -> int:
    """Run every check, print each result and the output of failed ones; return 1 if any failed."""
    steps: dict[str, Callable[[], str]] = {
        "format": lambda: _complaint("-m", "ruff", "format", "--check", "."),
        "lint": lambda: _complaint("-m", "ruff", "check", "."),
        "imports": lambda: _complaint("-c", LINT_IMPORTS, "--no-logo", "--no-cache"),
        "types": lambda: _complaint("-m", "mypy"),
        "migrations": _migrations,
        "lock": _lock,
    }
    failed = False
    for name, step in steps.items():
        complaint = step()
        print(f"{name}: {'failed' if complaint else 'ok'}", flush=True)
        if complaint:
            failed = True
            print(complaint, flush=True)
    return int(failed)


def _complaint(*arguments: str) -> str:
    """Run Python with these arguments; return its output if it failed, else an empty string."""
    command = [sys.executable, *arguments]
    done = subprocess.run(  # noqa: S603
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.stdout.strip() or f"status {done.returncode}" if done.returncode else ""


def _migrations() -> str:
    """Compare the tables that the migrations create with the models."""
    with temporary_postgres() as server, database_url(server.url()):
        return _complaint("-m", "alembic", "upgrade", "head") or _complaint(
            "-m", "alembic", "check"
        )


def _lock() -> str:
    pyproject, lock = (
        tomllib.loads((ROOT / name).read_text("utf-8"))
        for name in ("pyproject.toml", "poetry.lock")
    )
    return "\n".join(lockfile.problems(pyproject, lock))
