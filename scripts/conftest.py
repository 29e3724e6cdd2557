"""The fixtures of the app's own tests: the real service, over a database that migrations built."""

from app.conftest import (
    app,
    client,
    connection,
    databases,
    document,
    own_database,
    shared_connection,
    shared_database,
    template,
)

__all__ = [
    "app",
    "client",
    "connection",
    "databases",
    "document",
    "own_database",
    "shared_connection",
    "shared_database",
    "template",
]
