"""The token that a command sends to a service: it is in a file or a variable, never an argument."""

from pathlib import Path

import pytest

from app.commands.cli import cli
from app.commands.token import VARIABLE, Remote, remote

URL = "http://127.0.0.1:1"
COMMANDS = {
    "import": ["import", "members.csv"],
    "export": ["export", "all.csv"],
    "sample-data": ["sample-data"],
    "fuzz": ["fuzz"],
}


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def ends_with(*arguments: str) -> object:
    """Run a command that must fail, and return why it ended."""
    with pytest.raises(SystemExit) as ended:
        cli(arguments)
    return ended.value.code


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_with_a_url_needs_a_token(name: str) -> None:
    why = ends_with(*COMMANDS[name], f"--url={URL}")

    assert why == f"error: --url needs a token: give --token-file, or set {VARIABLE}"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_token_file_that_cannot_be_read_is_an_error(name: str, tmp_path: Path) -> None:
    why = ends_with(*COMMANDS[name], f"--url={URL}", f"--token-file={tmp_path}/none")

    assert why == (
        f"error: cannot read the token: [Errno 2] No such file or directory: '{tmp_path}/none'"
    )


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff"])
def test_a_file_without_a_token_is_an_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)

    with pytest.raises(SystemExit, match="token"):
        remote(URL, file)


def test_the_file_comes_before_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("of the file\n")
    monkeypatch.setenv(VARIABLE, "of the variable")

    assert remote(URL, file) == Remote(URL, "of the file")
    assert remote(URL, None) == Remote(URL, "of the variable")
    assert remote(None, None) is None


def test_the_token_is_not_shown() -> None:
    assert repr(Remote(URL, "secret")) == f"Remote({URL})"
