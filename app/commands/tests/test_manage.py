import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import manage
from app.commands.project import ROOT


def package(**fields: Any) -> dict[str, Any]:
    files = [{"file": "a.whl", "hash": "sha256:aa"}, {"file": "a.tar.gz", "hash": "sha256:bb"}]
    return {"name": "a", "version": "1.0", "groups": ["main"], "files": files} | fields


def test_a_requirement_has_every_hash() -> None:
    assert manage.requirement(package()) == "a==1.0 --hash=sha256:aa --hash=sha256:bb"


def test_a_requirement_has_the_packages_marker() -> None:
    line = manage.requirement(package(markers='sys_platform == "win32"'))

    assert line == 'a==1.0 ; sys_platform == "win32" --hash=sha256:aa --hash=sha256:bb'


def test_the_markers_of_several_groups_are_joined_with_or() -> None:
    markers = {"main": 'os_name == "nt"', "dev": 'python_version < "3.12"'}

    found = manage.marker_of(package(groups=["main", "dev"], markers=markers))

    assert found == '(os_name == "nt") or (python_version < "3.12")'


def test_a_package_of_a_group_without_a_marker_has_no_marker() -> None:
    found = manage.marker_of(package(groups=["main", "dev"], markers={"main": 'os_name == "nt"'}))

    assert found is None


def test_pip_finds_every_requirement_of_the_lock_installed(tmp_path: Path) -> None:
    # pip compares names, versions and markers; without an index it can download nothing.
    listing = tmp_path / "requirements.txt"
    listing.write_text("\n".join(map(manage.requirement, manage.locked_packages())))
    base = str(Path(sys.base_prefix) / "bin" / "python3")
    pip = [base, "-m", "pip", "--python", sys.executable, "install", "--dry-run", "--no-index"]

    done = subprocess.run(  # noqa: S603
        [*pip, "--no-deps", "--require-hashes", "-r", str(listing)], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    satisfied = {line.split()[3].partition("==")[0] for line in said if "already satisfied" in line}
    ignored = {line.split()[1].rstrip(":") for line in said if line.startswith("Ignoring ")}
    assert satisfied | ignored == {package["name"] for package in manage.locked_packages()}


def test_the_environment_has_exactly_the_packages_of_the_lock() -> None:
    wanted = {
        package["name"]
        for package in manage.locked_packages()
        if not (marker := manage.marker_of(package)) or Marker(marker).evaluate()
    }

    installed = {canonicalize_name(found.metadata["Name"]) for found in distributions()}

    assert installed - {"pip", "setuptools", "wheel"} == wanted


def test_a_package_with_a_marker_may_be_absent_but_not_outdated() -> None:
    absent = package(name="no-such-package")
    outdated = package(name="pytest", version="0.1", markers='os_name == "nt"')

    assert not manage.is_installed(absent)
    assert manage.is_installed(absent | {"markers": 'os_name == "nt"'})
    assert not manage.is_installed(outdated)


def test_manage_py_checks_for_the_python_versions_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    source = (ROOT / "manage.py").read_text()

    assert "(3, 11) <= sys.version_info < (3, 15)" in source
    assert SpecifierSet(project["requires-python"]) == SpecifierSet(">=3.11,<3.15")


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_is_printed_on_request_and_without_arguments(
    arguments: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)  # noqa: S603

    said = done.stdout + done.stderr
    assert all(name in said for name in ("run", "test", "check", "migrate", "migration"))


def test_a_relative_path_starts_at_the_callers_working_directory(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "manage.py"), "import", "members.csv"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)  # noqa: S603

    assert done.stderr == f"error: {tmp_path}/members.csv: No such file or directory\n"
    assert done.returncode == 1
