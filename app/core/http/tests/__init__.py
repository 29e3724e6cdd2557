"""Tests of ``app.core.http``."""
