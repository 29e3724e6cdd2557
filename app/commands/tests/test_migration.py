import pytest
from alembic import command

from app.commands import database
from app.core.settings import get_settings


def test_a_migration_is_written_against_a_server_that_has_the_earlier_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[tuple[str, str | None]] = []

    def revision(config: object, message: str, *, autogenerate: bool) -> None:
        command.check(database.alembic_config())  # fails unless the newest is there
        written.append((message, get_settings().database_url))

    monkeypatch.setattr(command, "revision", revision)
    before = get_settings().database_url

    database.write_migration("create gyms")

    [(message, url)] = written
    assert message == "create gyms"
    assert url != before == get_settings().database_url
