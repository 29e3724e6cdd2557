import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from sqlmodel import SQLModel

from app.commands import database
from app.commands.project import ROOT

pytestmark = pytest.mark.slow

alembic_config = database.alembic_config


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Redirect new migrations to a copy of the migrations folder."""
    copy = tmp_path / "migrations"
    shutil.copytree(ROOT / "migrations", copy)

    def config() -> Config:
        config = alembic_config()
        config.set_main_option("script_location", str(copy))
        return config

    monkeypatch.setattr(database, "alembic_config", config)
    return copy / "versions"


@pytest.fixture
def gyms() -> Iterator[None]:
    """Declare an additional table during a test."""
    table = sa.Table("gyms", SQLModel.metadata, sa.Column("id", sa.Uuid, primary_key=True))
    yield
    SQLModel.metadata.remove(table)


@pytest.mark.usefixtures("gyms")
def test_a_migration_creates_the_new_table_and_is_formatted(versions: Path) -> None:
    before = set(versions.iterdir())

    database.write_migration("create gyms.")

    (written,) = set(versions.iterdir()) - before
    assert written.name.endswith("_create_gyms.py")
    text = written.read_text()
    assert text.startswith('"""Create gyms.\n')
    assert '    op.create_table(\n        "gyms",\n' in text
    assert '    op.drop_table("gyms")\n' in text


def test_no_migration_is_written_without_a_model_change(
    versions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(versions.iterdir())

    with pytest.raises(SystemExit):
        database.write_migration("create nothing")

    assert set(versions.iterdir()) == before
    assert "there is nothing to write" in capsys.readouterr().err
