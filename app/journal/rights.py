"""Rights to events, besides those of administrators."""

from app.core.access import OWNER, SELF, Right

READ = Right(OWNER)
"""The right to read the events about a centre."""
READ_OF_ATHLETE = Right(SELF)
