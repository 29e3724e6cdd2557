"""Files generated from the app: the OpenAPI document, and the tables of endpoints."""

import inspect
import json
from itertools import groupby
from operator import itemgetter
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
    """Write the OpenAPI document of the app with the default settings."""
    document = create_app(Settings.model_construct()).openapi()
    DOCUMENT.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")


def write_endpoints() -> None:
    """Write a table of endpoints and their functions for each file into ``CONTRIBUTING.md``."""
    app = create_app(Settings.model_construct())
    before, _, rest = GUIDE.read_text("utf-8").partition(TABLE_BEGINS)
    after = rest.partition(TABLE_ENDS)[2]
    GUIDE.write_text(f"{before}{TABLE_BEGINS}{_tables(app)}{TABLE_ENDS}{after}", "utf-8")


def _tables(app: FastAPI) -> str:
    rows = sorted(
        (file, route.path.removeprefix("/api/v1"), method, function)
        for route in iter_route_contexts(app.routes)
        if route.path and route.path in app.openapi()["paths"]
        for file, function in [_place(route.endpoint)]
        for method in route.methods or ()
    )
    return "\n".join(
        f"[{file}]({file})\n\n| URL | function |\n|---|---|\n"
        + "".join(f"| `{method} {path}` | `{function}` |\n" for _, path, method, function in group)
        for file, group in groupby(rows, key=itemgetter(0))
    )


def _place(endpoint: Any) -> tuple[str, str]:
    file = Path(inspect.getsourcefile(endpoint) or "").relative_to(ROOT)
    return file.as_posix(), endpoint.__name__
