"""Fixtures: the installed tools, and a service with its own database."""

import os
import tempfile
from collections.abc import Iterator

import pytest

from app.commands.database import database_url
from app.commands.identity import admin_token
from app.commands.postgres.embedded import temporary_postgres
from app.commands.prove.service import running_service
from app.commands.token import Remote
from clients import tools


@pytest.fixture(scope="session")
def installed() -> None:
    """Install the tools, or skip the test; with ``REQUIRE_TOOLS`` it fails instead."""
    try:
        tools.install()
    except tools.NotInstalled as error:
        if os.environ.get("REQUIRE_TOOLS"):
            raise
        pytest.skip(f"the tools cannot be installed: {error}")


@pytest.fixture
def service() -> Iterator[Remote]:
    """Provide a service with an empty database, and the token of an administrator."""
    with (
        temporary_postgres() as server,
        database_url(server.url()),
        tempfile.TemporaryFile("w+") as log,
        running_service(log) as service,
    ):
        yield Remote(service.url, admin_token("admin@clients.example"))
