"""Check without Poetry whether ``poetry.lock`` matches ``pyproject.toml``."""

import hashlib
import json
from typing import Any

HASHED = {
    "project": ("requires-python", "dependencies", "optional-dependencies"),
    "poetry": ("dependencies", "source", "extras", "dev-dependencies", "group"),
}
"""The keys of each table that Poetry 2 hashes (``Locker._get_content_hash``)."""


def content_hash(pyproject: dict[str, Any]) -> str:
    """Compute the hash that Poetry writes into the lock file for this ``pyproject.toml``."""
    relevant = {
        "project": _only(HASHED["project"], pyproject["project"]),
        "dependency-groups": pyproject["dependency-groups"],
        "tool": {"poetry": _only(HASHED["poetry"], pyproject["tool"]["poetry"])},
    }
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()


def _only(keys: tuple[str, ...], table: dict[str, Any]) -> dict[str, Any]:
    return {key: table[key] for key in keys if key in table}


def problems(pyproject: dict[str, Any], lock: dict[str, Any]) -> list[str]:
    """Return what is wrong with the lock file, and how to fix it."""
    found = []
    if lock["metadata"]["content-hash"] != content_hash(pyproject):
        found.append("poetry.lock does not match pyproject.toml: run `poetry lock`")
    if named := [package["name"] for package in lock["package"] if "source" in package]:
        found.append(
            f"poetry.lock names a package index for {', '.join(named)}:"
            " lock again without that index"
        )
    return found
