"""The options of ``manage.py import``."""

import sys
from collections.abc import Sequence

from pydantic import ValidationError

from app.athletes.files.options import ImportOptions


def import_options(
    *,
    encoding: str | None,
    mapped: Sequence[str],
    given: Sequence[str],
    dates: str | None,
    dry_run: bool,
) -> ImportOptions:
    """Validate the options of a command line; exit on an error."""
    options = {
        "encoding": encoding,
        "map": mapped,
        "set": given,
        "dates": dates,
        "dry_run": dry_run,
    }
    try:
        return ImportOptions.model_validate(options)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        subject, _, rest = wrong["msg"].partition(" ")
        said = f" {rest}" if subject in {"Input", "Text"} else f": {wrong['msg']}"
        sys.exit(f"error: --{wrong['loc'][0]}{said}")
