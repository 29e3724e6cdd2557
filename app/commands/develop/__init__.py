"""Checks, tests, and generated files."""
