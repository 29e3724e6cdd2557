"""How the server tells the app that it is being stopped.

Each request has, in its ``scope["state"]``, one event that all of them share: it may be set while
they are under way.
"""

from collections.abc import MutableMapping
from typing import Any

STOPPING = "stopping"
"""Where the event is: a ``threading.Event``, since a signal sets it."""


def is_stopping(scope: MutableMapping[str, Any]) -> bool:
    """Tell whether the server that received a request is being stopped."""
    told = scope.get("state", {}).get(STOPPING)
    return told is not None and bool(told.is_set())
