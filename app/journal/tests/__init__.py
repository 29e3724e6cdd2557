"""Tests of ``app.journal``."""
