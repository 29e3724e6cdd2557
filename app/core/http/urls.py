"""URLs: links to this service, and the URL that a request asked for.

A proxy may strip a prefix from the path of each request. The server then has this prefix as its
``root_path``, and puts it back in front of ``path`` and ``raw_path`` (ASGI).
"""

import re
from urllib.parse import quote, unquote_to_bytes

from starlette.types import Scope

_BARE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


def route_path(scope: Scope) -> str:
    """Return the path of a request without the prefix of a proxy."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def link_to(scope: Scope, path: str) -> str:
    """Return the URL of a path of this service, with the prefix of a proxy, percent-encoded."""
    return quote(scope.get("root_path", "").rstrip("/") + path)


def asked_path(scope: Scope) -> str:
    """Return the path that a client asked for, as a URI reference (RFC 3986)."""
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    path = _BARE_PERCENT.sub("%25", quote(raw, safe="/%:@!$&'()*+,;=~"))
    # A reference that begins with // would name a host.
    return f"/.{path}" if path.startswith("//") else path


def is_utf8(scope: Scope) -> bool:
    """Return whether the path and the query of a request are UTF-8 once they are decoded."""
    asked: bytes = (scope.get("raw_path") or b"") + b"?" + scope["query_string"]
    try:
        unquote_to_bytes(asked).decode()
    except UnicodeDecodeError:
        return False
    return True
