"""Clients that are generated from the live document do what frontends and scripts do.

The scenario is the same for each: create, list, page, change, book, import, export, delete.
"""

import re
import shutil
import sys
from pathlib import Path

import httpx
import pytest

from app.commands.token import Remote
from clients.tools import FOLDER, NODE, NODE_MODULES, PYTHON, run

pytestmark = [pytest.mark.usefixtures("installed"), pytest.mark.timeout(600)]

GENERATED = FOLDER / "generated"


@pytest.fixture
def document(service: Remote, tmp_path: Path) -> str:
    """Download the OpenAPI document of the service, and provide the path of the file."""
    file = tmp_path / "openapi.json"
    file.write_bytes(httpx.get(f"{service.url}/openapi.json").content)
    return str(file)


def test_a_typescript_client_with_zod_compiles_strictly_and_runs(
    service: Remote, document: str
) -> None:
    shutil.rmtree(GENERATED / "typescript", ignore_errors=True)

    run([NODE, NODE_MODULES / "@hey-api/openapi-ts/bin/run.js"], DOCUMENT=document)
    run([NODE, NODE_MODULES / "typescript/bin/tsc", "-p", "."])

    there = {"API_URL": service.url, "API_TOKEN": service.token}
    assert run([NODE, "scenario.ts"], **there, DOCUMENT=document) == "ok\n"


def test_a_python_client_type_checks_strictly_and_runs(service: Remote, document: str) -> None:
    shutil.rmtree(GENERATED / "python", ignore_errors=True)
    options = ["--meta=none", "--config=openapi-python-client.yaml"]

    said = run(
        [
            *(str(PYTHON), "-m", "openapi_python_client", "generate", *options),
            *(f"--path={document}", "--output-path=generated/python"),
        ]
    )
    strict = ["--strict", "--config-file=", "--cache-dir=generated/.mypy_cache"]
    run([sys.executable, "-m", "mypy", *strict, f"--python-executable={PYTHON}", "scenario.py"])

    there = {"API_URL": service.url, "API_TOKEN": service.token}
    assert run([PYTHON, "scenario.py"], **there) == "ok\n"
    # Operations whose bodies are neither JSON nor a form are left out.
    assert re.findall(r"WARNING parsing (\w+ \S+)", said) == [
        "POST /api/v1/athletes/import",
        "POST /api/v1/competitions/{competition_id}/import",
    ]
