"""The service that a command calls, and the token it sends."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

from app.commands.project import from_caller

VARIABLE = "CROSSFIT_TOKEN"


class Remote(NamedTuple):
    """The URL of a running service, and a token for it."""

    url: str
    token: str

    def __repr__(self) -> str:
        """Leave out the token."""
        return f"Remote({self.url})"


def remote(url: str | None, token_file: Path | None) -> Remote | None:
    """Return the service at a URL with its token; None without a URL. Exit without a token.

    The token is in a file or an environment variable: other users of the machine can see the
    arguments of a command.
    """
    if url is None:
        return None
    try:
        token = from_caller(token_file).read_text() if token_file else os.environ.get(VARIABLE, "")
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"error: cannot read the token: {error}")
    if not token.strip():
        sys.exit(f"error: --url needs a token: give --token-file, or set {VARIABLE}")
    return Remote(url, token.strip())
