"""The service as a child process of the drill, fuzzing and the benchmark."""

import tempfile
from pathlib import Path

import httpx
import pytest

from app.commands.prove.service import running_service

pytestmark = pytest.mark.slow


def test_the_service_answers_although_the_settings_trust_another_host(
    own_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gym.env").write_text("TRUSTED_HOSTS=gym.example\n")
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "gym.env"))
    monkeypatch.setenv("DATABASE_URL", own_database)

    with tempfile.TemporaryFile("w+") as log, running_service(log) as service:
        response = httpx.get(f"{service.url}/health/ready", trust_env=False)

    assert response.status_code == 200, response.text
