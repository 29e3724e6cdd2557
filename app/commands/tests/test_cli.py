"""The help of the command line: groups, examples, and the nearest command to a mistyped one."""

import shlex
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from app.commands.cli import cli

COMMANDS: dict[str, Any] = get_command(cli).commands  # type: ignore[attr-defined]


def said(*arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments, prog_name="manage.py", env={"COLUMNS": "100"})
    return result.output


def test_the_help_lists_every_command_in_its_group() -> None:
    groups: dict[str, list[str]] = {}
    for line in said("--help").splitlines():
        if line.startswith("╭─ "):
            commands = groups.setdefault(line.split()[1], [])
        elif line.startswith("│ ") and line[2] not in " -":
            commands.append(line.split()[1])

    assert groups == {
        "Options": [],
        "Serve": ["run", "migrate", "admin", "events", "keys"],
        "Data": ["import", "export", "sample-data", "competition"],
        "Develop": ["test", "check", "migration", "openapi"],
        "Prove": ["drill", "fuzz", "bench"],
    }
    assert {name for names in groups.values() for name in names} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_an_example_that_it_accepts(name: str) -> None:
    command = COMMANDS[name]
    lead, _, example = (command.epilog or "").partition(": ")

    assert lead == "Example"
    python, script, given, *arguments = shlex.split(example)
    assert (python, script, given) == ("python3", "manage.py", name)
    command.make_context(name, arguments)


def test_the_help_of_keys_says_how_to_rotate_them() -> None:
    assert "rotate" in said("keys", "--help")
    assert "publish the old one" in said("keys", "rotate", "--help")


@pytest.mark.parametrize("name", ["import", "export", "sample-data", "fuzz"])
def test_a_command_for_a_service_takes_a_token_file(name: str) -> None:
    assert {"--url", "--token-file"} <= set(said(name, "--help").split())


@pytest.mark.parametrize(("mistyped", "meant"), [("rnu", "run"), ("migrations", "migration")])
def test_an_unknown_command_suggests_the_nearest(mistyped: str, meant: str) -> None:
    assert f"No such command '{mistyped}'. Did you mean '{meant}'" in said(mistyped)
