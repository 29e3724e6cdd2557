"""Tests of ``app.core.db``."""
