"""What is written from the app itself: the OpenAPI document, and the table of endpoints."""

import inspect
import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.application import create_app
from app.commands.project import ROOT
from app.core.settings import Settings

DOCUMENT = ROOT / "docs" / "openapi.json"
GUIDE = ROOT / "CONTRIBUTING.md"
TABLE_BEGINS, TABLE_ENDS = "<!-- endpoints -->\n", "<!-- /endpoints -->\n"


def write_document() -> None:
    """Write the document of the app with the default settings."""
    document = create_app(Settings.model_construct()).openapi()
    DOCUMENT.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")


def write_endpoints() -> None:
    """Write which function in which file answers each endpoint, into the guide."""
    app = create_app(Settings.model_construct())
    before, _, rest = GUIDE.read_text("utf-8").partition(TABLE_BEGINS)
    after = rest.partition(TABLE_ENDS)[2]
    GUIDE.write_text(f"{before}{TABLE_BEGINS}{_table(app)}{TABLE_ENDS}{after}", "utf-8")


def _table(app: FastAPI) -> str:
    rows = [
        (route.path, method, *_place(route.endpoint))
        for route in iter_route_contexts(app.routes)
        if route.path and route.path in app.openapi()["paths"]
        for method in sorted(route.methods or ())
    ]
    lines = [
        f"| `{method} {path.removeprefix('/api/v1')}` | `{function}` | [{file}]({file}) |\n"
        for path, method, function, file in sorted(rows)
    ]
    return "".join(["| URL | function | file |\n", "|---|---|---|\n", *lines])


def _place(endpoint: Any) -> tuple[str, str]:
    file = Path(inspect.getsourcefile(endpoint) or "").relative_to(ROOT)
    return endpoint.__name__, file.as_posix()
