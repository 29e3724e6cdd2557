"""The service's settings: environment variables, or lines of an ``.env`` file."""

import os
import re
import sys
import tomllib
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, NoReturn
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

CANNOT_START = 3
"""Exit status of a start that would fail again: uvicorn's supervisor does not restart it."""


def _plain_postgres_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql", "postgresql+asyncpg"}:
        raise ValueError("give a URL like postgresql://user:password@host:5432/database")
    if not parts.path.strip("/"):
        raise ValueError("the URL names no database: end it with /name")
    return parts._replace(scheme="postgresql").geturl()


def _path_prefix(prefix: str) -> str:
    if not prefix.startswith("/") or prefix.endswith("/"):
        raise ValueError("give a path that starts with / and does not end with it, like /api/v1")
    return prefix


def _root_path(prefix: str) -> str:
    if prefix and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", prefix):
        raise ValueError("give a path of letters, digits and . _ ~ - that starts with /, like /gym")
    return prefix


def _origin(origin: str) -> str:
    parts = urlsplit(origin)
    if origin != "*" and (origin != f"{parts.scheme}://{parts.netloc}" or not parts.netloc):
        raise ValueError("give each origin as scheme://host[:port], without a path")
    return origin


def _host(host: str) -> str:
    if not re.fullmatch(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\]", host, re.IGNORECASE):
        raise ValueError("give each host like gym.example or *.gym.example, without a port")
    return host


def _address(address: str) -> str:
    try:
        ip_network(address, strict=False)
    except ValueError:
        raise ValueError(
            "give each proxy as an address or network, like 10.0.0.7 or 10.0.0.0/24"
        ) from None
    return address


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part for part in map(str.strip, value.split(",")) if part)
    return value


PostgresURL = Annotated[str, AfterValidator(_plain_postgres_url)]
CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Origins = Annotated[
    tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_split)
]
Hosts = Annotated[
    tuple[Annotated[str, AfterValidator(_host)], ...], NoDecode, BeforeValidator(_split)
]
Addresses = Annotated[
    tuple[Annotated[str, AfterValidator(_address)], ...], NoDecode, BeforeValidator(_split)
]
PublicReads = Annotated[
    tuple[Literal["timetable", "leaderboards"], ...], NoDecode, BeforeValidator(_split)
]
Seconds = Annotated[float, Field(ge=0.001, le=3600)]


def project_version() -> str:
    """Return the version of this checkout, which ``pyproject.toml`` alone holds."""
    pyproject = Path(__file__).resolve().parents[2] / "pyproject.toml"
    version: str = tomllib.loads(pyproject.read_text("utf-8"))["project"]["version"]
    return version


class Settings(BaseSettings):
    """The settings of the service; ``.env.example`` describes each of them."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")

    project_name: str = "CrossFit API"
    version: str = Field(default_factory=project_version)
    description: str = (
        "Athletes, their categories, the centres they train at, and the trainings they book there."
    )
    debug: bool = False
    api_v1_prefix: Annotated[str, AfterValidator(_path_prefix)] = "/api/v1"
    root_path: Annotated[str, AfterValidator(_root_path)] = ""
    database_url: PostgresURL | None = None
    test_database_url: PostgresURL | None = None
    db_exclude_tables: CommaSeparated = ()
    db_pool_size: int = Field(default=12, ge=1, le=1000)
    db_pool_wait: Seconds = 2
    db_statement_timeout: Seconds = 3
    db_lock_timeout: Seconds = 1
    db_idle_timeout: Seconds = 5
    db_command_timeout: Seconds = 5
    db_pgbouncer: bool = False
    max_connections: int = Field(default=16_384, ge=1, le=1_000_000)
    max_body_size: ByteSize = Field(default=ByteSize(64 * 2**10), ge=1)
    max_body_space: ByteSize = Field(default=ByteSize(64 * 2**20), ge=1)
    max_import_size: ByteSize = Field(default=ByteSize(64 * 2**20), ge=1)
    max_imports: int = Field(default=4, ge=1, le=1000)
    max_exports: int = Field(default=4, ge=1, le=1000)
    max_searches: int = Field(default=2, ge=1, le=1000)
    max_transfers: int = Field(default=256, ge=1, le=10_000)
    max_upload_space: ByteSize = Field(default=ByteSize(2**30), ge=1)
    import_wait: Seconds = 30
    body_timeout: Seconds = 10
    upload_timeout: Seconds = 600
    events_kept: int = Field(default=400, ge=1, le=36_500)
    max_keys_per_account: int = Field(default=100_000, ge=1, le=1_000_000)
    jwt_issuer: str = "crossfit-api"
    jwt_audience: str = "crossfit-api"
    public_read: PublicReads = ()
    fast_path: bool = True
    shutdown_delay: float = Field(default=1, ge=0, le=3600)
    data_dir: Path = Path(".local")
    cors_origins: Origins = ()
    trusted_hosts: Hosts = ()
    trusted_proxies: Addresses = ()


@cache
def get_settings() -> Settings:
    """Read the settings once; exit with the setting's name and the reason if a value is wrong."""
    file = os.environ.get("ENV_FILE")
    if file and not Path(file).exists():
        cannot_start(f"ENV_FILE: there is no file {file}")
    try:
        return Settings(_env_file=file or ".env")
    except ValidationError as error:
        cannot_start(
            "; ".join(
                f"{str(problem['loc'][0]).upper()}: {problem['msg'].removeprefix('Value error, ')}"
                for problem in error.errors(include_input=False)
            )
        )


def cannot_start(reason: str) -> NoReturn:
    """Exit with one line on standard error and the exit status ``CANNOT_START``."""
    print(f"error: {reason}", file=sys.stderr)
    sys.exit(CANNOT_START)
