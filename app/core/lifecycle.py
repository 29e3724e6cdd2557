"""How the server tells the app that it is being stopped.

A server gives each request a copy of the state of its lifespan (ASGI's ``scope["state"]``), and
writes into that.
"""

from collections.abc import MutableMapping
from typing import Any

STOPPING = "stopping"


def is_stopping(scope: MutableMapping[str, Any]) -> bool:
    """Tell whether the server that received a request is being stopped."""
    return STOPPING in scope.get("state", {})
