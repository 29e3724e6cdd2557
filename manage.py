#!/usr/bin/env python3
"""Install the packages of poetry.lock into .venv once, and run a command of the project there."""

import sys

if not (3, 11) <= sys.version_info < (3, 15):  # before imports that fail on an older Python
    sys.exit(
        f"error: this needs Python 3.11 to 3.14, and {sys.executable} is {sys.version.split()[0]}"
    )

import hashlib
import os
import signal
import subprocess
import tomllib
import venv
from collections import deque
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "poetry.lock"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "made-from.txt"
PYTHON_VERSION = "{}.{}".format(*sys.version_info)


def main() -> None:
    """Run ``python -m app.commands`` with this command's arguments, in place of this process."""
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda number, _: sys.exit(128 + number))  # so that pip ends too
    try:
        python = sys.executable if inside_a_good_environment() else made_environment()
    except KeyboardInterrupt:
        sys.exit("\nstopped; run the command again to continue the installation")
    os.environ["CALLED_FROM"] = os.getcwd()  # paths in a command's arguments are relative to it
    os.chdir(ROOT)
    os.execv(python, [python, "-m", "app.commands", *sys.argv[1:]])  # noqa: S606 - no shell is meant


def inside_a_good_environment() -> bool:
    """Return whether this is another virtual environment that has the locked packages."""
    if sys.prefix == sys.base_prefix or Path(sys.prefix) == VENV:
        return False
    return all(is_installed(package) for package in locked_packages())


def is_installed(package: dict[str, Any]) -> bool:
    """Return whether the locked version is installed; a package with a marker may be absent."""
    try:
        return version(package["name"]) == str(package["version"])
    except PackageNotFoundError:
        return marker_of(package) is not None


def made_environment() -> str:
    """Return the Python of ``.venv``; create or update ``.venv`` first if it is out of date."""
    if not (PYTHON.exists() and STAMP.exists() and STAMP.read_text() == stamp()):
        venv.create(VENV, clear=not runs_this_version(PYTHON), symlinks=True)
        install([requirement(package) for package in locked_packages()])
        STAMP.write_text(stamp())  # last, so that an interrupted installation is repeated
    return str(PYTHON)


def stamp() -> str:
    """Return what ``.venv`` is made from: the hash of ``poetry.lock`` and the Python version."""
    return f"{hashlib.sha256(LOCK.read_bytes()).hexdigest()} Python {PYTHON_VERSION}"


def runs_this_version(python: Path) -> bool:
    """Return whether the interpreter works and has the same version as this one."""
    command = [str(python), "-c", "import sys; print('{}.{}'.format(*sys.version_info))"]
    try:
        return subprocess.check_output(command, text=True).strip() == PYTHON_VERSION  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return False


def locked_packages() -> list[dict[str, Any]]:
    """Read the packages of ``poetry.lock``, of all groups."""
    packages: list[dict[str, Any]] = tomllib.loads(LOCK.read_text("utf-8"))["package"]
    return packages


def marker_of(package: dict[str, Any]) -> str | None:
    """Return the marker under which any group needs the package; None means always."""
    markers = package.get("markers")
    if isinstance(markers, dict):
        if set(package["groups"]) - set(markers):
            return None
        return " or ".join(f"({marker})" for marker in markers.values())
    return markers


def requirement(package: dict[str, Any]) -> str:
    """Return the package as a line of a requirements file, with the hashes of its files."""
    marker = marker_of(package)
    condition = f" ; {marker}" if marker else ""
    hashes = " ".join(f"--hash={file['hash']}" for file in package["files"])
    return f"{package['name']}=={package['version']}{condition} {hashes}"


def install(requirements: list[str]) -> None:
    """Install exactly these into ``.venv``; on failure exit with pip's last lines and an error."""
    print(
        f"Installing the {len(requirements)} packages of poetry.lock into .venv;"
        " this happens once and takes about a minute"
    )
    listing = VENV / "requirements.txt"
    listing.write_text("\n".join(requirements), "utf-8")
    # The outer Python's pip, because Debian's venv comes without one unless asked to install it.
    pip = [sys.executable, "-m", "pip", "--python", str(PYTHON), "--no-input"]
    options = ["--no-deps", "--require-hashes", "--progress-bar=off", "-r", str(listing)]
    tail: deque[str] = deque(maxlen=10)
    collected = 0
    with subprocess.Popen(  # noqa: S603
        [*pip, "install", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            for line in process.stdout or ():
                tail.append(line)
                collected += line.startswith("Collecting ")
                if sys.stdout.isatty():
                    print(f"\r{collected} of {len(requirements)}: {line.strip():.60}\033[K", end="")
        except BaseException:
            process.terminate()
            raise
    if sys.stdout.isatty():
        print("\r\033[K", end="")
    if process.returncode and "No module named pip" in "".join(tail):
        sys.exit(f"error: {sys.executable} has no pip; on Debian: apt install python3-pip")
    if process.returncode:
        sys.exit(
            "".join(tail) + "error: pip could not install the packages into .venv;"
            " fix the problem that it reports and try again"
        )


if __name__ == "__main__":
    main()
