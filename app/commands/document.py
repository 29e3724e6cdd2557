"""The committed OpenAPI document."""

import json

from app.application import create_app
from app.commands.project import ROOT
from app.core.settings import Settings

DOCUMENT = ROOT / "docs" / "openapi.json"


def write_document() -> None:
    """Write the document of the app with the default settings."""
    document = create_app(Settings.model_construct()).openapi()
    DOCUMENT.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
