"""Tests of ``app.core.resources``."""
