import io
from pathlib import Path

import pytest

from app.commands.postgres import log
from app.commands.postgres.log import ServerLog


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_only_its_owner_may_read_the_log_also_one_of_an_earlier_version(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.write_text("earlier\n")
    old.chmod(0o644)

    for path in (new, old):
        ServerLog(path).add(b"now\n")

    assert (mode(new), mode(old)) == (0o600, 0o600)
    assert old.read_text() == "earlier\nnow\n"


def test_the_log_grows_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "LARGEST", 8)
    server_log = ServerLog(tmp_path / "log")

    for number in range(10):
        server_log.add(f"{number}234\n".encode())

    names = ("log", "log.1")
    assert [(tmp_path / name).read_text() for name in names] == ["8234\n9234\n", "6234\n7234\n"]
    assert {mode(tmp_path / name) for name in names} == {0o600}
    assert len(list(tmp_path.iterdir())) == 2


def test_a_log_that_cannot_be_written_is_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(target := tmp_path / "another")
    server_log = ServerLog(tmp_path / "log")

    server_log.follow(io.BytesIO(b"1 postmaster FATAL:  no room\nlast\n")).join()

    assert (server_log.severe, server_log.last) == ("no room", "last")
    assert not target.exists()


def test_the_reason_is_the_last_severe_line_that_is_not_about_a_client(tmp_path: Path) -> None:
    server_log = ServerLog(tmp_path / "log")
    reasons = []
    for line in (
        "[7] client backend PANIC:  could not write",
        "[8] startup FATAL:  could not start",
        "[9] client backend FATAL:  the database system is starting up",
        "[1] postmaster LOG:  database system is shut down",
        "[1] postmaster LOG:  database system is ready to accept connections",
    ):
        server_log.add(line.encode())
        reasons.append(server_log.severe)

    assert reasons == ["could not write", *["could not start"] * 3, ""]
