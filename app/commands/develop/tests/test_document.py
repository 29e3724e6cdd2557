"""The table of endpoints that `manage.py openapi` writes in addition to the document."""

from pathlib import Path

import pytest

from app.commands.develop import document


def test_the_table_of_endpoints_matches_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = document.GUIDE.read_text("utf-8")
    before, _, rest = committed.partition(document.TABLE_BEGINS)
    after = rest.partition(document.TABLE_ENDS)[2]
    emptied = tmp_path / "CONTRIBUTING.md"
    emptied.write_text(f"{before}{document.TABLE_BEGINS}{document.TABLE_ENDS}{after}", "utf-8")
    monkeypatch.setattr(document, "GUIDE", emptied)

    document.write_endpoints()

    assert emptied.read_text("utf-8") == committed, "run `python3 manage.py openapi`"
    assert "| `GET /centres/{centre_id}/athletes` | `list_athletes_at_centre` |" in committed
