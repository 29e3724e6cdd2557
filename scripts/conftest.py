"""The fixtures of the app's tests: the real service on a database with all migrations."""

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
