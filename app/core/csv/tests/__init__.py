"""Tests of ``app.core.csv``."""
