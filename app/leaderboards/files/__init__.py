"""Competitions in files: import, verification and export."""
