"""Settings: accepted values, and how a wrong value ends the start."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.commands.project import ROOT
from app.core.settings import CANNOT_START, Settings, get_settings


@pytest.fixture(autouse=True)
def _only_what_a_test_sets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


class TestURL:
    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://gym:secret@db.example:5433/crossfit",
            "postgres://gym:secret@db.example:5433/crossfit",
            "postgresql+asyncpg://gym:secret@db.example:5433/crossfit",
        ],
    )
    def test_every_usual_scheme_is_accepted(self, url: str) -> None:
        settings = Settings(_env_file=None, database_url=url)

        assert settings.database_url == "postgresql://gym:secret@db.example:5433/crossfit"

    def test_a_socket_folder_is_kept(self) -> None:
        url = "postgresql://postgres@/crossfit?host=/run/postgresql&port=5432"

        assert Settings(_env_file=None, database_url=url).database_url == url


class TestFile:
    def test_the_file_that_env_file_names_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "gym.env"
        file.write_text(
            "PROJECT_NAME=My Gym\nDEBUG=true\nDB_POOL_SIZE=3\nDATABASE_URL=\n"
            "CORS_ORIGINS=https://gym.example, http://localhost:5173\nDB_EXCLUDE_TABLES=a,b,\n"
        )
        monkeypatch.setenv("ENV_FILE", str(file))

        settings = get_settings()

        assert (settings.project_name, settings.debug, settings.db_pool_size) == ("My Gym", True, 3)
        assert settings.cors_origins == ("https://gym.example", "http://localhost:5173")
        assert settings.db_exclude_tables == ("a", "b")
        assert settings.database_url is None

    def test_a_variable_takes_precedence_over_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / ".env").write_text("PROJECT_NAME=File\n")
        monkeypatch.setenv("ENV_FILE", str(tmp_path / ".env"))
        monkeypatch.setenv("PROJECT_NAME", "Variable")

        assert get_settings().project_name == "Variable"

    def test_the_example_shows_every_setting_with_its_default(self) -> None:
        lines = (ROOT / ".env.example").read_text().splitlines()
        shown = dict(line.removeprefix("# ").split("=", 1) for line in lines if "=" in line)

        assert set(shown) == {name.upper() for name in Settings.model_fields}
        assert Settings(_env_file=ROOT / ".env.example") == Settings(_env_file=None)


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_HOSTS", "gym.example, *.boxes.example,localhost,[::1]")
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.7, 10.1.0.0/16,::1")

    settings = get_settings()

    assert settings.trusted_hosts == ("gym.example", "*.boxes.example", "localhost", "[::1]")
    assert settings.trusted_proxies == ("10.0.0.7", "10.1.0.0/16", "::1")


@pytest.mark.parametrize("prefix", ["", "/gym", "/my-gym/v1.0_~"])
def test_a_prefix_of_a_proxy_is_a_plain_path(prefix: str) -> None:
    assert Settings(_env_file=None, root_path=prefix).root_path == prefix


class TestWrongValue:
    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("DATABASE_URL", "mysql://h/d", "give a URL like postgresql://user:password@host"),
            ("DATABASE_URL", "postgresql://host", "the URL names no database: end it with /name"),
            ("TEST_DATABASE_URL", "tests", "give a URL like postgresql://user:password@host"),
            ("DB_POOL_SIZE", "0", "Input should be greater than or equal to 1"),
            ("DB_POOL_SIZE", "many", "Input should be a valid integer"),
            ("DEBUG", "perhaps", "Input should be a valid boolean"),
            ("API_V1_PREFIX", "api/", "give a path that starts with / and does not end with it"),
            ("ROOT_PATH", "gym", "give a path of letters, digits and . _ ~ - that starts with /"),
            ("ROOT_PATH", "/gym/", "give a path of letters, digits and . _ ~ - that starts with /"),
            ("ROOT_PATH", "//gym", "give a path of letters, digits and . _ ~ - that starts with /"),
            ("ROOT_PATH", "/my%20gym", "give a path of letters, digits and . _ ~ -"),
            ("CORS_ORIGINS", "gym.example", "give each origin as scheme://host[:port]"),
            ("CORS_ORIGINS", "https://gym.example/", "give each origin as scheme://host[:port]"),
            ("TRUSTED_HOSTS", "http://gym.example", "give each host like gym.example"),
            ("TRUSTED_HOSTS", "gym.example:80", "give each host like gym.example"),
            ("TRUSTED_HOSTS", "*", "give each host like gym.example"),
            ("TRUSTED_PROXIES", "proxy", "give each proxy as an address or network"),
            ("MAX_BODY_SIZE", "0", "Input should be greater than or equal to 1"),
            ("DB_LOCK_TIMEOUT", "0", "Input should be greater than or equal to 0.001"),
        ],
    )
    def test_it_ends_the_start_with_an_error_that_names_the_setting(
        self,
        name: str,
        value: str,
        reason: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setenv(name, value)

        with pytest.raises(SystemExit) as ended:
            get_settings()

        assert ended.value.code == CANNOT_START
        assert capsys.readouterr().err.startswith(f"error: {name}: {reason}")

    def test_a_missing_env_file_ends_the_start_with_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("ENV_FILE", str(tmp_path / "none"))

        with pytest.raises(SystemExit):
            get_settings()

        assert capsys.readouterr().err == f"error: ENV_FILE: there is no file {tmp_path}/none\n"

    def test_uvicorn_without_a_database_url_ends_with_an_error_of_one_line(self) -> None:
        ended = subprocess.run(
            [sys.executable, "-m", "uvicorn", "app.main:app", "--port", "0"],
            cwd=ROOT,
            env={"PATH": "", "ENV_FILE": os.devnull},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

        assert ended.returncode == CANNOT_START
        assert ended.stderr == (
            "error: DATABASE_URL is not set; set it, or start with `python3 manage.py run`\n"
        )
