"""Clients that others' tools generate from the OpenAPI document, run against the live service."""
